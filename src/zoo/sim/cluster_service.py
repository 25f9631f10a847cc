"""What an ensemble promises its clients: the checkers of one server, and what is different.

Theory of operation. With one server the history grows when its disk has a transaction; here it
grows when the ensemble has agreed on one (`Agreed`). From then on most promises are the same:
writes are answered as the state before them says, reads show the state at the zxid in their header,
a session's time does not run backwards, watch events come first.

Sessions end by the leader's clock alone, and it hears of clients through the members that serve
them. So a session may not expire sooner than its timeout after the leader last heard of it; and as
long as nothing is wrong anywhere, what a member hears the leader knows half a tick later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from zoo.jute.txns import LoggedTxn
from zoo.server.core import ServerCore
from zoo.sim import checkers as promises
from zoo.sim.checking import Checkers
from zoo.sim.cluster_checking import CheckedMember, ClusterChecker, Ensemble
from zoo.sim.history import History, is_session
from zoo.sim.locking import Locks
from zoo.sim.outcomes import Outcomes
from zoo.sim.own_sessions import OwnSessions
from zoo.sim.prefixes import Prefix
from zoo.sim.reading_only import ReadingOnly
from zoo.sim.schedule import Schedule
from zoo.sim.session_checker import Sessions
from zoo.sim.syncing import Syncs
from zoo.sim.watching import Watches

_ROUNDING_MS = 3


class Digests(promises.TreeEquality):
    """All members' trees are the same at the same zxid, and what the transactions make."""

    def inspect(self, core: ServerCore) -> None:
        """Compared at each zxid (`Service.digest`), not now and then."""

    def compare(self, member: str, zxid: int, digest: int) -> None:
        wanted = self.history.digests.get(zxid)
        if digest != wanted:
            shown = "nothing" if wanted is None else f"{wanted:x}"
            self.violated(f"the digest of {member} is {digest:x} at 0x{zxid:x}, not {shown}")

    def finished(self, core: ServerCore) -> None:
        """The whole tree of one member, node by node."""
        tree, history = core.tree, self.history
        expected = history.tree()
        if tree.nodes.keys() != expected.keys():
            self.violated(f"nodes differ: {sorted(tree.nodes.keys() ^ expected.keys())[:5]}")
        for path, state in expected.items():
            if path != b"/zookeeper/config":
                self._compare(tree, path, state)
        sessions = dict(core.committed_sessions())
        if sessions != history.live_sessions():
            self.violated(f"sessions {sessions} differ from {history.live_sessions()}")
        owned = {(o, p) for o, paths in tree.ephemerals.items() for p in paths}
        wanted = {(s.owner, p) for p, s in expected.items() if s.owner and is_session(s.owner)}
        if owned != wanted:
            self.violated(f"the index of ephemerals differs: {owned ^ wanted}")


class EnsembleSessions(Sessions):
    """See the module's theory of operation. `undisturbed_since` is µs; `tick_ms` the leader's."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self.undisturbed_since = 0
        self.tick_ms = 0
        self._known: dict[int, int] = {}  # when the leader last heard of the session
        self._led_since = 0
        self._silence: dict[int, tuple[int, int]] = {}  # zxid -> what it was when proposed, in ms

        self.is_own: Callable[[int], bool] = lambda session_id: False
        """Whether a session writes that one member alone knows."""

    def inspect(self, core: ServerCore) -> None:
        """Sessions that live too long are looked for at the end."""

    def _may_write(self, session_id: int, zxid: int) -> bool:
        return super()._may_write(session_id, zxid) or self.is_own(session_id)

    def led(self) -> None:
        self._led_since = self.schedule.now

    def leader_heard(self, session_id: int) -> None:
        self._known[session_id] = self.schedule.now

    def member_left(self) -> None:
        """A member, cut off for its slowness or without a leader, forgets what it has not told."""
        self.undisturbed_since = max(self.undisturbed_since, self.schedule.now)

    def proposed(self, session_id: int, zxid: int) -> None:
        """The leader begins to end a session."""
        now = self.schedule.now
        known = max(self._known.get(session_id, 0), self._led_since)
        lately = now - 2 * self.tick_ms * 1000  # what was heard since may not have been told yet
        heard = self._heard.get(session_id, ())
        told = [moment for moment in heard if self.undisturbed_since < moment <= lately]
        silent = now - told[-1] if told else 1 << 62
        self._silence[zxid] = ((now - known) // 1000, silent // 1000)

    def heard(self, session_id: int) -> None:
        moments = self._heard.get(session_id)
        if moments is None:
            moments = self._heard[session_id] = deque(maxlen=20)
        moments.append(self.schedule.now)

    def _expired(self, txn: LoggedTxn, session_id: int, timeout: int) -> None:
        if txn.header.zxid not in self._silence:
            return  # proposed by a leader that was not one, or closed by its client meanwhile
        leader_ms, ensemble_ms = self._silence[txn.header.zxid]
        if leader_ms + _ROUNDING_MS < timeout:
            self.violated(
                f"session 0x{session_id:x} expired {leader_ms} ms after the leader heard of it, "
                f"its timeout is {timeout} ms"
            )
        if ensemble_ms + 2 * self.tick_ms < timeout:
            self.violated(
                f"session 0x{session_id:x} expired {ensemble_ms} ms after a member heard of it "
                f"and told the leader, its timeout is {timeout} ms"
            )


SERVICE = (
    promises.Durability,
    promises.Origin,
    promises.Order,
    promises.Reads,
    Outcomes,
    Watches,
    Digests,
    EnsembleSessions,
    Locks,
    Syncs,
    OwnSessions,
    ReadingOnly,
)


class Service:
    """The watcher of all members for the checkers of the service."""

    def __init__(self, checkers: Checkers) -> None:
        self.checkers = checkers
        self._digests = [one for one in checkers.all if isinstance(one, Digests)]
        self._leader = 0
        self._sessions = [one for one in checkers.all if isinstance(one, EnsembleSessions)]
        self._own = [one for one in checkers.all if isinstance(one, OwnSessions)]
        for sessions in self._sessions:
            for own in self._own:
                sessions.is_own = own.is_own

    def reached(self, sid: int, session_id: int) -> None:
        """A client has been heard of by the member that it is connected to."""
        for own in self._own:
            own.reached(sid, session_id)

    def begins_anew(self, sid: int) -> None:
        """The member forgets the sessions that it alone knows."""
        for own in self._own:
            own.forgets(sid)

    def heard(self, leader: int, session_id: int) -> None:
        """Who still has a deposed leader, or is one, tells nobody who matters."""
        if leader == self._leader:
            self.checkers.heard(session_id)

    def leader_heard(self, sid: int, session_id: int) -> None:
        """A leader knows that the session's client lives; one that is deposed does not count."""
        if sid != self._leader:
            return
        for sessions in self._sessions:
            sessions.leader_heard(session_id)

    def led(self, sid: int) -> None:
        """A leader begins to serve; all sessions have their whole timeout again."""
        self._leader = sid
        for sessions in self._sessions:
            sessions.led()

    def closing(self, sid: int, session_id: int, zxid: int) -> None:
        """A leader proposes to end a session."""
        if sid != self._leader:
            return
        for sessions in self._sessions:
            sessions.proposed(session_id, zxid)

    def digest(self, member: str, zxid: int, digest: int) -> None:
        for digests in self._digests:
            digests.compare(member, zxid, digest)

    def disturbed(self, until: int, tick_ms: int) -> None:
        """Something is wrong, or was; it is over at `until` (µs)."""
        for sessions in self._sessions:
            sessions.undisturbed_since = until
            sessions.tick_ms = tick_ms


class Agreed(ClusterChecker):
    """Hands on what the ensemble has agreed on, and who leaves it."""

    def __init__(self, ensemble: Ensemble, service: Checkers) -> None:
        super().__init__(ensemble)
        self._service = service
        self._sessions = [one for one in service.all if isinstance(one, EnsembleSessions)]

    def stopped(self, member: CheckedMember) -> None:
        for sessions in self._sessions:
            sessions.member_left()

    def decided(self, member: CheckedMember, prefix: Prefix) -> None:
        self._service.committed(prefix.entry)
