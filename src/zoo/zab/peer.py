"""A member of an ensemble: it looks for a leader, and then is one or learns from one.

Theory of operation. The peer owns what outlives a role: the election, the queue to the disk, the
history, the epochs. There is one role at a time, and it changes only through `become_looking`,
`become_following`, `become_observing` and `become_leading`. A role that ends (`look`) is stopped at
once, but nothing is looked for until the disk has done all that it was given: a vote tells what is
logged, and what is handed over is as good as logged. Meanwhile what others say is kept, the newest
of each.

The driver calls the inputs, and after every call takes what came of it: `mesh_out`,
`wanted_leader`, `dirty`, `ready`. Time passes in `tick`; the driver may set `now_ms` before any
other input too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from zoo.errors import ProtocolViolation
from zoo.zab.configurations import Configurations, fixed, parse_configuration
from zoo.zab.context import Epochs, Settings
from zoo.zab.election import Election, ElectionSettings
from zoo.zab.follower import Follower
from zoo.zab.history import History
from zoo.zab.leader import Leader
from zoo.zab.learner import Learner
from zoo.zab.link import PeerLink
from zoo.zab.log_queue import LogQueue
from zoo.zab.notification import Notification, parse_notification
from zoo.zab.observer import Observer
from zoo.zab.quorum import QuorumVerifier
from zoo.zab.ready import Ready
from zoo.zab.replica import Replica
from zoo.zab.vote import UNKNOWN_ZXID, ServerState

if TYPE_CHECKING:
    from random import Random

log = logging.getLogger(__name__)

_SHOWN = {"connecting": "discovery", "retiring": "broadcast"}
MAX_JITTER_MS = 200
"""A server whose roles come to nothing waits up to so long before it looks again."""


class Peer:
    """One server of an ensemble, without its disk, links, clients and clock.

    `log` and `history` end with the same zxid, the last that recovery found; `epochs` are what the
    disk has. `can_truncate(zxid)` tells whether the disk can go back to the state at `zxid`.

    `lacks_history`: the server may have lost what it had. It takes no part in elections, as a Java
    server with zxid -1; it joins the leader that the others have, is sent the whole state, and is a
    member like others once that is durable.
    """

    def __init__(
        self,
        my_id: int,
        quorum: QuorumVerifier,
        replica: Replica,
        *,
        rng: Random,
        log: LogQueue,
        history: History,
        epochs: Epochs,
        config: bytes = b"",
        settings: Settings | None = None,
        election: ElectionSettings | None = None,
        can_truncate: Callable[[int], bool] = lambda zxid: True,
        lacks_history: bool = False,
        feeds_observers: bool = False,
        configurations: Configurations | None = None,
    ) -> None:
        assert log.appended == history.last_zxid, "log and history end differently"
        self.my_id = my_id
        self.settings = settings or Settings()
        known = configurations or fixed(quorum, config)
        self.configurations = known
        known.store, known.changed = log.configure, self._configured
        self.quorum = known.quorum
        self.config_version = known.committed.version
        self.epochs = epochs
        self.log = log
        self.history = history
        self.replica = replica
        self.now_ms = 0
        self.role: Leader | Learner | None = None
        self.election = Election(my_id, known.quorum, known.committed.text, election)
        # What the driver takes
        self.mesh_out: list[tuple[int, bytes]] = []
        self.wanted_leader: int | None = None
        self.wants_observer_master = False
        """Dial the observer master port of `wanted_leader` instead of its quorum port."""
        self.dirty: list[PeerLink] = []
        self.elections = 0
        """Elections that this server has begun."""
        self.feeds_observers = feeds_observers
        """Followers of this ensemble take observers (observerMasterPort)."""
        self._rng = rng
        self._can_truncate = can_truncate
        self.lacks_history = lacks_history
        self._is_established = False
        self._failures = 0
        self._look_at: int | None = None
        self._kept: dict[int, Notification] = {}
        self._destination: int | None = None
        self._expected: int | None = None

    def __repr__(self) -> str:
        return f"Peer({self.my_id}, {self.state.name}, {self.zab_state})"

    # --- how things are

    @property
    def state(self) -> ServerState:
        return ServerState.LOOKING if self.role is None else self.election.state

    @property
    def is_voting(self) -> bool:
        """The disk has done all that it was given, and the election goes on with that."""
        return self.role is None and self._look_at is None

    @property
    def zab_state(self) -> str:
        """election, discovery, synchronization or broadcast, as ZooKeeper calls them."""
        if self.role is None:
            return "election"
        phase = self.role.phase.name.lower()
        return _SHOWN.get(phase, phase)

    @property
    def learners(self) -> int:
        """Links to learners, while leading."""
        return len(self.role.handlers) if isinstance(self.role, Leader) else 0

    @property
    def fed_observers(self) -> int | None:
        """Observers that are in step and fed by this follower; None if there cannot be any."""
        return self.role.fed_observers if isinstance(self.role, Follower) else None

    @property
    def observer_master_id(self) -> int | None:
        """Who feeds this observer."""
        return self.role.fed_by if isinstance(self.role, Observer) else None

    @property
    def leader_id(self) -> int | None:
        """The server that is followed, or this one; None while looking."""
        return None if self.role is None else self.election.vote.leader

    @property
    def next_due(self) -> int | None:
        """When `tick` has something to do that does not wait for the next twentieth of a tick."""
        if self.role is not None:
            return self.role.next_due
        if self._look_at is None:
            return self.election.next_due
        return self._look_at if self.log.is_idle else None

    def can_truncate(self, zxid: int) -> bool:
        return self._can_truncate(zxid)

    # --- inputs

    def start(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.become_looking()

    def tick(self, now_ms: int) -> None:
        self.now_ms = now_ms
        if self.role is not None:
            self.role.tick()
        elif self._look_at is not None:
            self._begin_election()
        else:
            self.election.tick(now_ms)
            self._after_election()

    def notification(self, sid: int, data: bytes) -> None:
        """A message of the election mesh. Raises ProtocolViolation: the mesh drops that link."""
        heard = parse_notification(data)
        if self._look_at is not None:
            self._kept[sid] = heard
            return
        self.election.notification(sid, heard, self.now_ms)
        if self.role is None and self._adopt_newer():
            self.become_looking()
            return
        self._after_election()

    def reachable(self, sid: int) -> None:
        """The mesh has a link to this server again."""
        self.election.reachable(sid, self.now_ms)
        self._after_election()

    def unreachable(self, sid: int) -> None:
        """The mesh has lost its link to this server, or could not make one."""
        self._kept.pop(sid, None)
        self.election.unreachable(sid, self.now_ms)
        self._after_election()

    def learner_link(self, link: PeerLink) -> None:
        """A learner has connected to the quorum port."""
        if isinstance(self.role, Leader):
            self.role.learner_link(link)
        else:
            link.close()

    def observer_link(self, link: PeerLink) -> None:
        """An observer has connected to the observer master port."""
        if isinstance(self.role, Follower):
            self.role.observer_link(link)
        else:
            link.close()

    def leader_link(self, link: PeerLink | None) -> None:
        """The dial that `wanted_leader` asked for has succeeded or failed."""
        self.wanted_leader = None
        self.wants_observer_master = False
        if isinstance(self.role, Learner):
            self.role.leader_link(link)
        elif link is not None:
            link.close()

    def ready(self) -> Ready | None:
        """What to make durable next; None while nothing is, or the last one is under way."""
        return self.log.ready()

    def persisted(self, ready: Ready) -> None:
        """All of this Ready is durable, and the state is rebuilt if it cut applied ones off."""
        self.log.on_persisted(ready)
        if ready.accepted_epoch is not None:
            self.epochs.accepted = ready.accepted_epoch
        if ready.current_epoch is not None:
            self.epochs.current = ready.current_epoch
            self.lacks_history = False  # its leader's history lies in front of it, durable
        if self.role is not None:
            self.role.persisted()
        elif self._look_at is not None:
            self._begin_election()

    def stop(self) -> None:
        """The server ends: close the links, drop the clients."""
        role, self.role = self.role, None
        self._look_at = None
        if role is not None:
            role.stop()

    # --- what roles ask for

    def look(self, reason: str) -> None:
        """Leave the role and elect anew."""
        log.warning("%s: %s", self, reason)
        self._failures = 0 if self._is_established else self._failures + 1
        self.become_looking()

    def go_to(self, leader: int, reason: str) -> None:
        """Leave the role for this leader, which may be ourselves, without an election."""
        log.info("%s goes to server %d: %s", self, leader, reason)
        self._failures = 0
        self._destination = leader
        self.become_looking()

    def look_for(self, leader: int, reason: str) -> None:
        """Leave the role and elect anew; this one is expected to win, which may be ourselves."""
        log.info("%s: %s", self, reason)
        self._failures = 0
        self._expected = leader
        self.become_looking()

    def established(self, epoch: int) -> None:
        """The role begins to serve: who asks is told of this epoch from now on."""
        self._is_established = True
        self._failures = 0
        self.election.established(epoch)

    # --- transitions

    def become_looking(self) -> None:
        role, self.role = self.role, None
        self._is_established = False
        if role is not None:
            role.stop()
        self._look_at = self.now_ms
        if self._failures > 1:
            limit = min(MAX_JITTER_MS, 10 << min(self._failures, 10))
            self._look_at += self._rng.randrange(limit)
        self._begin_election()

    def become_following(self, leader: int) -> None:
        self.role = Follower(self, leader)

    def become_observing(self, leader: int) -> None:
        masters: list[int] = []
        if self.feeds_observers:
            masters = [sid for sid in self.quorum.voters if sid not in (leader, self.my_id)]
            self._rng.shuffle(masters)
        delay = self.settings.reconnect_delay_ms
        pause = self._rng.randrange(delay) if delay else 0
        self.role = Observer(self, leader, masters, pause)

    def become_leading(self) -> None:
        self.role = Leader(self)

    def _begin_election(self) -> None:
        """Look, if the disk has done all and the pause is over."""
        if self._look_at is None or not self.log.is_idle or self.now_ms < self._look_at:
            return
        self._look_at = None
        self._adopt_newer()
        destination, self._destination = self._destination, None
        if destination is not None and not self.lacks_history:
            self.election.settle(destination, self.log.persisted, self.epochs.current)
            self._kept.clear()
            self._after_election()
            return
        self.elections += 1
        zxid = UNKNOWN_ZXID if self.lacks_history else self.log.persisted
        expected, self._expected = self._expected, None
        self.election.begin(zxid, self.epochs.current, self.now_ms, expected)
        kept, self._kept = self._kept, {}
        for sid, heard in kept.items():
            try:
                self.election.notification(sid, heard, self.now_ms)
            except ProtocolViolation as violation:
                log.warning("server %d broke the protocol of elections: %s", sid, violation)
        self._after_election()

    # --- the configuration changes

    def _configured(self) -> None:
        known = self.configurations
        self.quorum = known.quorum
        version = known.committed.version
        self.election.reconfigure(known.quorum, known.committed.text)
        if version != self.config_version:
            self.config_version = version
            log.info("configuration 0x%x: %s", version, known.quorum)
            self.replica.configured(known.committed.text, version)

    def _adopt_newer(self) -> bool:
        """While looking: go by a later configuration that another server has told of; whether that
        makes a difference.
        """
        newer, known = self.election.newer_config, self.configurations
        if newer is None or newer.version <= known.committed.version:
            return False
        try:
            return known.activate(parse_configuration(newer.text))
        except ProtocolViolation as violation:
            log.warning("server %d: %s", newer.sid, violation)
            return False

    def _after_election(self) -> None:
        election = self.election
        self.mesh_out += election.out
        election.out.clear()
        if self._look_at is not None:
            return
        if self.role is not None:
            if not self._is_established and election.is_deserted:
                self.look("those who voted for this leader look for another")
            return
        decision = election.decision
        if decision is None:
            return
        log.debug("%d is %s, leader %d", self.my_id, decision.state.name, decision.vote.leader)
        if decision.state is ServerState.LEADING:
            self.become_leading()
        elif decision.state is ServerState.FOLLOWING:
            self.become_following(decision.vote.leader)
        else:
            self.become_observing(decision.vote.leader)
