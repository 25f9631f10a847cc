"""An ensemble of Members with real peers, disks in memory, and clients, in virtual time.

Whatever one server sends has arrived at the other when `pump` returns, and every Ready is durable:
nothing is lost here unless a test says so. Clients are those of tests.server.rig.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from tests.server.rig import CONNECT, HOST, NOW, WALL, Client, Server
from zoo.config import Config, config_from
from zoo.jute.client_records import ConnectRequest
from zoo.runtime.loading import load, load_epochs, reload, write_snapshot
from zoo.server.connection import ClientConnection
from zoo.server.core_view import CoreView
from zoo.server.member import Member
from zoo.sim.disk import Disk, MemoryStorage
from zoo.tree.data_tree import CONFIG_NODE
from zoo.zab.carry_out import Carrier
from zoo.zab.context import Settings
from zoo.zab.history import History
from zoo.zab.link import PeerLink
from zoo.zab.log_queue import LogQueue
from zoo.zab.peer import Peer
from zoo.zab.quorum import Majority
from zoo.zab.vote import ServerState

TEXT = b"server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=100000000"
STEP = 10
"""ms of virtual time between two ticks."""


class _Wire:
    """Both ends of a learner link."""

    def __init__(self, learner: Node, leader: Node) -> None:
        self.learner, self.leader = learner, leader
        self.is_held = False
        assert learner.peer is not None
        assert leader.peer is not None
        self.at_learner = PeerLink(f"server {leader.sid}", learner.peer.dirty)
        self.at_leader = PeerLink(f"server {learner.sid}", leader.peer.dirty)

    def move(self) -> bool:
        """Bring what is sent to the other side."""
        moved = False
        if self.is_held:
            return moved
        for source, target in (
            (self.at_learner, self.at_leader),
            (self.at_leader, self.at_learner),
        ):
            data = source.take_output()
            if data:
                source.sent(len(data))
                target.received(data)
                moved = True
            if source.closing and not target.is_broken:
                source.broken()
                target.broken()
                moved = True
        return moved

    def cut(self) -> None:
        self.at_learner.broken()
        self.at_leader.broken()


class Node(Server):
    """One member; `up` while its process runs."""

    def __init__(self, world: World, sid: int, config: Config) -> None:
        self.world = world
        self.sid = sid
        self.config = config
        self.disk = Disk()
        self.peer: Peer | None = None
        self.up = False
        self.disk_works = True
        self.clients: dict[ClientConnection, Client] = {}

    # The clock is the world's.
    @property
    def now(self) -> int:  # type: ignore[override]
        return self.world.now

    @property
    def wall(self) -> int:  # type: ignore[override]
        return self.world.now - NOW + WALL

    def boot(self) -> None:
        self.storage = MemoryStorage(self.disk)
        self.carrier = Carrier(self.storage, print)
        rng = Random(self.sid)
        history = History()
        moment = self.now, self.wall
        loaded = load(self.config, self.storage, moment=moment, rng=rng, history=history)
        self.core = core = loaded.core
        self.core.view = CoreView(core, HOST)
        if loaded.fresh:
            write_snapshot(core, self.storage)
        last = core.tree.last_zxid
        self.member = Member(core, self.sid, TEXT, 1 << 32)
        self.peer = Peer(
            self.sid,
            self.world.quorum,
            self.member,
            rng=rng,
            log=LogQueue(last),
            history=history,
            epochs=load_epochs(self.storage, last),
            config=TEXT,
            settings=self.world.settings,
        )
        self.member.join(self.peer)
        self.up = True
        self.peer.start(self.now)

    def crash(self) -> None:
        """The process ends; its disk keeps what it has taken."""
        self.up = False
        self.disk.kill()
        self.world.drop_wires(self)
        for client in self.clients.values():
            client.is_open = False
        self.clients.clear()
        self.peer = None

    @property
    def tree_of(self) -> dict[bytes, bytes]:
        return self.core.tree.nodes

    # --- what clients use

    def begin(self) -> None:
        self.member.turn(self.now, self.wall)

    def end(self) -> None:
        self.world.pump()

    def flush(self) -> bool:
        """One turn's end: clients, disk. True if anything happened."""
        busy = bool(self.core.dirty)
        self._flush()
        if self.disk_works and self.peer is not None:
            ready = self.member.ready()
            if ready is not None:
                busy = True
                self.carrier.carry_out(ready)
                if ready.truncate is not None and ready.truncate < self.member.last_zxid:
                    self.member.replace_state(*reload(self.config, self.storage, self.core))
                self.member.persisted(ready)
                self._flush()
        return busy

    def tick(self, after_ms: int = 0) -> None:
        self.world.run(after_ms)

    def client(self, hello: ConnectRequest = CONNECT, peer: str = "10.0.0.1:50000") -> Client:
        client = Client(self, peer)
        client.answer = client.open(hello)  # type: ignore[attr-defined]
        return client


class World:
    def __init__(
        self, voters: int = 3, observers: int = 0, config: Mapping[str, str] | None = None
    ) -> None:
        values = {"dataDir": "/nowhere", "tickTime": 2000, **(config or {})}
        configuration = config_from(values)
        self.now = NOW
        self.settings = Settings(tick_ms=configuration.tick_time_ms, init_limit=10, sync_limit=5)
        sids = range(1, voters + observers + 1)
        self.quorum = Majority(sids[:voters], sids[voters:])
        self.nodes = {sid: Node(self, sid, configuration) for sid in sids}
        self.wires: list[_Wire] = []
        self.cut_off: set[int] = set()

    # --- time

    def run(self, ms: int) -> None:
        for _ in range(0, ms, STEP):
            self.now += STEP
            for node in self.running:
                node.begin()
                node.member.tick()
            self.pump()

    def run_until(self, condition: Any, limit_ms: int = 30_000) -> None:
        end = self.now + limit_ms
        while not condition():
            assert self.now < end, f"not within {limit_ms} ms: {[n.peer for n in self.running]}"
            self.run(STEP)

    @property
    def running(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.up]

    # --- the network

    def pump(self) -> None:
        """Until nothing is on its way any more."""
        busy = True
        while busy:
            busy = False
            for node in self.running:
                node.begin()
                busy |= node.flush()
                busy |= self._mesh(node)
                busy |= self._dial(node)
            for wire in list(self.wires):
                busy |= wire.move()
            self.wires = [wire for wire in self.wires if not wire.at_leader.is_broken]

    def _mesh(self, node: Node) -> bool:
        peer = node.peer
        assert peer is not None
        messages, peer.mesh_out = peer.mesh_out, []
        for sid, data in messages:
            target = self.nodes[sid]
            if target.peer is not None and not {sid, node.sid} & self.cut_off:
                target.peer.notification(node.sid, data)
        return bool(messages)

    def _dial(self, node: Node) -> bool:
        peer = node.peer
        if peer is None or peer.wanted_leader is None:
            return False
        leader = self.nodes[peer.wanted_leader]
        if leader.peer is None or {leader.sid, node.sid} & self.cut_off:
            peer.leader_link(None)
            return True
        wire = _Wire(node, leader)
        self.wires.append(wire)
        leader.peer.learner_link(wire.at_leader)
        peer.leader_link(wire.at_learner)
        return True

    def drop_wires(self, node: Node) -> None:
        for wire in self.wires:
            if node in (wire.learner, wire.leader):
                wire.cut()
        self.wires = [wire for wire in self.wires if not wire.at_leader.is_broken]

    def isolate(self, node: Node) -> None:
        """Nothing comes from it or to it until `heal`."""
        self.cut_off.add(node.sid)
        self.drop_wires(node)

    def heal(self) -> None:
        self.cut_off.clear()
        self.run_until(self.all_serve)

    # --- roles

    def boot(self) -> World:
        for node in self.nodes.values():
            node.boot()
        self.run_until(self.all_serve)
        return self

    def all_serve(self) -> bool:
        return all(node.core.is_serving for node in self.running)

    @property
    def leader(self) -> Node:
        (leader,) = (
            node
            for node in self.running
            if node.peer is not None
            and node.peer.state is ServerState.LEADING
            and node.core.is_serving
        )
        return leader

    @property
    def learners(self) -> list[Node]:
        return [node for node in self.running if node is not self.leader]

    def states(self) -> list[Any]:
        """What must be the same on all members: not when each began to show its configuration."""
        return [
            (
                node.core.tree.last_zxid,
                node.core.tree.digest,
                {p: r for p, r in node.core.tree.nodes.items() if p != CONFIG_NODE},
                dict(node.core.sessions.items()).keys(),
            )
            for node in self.running
        ]

    def assert_same(self) -> None:
        first, *others = self.states()
        for other in others:
            assert other == first
