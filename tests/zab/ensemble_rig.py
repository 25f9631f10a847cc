"""A whole ensemble in memory: peers, their disks, the mesh, the links, in virtual time.

One seed decides everything: latencies, how long a Ready takes, how much of it a crash leaves
behind. Every transaction that a replica delivers is compared with what the others delivered there,
and with the transaction before it: two histories that part show at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from random import Random

from tests.zab.learner_rig import Entry, FakeReplica, decode_state
from zoo.zab.context import Epochs, Settings
from zoo.zab.history import History
from zoo.zab.link import PeerLink
from zoo.zab.log_queue import LogQueue
from zoo.zab.peer import Peer
from zoo.zab.quorum import Majority
from zoo.zab.ready import Install, Ready
from zoo.zab.vote import ServerState

MS = 1000
"""Virtual time is counted in microseconds."""
TICK_MS = 100
Action = Callable[[], None]


class Replica(FakeReplica):
    """Reports what it delivers; takes writes while its server leads."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self._ensemble = ensemble

    def deliver(self, zxid: int, entry: bytes) -> None:
        self._ensemble.delivered(self.last_zxid, zxid, entry)
        super().deliver(zxid, entry)

    def commit_to(self, zxid: int) -> None:
        acknowledged = [each for each in self.pending if each[0] <= zxid]
        super().commit_to(zxid)
        self._ensemble.acknowledged += acknowledged

    def empty_transaction(self, zxid: int) -> bytes:
        return b"%016x " % zxid

    def adopt(self, zxid: int, entry: bytes) -> None:
        self.pending.append((zxid, entry))

    def write(self, text: bytes) -> None:
        zxid = self.role.next_zxid()
        entry = b"%016x %s" % (zxid, text)
        self.pending.append((zxid, entry))
        self.role.propose(zxid, entry)


class Disk:
    """What survives a crash."""

    def __init__(self) -> None:
        self.epochs = Epochs(0, 0)
        self.snapshot: tuple[int, list[Entry]] = (0, [])
        self.entries: list[Entry] = []
        self._install: list[bytes] = []

    @property
    def last_zxid(self) -> int:
        return self.entries[-1][0] if self.entries else self.snapshot[0]

    @property
    def state(self) -> list[Entry]:
        return self.snapshot[1] + self.entries

    def take(self, ready: Ready) -> None:
        for step in self.steps(ready):
            step()

    def steps(self, ready: Ready) -> list[Action]:
        """A crash falls between two of them."""
        steps: list[Action] = []
        if ready.accepted_epoch is not None:
            accepted = ready.accepted_epoch
            steps.append(lambda: setattr(self.epochs, "accepted", accepted))
        if ready.truncate is not None:
            zxid = ready.truncate
            steps.append(lambda: self._truncate(zxid))
        if ready.install is not None:
            install = ready.install
            steps.append(lambda: self._take_install(install))
        # A Ready may lead into another epoch: what an entry's zxid is, only the entry knows.
        logged = [(int(entry[:16], 16), entry) for entry in ready.entries]
        steps += [partial(self._append, each) for each in logged]
        if ready.current_epoch is not None:
            current = ready.current_epoch
            steps.append(lambda: setattr(self.epochs, "current", current))
        return steps

    def compact(self) -> None:
        """Keep everything in a snapshot."""
        self.snapshot = (self.last_zxid, self.state)
        self.entries = []

    def _append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def _truncate(self, zxid: int) -> None:
        assert zxid >= self.snapshot[0]
        self.entries = [each for each in self.entries if each[0] <= zxid]

    def _take_install(self, install: Install) -> None:
        if install.is_first:
            self._install = []
        self._install += install.pieces
        if install.is_last:
            self.snapshot = (install.zxid, decode_state(b"".join(self._install)))
            self.entries = []


class Server:
    """A member: its disk, and while it runs its peer."""

    def __init__(self, ensemble: Ensemble, sid: int) -> None:
        self.ensemble = ensemble
        self.sid = sid
        self.disk = Disk()
        self.peer: Peer | None = None
        self.life = 0
        self.links: list[_Pipe] = []
        self.dials: int | None = None
        self._writing: Ready | None = None
        self._due: int | None = None

    @property
    def replica(self) -> Replica:
        assert self.peer is not None
        assert isinstance(self.peer.replica, Replica)
        return self.peer.replica

    @property
    def is_serving(self) -> bool:
        return self.peer is not None and self.replica.role is not None

    def boot(self, lacks_history: bool = False) -> None:
        assert self.peer is None
        replica = Replica(self.ensemble)
        replica.state = list(self.disk.state)
        replica.last_zxid = self.disk.last_zxid
        history = History(self.disk.snapshot[0], max_txns=self.ensemble.window)
        for zxid, entry in self.disk.entries:
            history.load(zxid, entry)
        self.peer = Peer(
            self.sid,
            self.ensemble.quorum,
            replica,
            rng=Random(self.ensemble.rng.random()),
            log=LogQueue(self.disk.last_zxid),
            history=history,
            epochs=Epochs(self.disk.epochs.accepted, self.disk.epochs.current),
            settings=Settings(tick_ms=TICK_MS),
            can_truncate=lambda zxid: zxid >= self.disk.snapshot[0],
            lacks_history=lacks_history,
            feeds_observers=self.ensemble.feeds_observers,
        )
        self.life += 1
        self.dials = None
        self._writing = self._due = None
        self.call(lambda peer: peer.start(self.ensemble.now // MS))
        self._periodically()
        for other in self.ensemble.others(self.sid):
            other.call(lambda peer: peer.reachable(self.sid))

    def lose_everything(self) -> None:
        """The disk comes back empty, which its operator has said it must not."""
        assert self.peer is None
        self.disk = Disk()

    def crash(self) -> None:
        """The Ready that is under way is done in part."""
        self.peer = None
        if self._writing is not None:
            steps = self.disk.steps(self._writing)
            for step in steps[: self.ensemble.rng.randrange(len(steps) + 1)]:
                step()
        for pipe in self.links[:]:
            pipe.cut()
        for other in self.ensemble.others(self.sid):
            self.ensemble.later(1, other.input(lambda peer: peer.unreachable(self.sid)))

    def call(self, what: Callable[[Peer], None]) -> None:
        """One input, and what comes of it."""
        if self.peer is None:
            return
        self.peer.now_ms = self.ensemble.now // MS
        what(self.peer)
        self._outputs(self.peer)

    def input(self, what: Callable[[Peer], None]) -> Action:
        """The same for later, if the server has not crashed by then."""
        life = self.life
        return lambda: self.call(what) if self.life == life else None

    def tick(self, peer: Peer) -> None:
        peer.tick(self.ensemble.now // MS)

    def _periodically(self) -> None:
        life = self.life

        def go_on() -> None:
            if self.life == life and self.peer is not None:
                self.call(self.tick)
                self.ensemble.later(TICK_MS // 20, go_on)

        self.ensemble.later(TICK_MS // 20, go_on)

    def _outputs(self, peer: Peer) -> None:
        ensemble = self.ensemble
        out, peer.mesh_out = peer.mesh_out, []
        for sid, data in out:
            ensemble.send_notification(self.sid, sid, data)
        dirty = peer.dirty[:]
        peer.dirty.clear()
        for link in dirty:
            for pipe in self.links[:]:
                pipe.flush(link)
        if peer.wanted_leader != self.dials:
            self.dials = peer.wanted_leader
            if self.dials is not None:
                ensemble.dial(self, self.dials)
        if self._writing is None:
            self._writing = ready = peer.ready()
            if ready is not None:
                ensemble.later_us(ensemble.rng.randrange(50, 3000), self.input(self._durable))
        due = peer.next_due
        if due is not None and (
            self._due is None or due < self._due or self._due * MS <= ensemble.now
        ):
            self._due = due
            ensemble.later_us(max(due * MS - ensemble.now, MS // 4), self.input(self.tick))

    def _durable(self, peer: Peer) -> None:
        ready, self._writing = self._writing, None
        assert ready is not None
        self.disk.take(ready)
        if ready.truncate is not None and ready.truncate < self.replica.last_zxid:
            self.replica.state = list(self.disk.state)
            self.replica.last_zxid = self.disk.last_zxid
        peer.persisted(ready)


class _Pipe:
    """A learner's connection: two ends, bytes in order, lost when it breaks."""

    def __init__(self, ensemble: Ensemble, learner: Server, leader: Server) -> None:
        assert learner.peer is not None
        assert leader.peer is not None
        self._ensemble = ensemble
        self.ends = {
            learner.sid: PeerLink(f"server {leader.sid}", learner.peer.dirty),
            leader.sid: PeerLink(f"server {learner.sid}", leader.peer.dirty),
        }
        self._servers = (learner, leader)
        self._arrival = dict.fromkeys(self.ends, 0)
        self._is_cut = False
        learner.links.append(self)
        leader.links.append(self)

    def flush(self, link: PeerLink) -> None:
        """The driver's work for a link that is dirty."""
        for server in self._servers:
            if self.ends[server.sid] is not link:
                continue
            (other,) = (each for each in self._servers if each is not server)
            data = link.take_output()
            if data:
                self._carry(server, other, link, data)
            if link.closing:
                self._carry(server, other, link, None)

    def _carry(self, server: Server, other: Server, link: PeerLink, data: bytes | None) -> None:
        """None: the end of the stream."""
        ensemble = self._ensemble
        delay = ensemble.latency_us(len(data or b""))
        arrival = max(ensemble.now + delay, self._arrival[other.sid])
        self._arrival[other.sid] = arrival
        target = self.ends[other.sid]

        def arrive() -> None:
            if self._is_cut:
                return
            if data is None:
                self.cut()
                return
            other.call(lambda peer: target.received(data))
            server.call(lambda peer: link.sent(len(data)))

        ensemble.later_us(arrival - ensemble.now, arrive)

    def cut(self) -> None:
        """Both ends learn of it, each in its time."""
        if self._is_cut:
            return
        self._is_cut = True
        for server in self._servers:
            server.links.remove(self)
            link = self.ends[server.sid]
            self._ensemble.later_us(
                self._ensemble.latency_us(0),
                server.input(lambda peer, link=link: link.broken()),  # type: ignore[misc]
            )


class Ensemble:
    """`voters` servers 1.., then `observers`; nothing runs before `boot`."""

    def __init__(self, seed: int, voters: int = 3, observers: int = 0, window: int = 1000) -> None:
        self.rng = Random(seed)
        self.now = 0
        self.window = window
        """Transactions that a history remembers."""
        self.quorum = Majority(range(1, voters + 1), range(voters + 1, voters + observers + 1))
        self.acknowledged: list[Entry] = []
        self.feeds_observers = False
        self.drops = 0.0
        """Of the election's messages."""
        self.severed: set[frozenset[int]] = set()
        """Pairs of servers that cannot talk to each other."""
        self._events: list[tuple[int, int, Action]] = []
        self._count = 0
        self._entries: dict[int, bytes] = {}
        self._before: dict[int, int] = {}
        self._written = 0
        self.servers = {sid: Server(self, sid) for sid in range(1, voters + observers + 1)}

    # --- time

    def later(self, ms: int, action: Action) -> None:
        self.later_us(ms * MS, action)

    def later_us(self, us: int, action: Action) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + us, self._count, action))

    def run(self, ms: int) -> None:
        end = self.now + ms * MS
        while self._events and self._events[0][0] <= end:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = end

    def run_until(self, condition: Callable[[], bool], limit_ms: int = 20_000) -> int:
        """Virtual ms that it took."""
        began = self.now
        while not condition():
            assert self.now - began < limit_ms * MS, f"after {limit_ms} ms: {self.describe()}"
            self.run(1)
        return (self.now - began) // MS

    def describe(self) -> str:
        return ", ".join(
            f"{sid}: down" if server.peer is None else f"{server.peer} {server.peer.history}"
            for sid, server in self.servers.items()
        )

    # --- the network

    def others(self, sid: int) -> list[Server]:
        return [server for server in self.servers.values() if server.sid != sid]

    def latency_us(self, size: int) -> int:
        return self.rng.randrange(50, 500) + size // 100

    def send_notification(self, source: int, target: int, data: bytes) -> None:
        if self.rng.random() < self.drops or frozenset((source, target)) in self.severed:
            return
        server = self.servers[target]
        self.later_us(
            self.latency_us(0), server.input(lambda peer: peer.notification(source, data))
        )

    def dial(self, learner: Server, sid: int) -> None:
        leader = self.servers[sid]

        def connect(peer: Peer) -> None:
            if peer.wanted_leader != sid:
                return
            if leader.peer is None or frozenset((learner.sid, sid)) in self.severed:
                peer.leader_link(None)
                return
            pipe = _Pipe(self, learner, leader)
            takes = Peer.observer_link if peer.wants_observer_master else Peer.learner_link
            leader.call(lambda peer: takes(peer, pipe.ends[sid]))
            peer.leader_link(pipe.ends[learner.sid])

        self.later_us(self.latency_us(0), learner.input(connect))

    def sever(self, one: int, other: int) -> None:
        """Cut what there is between two servers, and let nothing through."""
        pair = frozenset((one, other))
        self.severed.add(pair)
        for pipe in self.servers[one].links[:]:
            if pipe.ends.keys() == pair:
                pipe.cut()
        for sid, away in ((one, other), (other, one)):
            self.servers[sid].call(partial(Peer.unreachable, sid=away))

    def heal(self) -> None:
        pairs = [tuple(sorted(pair)) for pair in self.severed]
        self.severed.clear()
        for one, other in sorted(pairs):
            for sid, away in ((one, other), (other, one)):
                self.servers[sid].call(partial(Peer.reachable, sid=away))

    # --- servers

    def boot(self, *sids: int) -> None:
        for sid in sids or self.servers:
            self.servers[sid].boot()

    def crash(self, *sids: int) -> None:
        for sid in sids or self.servers:
            self.servers[sid].crash()

    @property
    def up(self) -> list[Server]:
        return [server for server in self.servers.values() if server.peer is not None]

    @property
    def leader(self) -> Server | None:
        """The established leader of the latest epoch."""
        leaders = [
            (server.peer.epochs.current, server.sid, server)
            for server in self.servers.values()
            if server.peer and server.peer.state is ServerState.LEADING and server.is_serving
        ]
        return max(leaders)[2] if leaders else None

    def wait_for_leader(self) -> Server:
        self.run_until(lambda: self.leader is not None)
        leader = self.leader
        assert leader is not None
        return leader

    def wait_until_all_serve(self, limit_ms: int = 20_000) -> int:
        return self.run_until(lambda: all(server.is_serving for server in self.up), limit_ms)

    # --- writes

    def write(self, count: int = 1) -> None:
        """New writes at whoever leads, if anybody does."""
        leader = self.leader
        if leader is None:
            return
        for _ in range(count):
            self._written += 1
            entry = b"write %d" % self._written
            leader.call(lambda peer, e=entry: leader.replica.write(e))  # type: ignore[misc]

    def delivered(self, before: int, zxid: int, entry: bytes) -> None:
        """A replica whose last was `before` delivers this."""
        known = self._entries.setdefault(zxid, entry)
        assert known == entry, f"0x{zxid:x} is {known!r} and {entry!r}"
        if before & 0xFFFFFFFF:
            previous = self._before.setdefault(zxid, before)
            assert previous == before, f"0x{zxid:x} follows 0x{previous:x} and 0x{before:x}"

    def settle(self, limit_ms: int = 20_000) -> list[Entry]:
        """Let all that is written be applied everywhere; returns the state, which is one."""

        def is_settled() -> bool:
            leader = self.leader
            if leader is None or leader.peer is None:
                return False
            ends = {server.replica.last_zxid for server in self.up}
            return ends == {leader.peer.history.last_zxid} and all(
                server.is_serving and server.peer and server.peer.leader_id == leader.sid
                for server in self.up
            )

        self.run_until(is_settled, limit_ms)
        states = [server.replica.state for server in self.up]
        for state in states:
            assert state == states[0]
        lost = dict(self.acknowledged).items() - dict(states[0]).items()
        assert not lost, f"acknowledged and lost: {sorted(lost)}"
        return states[0]
