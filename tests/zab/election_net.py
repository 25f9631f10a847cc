"""Elections by hand, and of many servers in one thread over a network that may be bad.

`Net` carries messages with the delays, losses and repetitions that it is told to. `Cluster` plays
the rest of the server: who has decided connects, a leader with a quorum of followers opens an epoch
and commits transactions, who finds nobody there looks again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

from zoo.zab.election import Election, ElectionSettings
from zoo.zab.notification import Notification, parse_notification
from zoo.zab.quorum import Majority, QuorumVerifier
from zoo.zab.vote import ServerState, Vote

LOOKING, FOLLOWING, LEADING, OBSERVING = ServerState


def looking(leader: int, round: int = 1, zxid: int = 0, epoch: int = 0) -> Notification:
    return Notification(Vote(leader, zxid, round, epoch), LOOKING)


def settled(leader: int, state: ServerState, round: int = 1, epoch: int = 0) -> Notification:
    return Notification(Vote(leader, 0, round, epoch), state)


def taken(election: Election) -> list[tuple[int, int, str]]:
    """(to, leader voted for, state) of what is to be sent."""
    out = [(to, parse_notification(data)) for to, data in election.out]
    election.out.clear()
    return [(to, said.vote.leader, said.state.name) for to, said in out]


def begun(my_id: int, quorum: Majority | None = None, zxid: int = 0) -> Election:
    election = Election(my_id, quorum or Majority([1, 2, 3]), b"version=0")
    election.begin(zxid, 0, 0)
    return election


class Net:
    """Virtual time in ms. Without faults a message takes 1 ms and links tell when they break."""

    def __init__(
        self,
        quorum: QuorumVerifier,
        seed: int = 0,
        settings: ElectionSettings | None = None,
        delay: tuple[int, int] = (1, 1),
        loss: float = 0.0,
        repeat: float = 0.0,
        silent: bool = False,
    ) -> None:
        self.quorum = quorum
        self.rng = Random(seed)
        self.settings = settings
        self.delay, self.loss, self.repeat, self.silent = delay, loss, repeat, silent
        self.now = 0
        self.servers: dict[int, Election] = {}
        self.history: dict[int, tuple[int, int]] = {}  # sid -> (current epoch, last zxid)
        self.cut: set[frozenset[int]] = set()
        self.sent: list[tuple[int, int, int, bytes]] = []  # (now, from, to, message)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    # --- what a story does

    def start(self, *sids: int, zxid: int | None = None, epoch: int | None = None) -> None:
        """Start servers, with the history they had if none is given."""
        for sid in sids:
            old = self.history.get(sid, (0, 0))
            self.history[sid] = (
                old[0] if epoch is None else epoch,
                old[1] if zxid is None else zxid,
            )
            self.servers[sid] = Election(sid, self.quorum, b"version=0", self.settings)
            self.look(sid)
        for sid in sids:
            for other in {**self.servers, **dict.fromkeys(self.quorum.voters)}:
                if other != sid:
                    self._tell(sid, other)
                    if other in self.servers:
                        self._tell(other, sid)

    def look(self, sid: int) -> None:
        epoch, zxid = self.history[sid]
        self.servers[sid].begin(zxid, epoch, self.now)
        self._drain(sid)

    def kill(self, sid: int) -> None:
        del self.servers[sid]
        for other in self.servers:
            self._tell(other, sid)

    def partition(self, *sids: int) -> None:
        """Cut these servers off from all others."""
        self.cut = {
            frozenset((a, b)) for a in sids for b in self.history if b not in sids and a != b
        }
        self._tell_all()

    def cut_links(self, *pairs: tuple[int, int]) -> None:
        self.cut = {frozenset(pair) for pair in pairs}
        self._tell_all()

    def heal(self) -> None:
        self.cut = set()
        self._tell_all()

    def run(self, ms: int) -> None:
        end = self.now + ms
        while True:
            due = [s.next_due for s in self.servers.values() if s.next_due is not None]
            if self._events:
                due.append(self._events[0][0])
            at = max(self.now, min(due, default=end + 1))
            if at > end:
                break
            self.now = at
            while self._events and self._events[0][0] <= at:
                heapq.heappop(self._events)[2]()
            for sid in [*self.servers]:
                if sid in self.servers:
                    self.servers[sid].tick(at)
                    self._drain(sid)
        self.now = end

    def run_until(self, condition: Callable[[], bool], limit: int) -> int:
        """Ms until the condition holds, looked at every ms. Fails after `limit`."""
        start = self.now
        while not condition():
            assert self.now - start < limit, f"not within {limit} ms: {self}"
            self.run(1)
        return self.now - start

    # --- what it looks at

    def leaders(self) -> dict[int, int | None]:
        """Server -> whom it has decided for."""
        return {
            sid: server.decision.vote.leader if server.decision else None
            for sid, server in self.servers.items()
        }

    def agreed(self, leader: int | None = None) -> bool:
        chosen = {*self.leaders().values()}
        return len(chosen) == 1 and (None not in chosen if leader is None else leader in chosen)

    def states(self) -> str:
        """As "1:F3 2:F3 3:L3"."""
        return " ".join(
            f"{sid}:{server.state.name[0] if server.decision else '?'}"
            + (str(server.decision.vote.leader) if server.decision else "")
            for sid, server in sorted(self.servers.items())
        )

    def __str__(self) -> str:
        rounds = {sid: (s.round, str(s.vote)) for sid, s in self.servers.items()}
        return f"at {self.now} ms: {self.states()} {rounds}"

    def linked(self, a: int, b: int) -> bool:
        return a in self.servers and b in self.servers and frozenset((a, b)) not in self.cut

    # --- the network

    def after(self, ms: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + ms, self._count, action))

    def _drain(self, sid: int) -> None:
        server = self.servers[sid]
        for to, message in server.out:
            self.sent.append((self.now, sid, to, message))
            for _ in range(1 + (self.rng.random() < self.repeat)):
                if self.rng.random() >= self.loss:
                    self._carry(sid, server, to, message)
        server.out.clear()

    def _carry(self, sid: int, sender: Election, to: int, message: bytes) -> None:
        receiver = self.servers.get(to)

        def arrive() -> None:
            # A connection ends with either process.
            if (
                self.linked(sid, to)
                and self.servers[sid] is sender
                and self.servers[to] is receiver
                and receiver is not None
            ):
                receiver.received(sid, message, self.now)
                self._drain(to)

        self.after(self.rng.randint(*self.delay), arrive)

    def _tell_all(self) -> None:
        for a in self.servers:
            for b in self.servers:
                if a != b:
                    self._tell(a, b)

    def _tell(self, sid: int, other: int) -> None:
        """Let the mesh of `sid` notice how its link to `other` is by then."""
        server = self.servers[sid]

        def notice() -> None:
            if self.servers.get(sid) is not server:
                return
            if self.linked(sid, other):
                server.reachable(other, self.now)
            else:
                server.unreachable(other, self.now)
            self._drain(sid)

        if not self.silent:
            self.after(self.rng.randint(*self.delay), notice)


class Cluster(Net):
    """With a model of discovery and broadcast. `patience` is how long a decision may be in vain."""

    patience = 500
    committed = (0, 0)
    epoch = 0

    def __init__(self, quorum: QuorumVerifier, seed: int, **faults: object) -> None:
        super().__init__(quorum, seed, **faults)  # type: ignore[arg-type]
        self._good: dict[Election, int] = {}  # when the decision last stood
        self._established: dict[Election, object] = {}  # the leader's decision that came true
        self.elections = 0

    def followers(self, leader: int) -> list[int]:
        return [
            sid
            for sid, server in self.servers.items()
            if sid == leader
            or (
                server.state in (FOLLOWING, OBSERVING)
                and server.vote.leader == leader
                and self.linked(sid, leader)
            )
        ]

    def working(self) -> list[int]:
        """The leaders that have a quorum."""
        return [
            sid
            for sid, server in self.servers.items()
            if server.state is LEADING and self.quorum.contains_quorum(self.followers(sid))
        ]

    def settled(self) -> bool:
        """Everybody follows one leader."""
        leaders = self.working()
        return len(leaders) == 1 and len(self.followers(leaders[0])) == len(self.servers)

    def play(self, ms: int) -> None:
        end = self.now + ms
        while self.now < end:
            self.run(10)
            for sid in [*self.servers]:
                self._play(sid, self.servers[sid])

    def _play(self, sid: int, server: Election) -> None:
        if server.decision is None:
            self._good[server] = self.now
            self._established.pop(server, None)
            return
        leader = server.decision.vote.leader
        there = self.servers[leader].decision if self.linked(sid, leader) or sid == leader else None
        if server in self._established and self._established[server] is not there:
            self._again(sid, server)  # the learner's link broke
        elif leader in self.working():
            self._good[server] = self.now
            if leader == sid:
                self._lead(sid, server)
        elif (server.is_deserted and server not in self._established) or (
            self.now - self._good.setdefault(server, self.now) > self.patience
        ):
            self._again(sid, server)

    def _again(self, sid: int, server: Election) -> None:
        self._good[server] = self.now
        self._established.pop(server, None)
        self.elections += 1
        self.look(sid)

    def _lead(self, sid: int, server: Election) -> None:
        followers = self.followers(sid)
        if server not in self._established:
            if any(self.history[other] > self.history[sid] for other in followers):
                self._again(sid, server)  # discovery: one of them has more than we
                return
            assert self.history[sid] >= self.committed, f"{sid} lacks what is committed: {self}"
            self.epoch += 1
            self.history[sid] = (self.epoch, self.history[sid][1])
        epoch, zxid = self.history[sid]
        zxid = max(zxid, epoch << 32) + 1
        for other in followers:
            self.history[other] = (epoch, zxid)
            member = self.servers[other]
            if member not in self._established:
                self._established[member] = server.decision
                member.established(epoch)
        self.committed = (epoch, zxid)
