"""The service of the pure protocol: it applies transactions by walking along the tree of prefixes.

Theory of operation. Transactions are opaque; what is applied is a `Prefix`, so two replicas are in
the same state exactly if they hold the same object. The replica keeps the order of what was
prepared or forwarded, and tells a `ReplicaWatcher` whatever checkers want to know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from struct import Struct
from typing import Any, Protocol

from zoo.errors import KeeperError
from zoo.jute.client_records import ReconfigRequest
from zoo.jute.operations import Op
from zoo.jute.records import Id
from zoo.jute.schema import decode, encode
from zoo.jute.txn_records import SetDataTxn
from zoo.pipeline.reconfig import Policy, next_configuration
from zoo.sim.prefixes import Prefix, Prefixes
from zoo.sim.zab_disk import read_snapshot, snapshot_end, write_snapshot
from zoo.zab.replica import Leading, Learning, SnapshotStream
from zoo.zab.request_runs import each_request

_HEADER = Struct(">qiqqi")  # session, cxid, zxid, time, type: as transactions begin
_ERROR = Struct(">i")
_POLICY = Policy(is_enabled=True, standalone_enabled=False)


class ReplicaWatcher(Protocol):
    """The server around the replica."""

    def applied(self, prefix: Prefix) -> None:
        """The replica has applied a committed transaction, or is told that it is committed."""

    def began_leading(self, leader: Leading) -> None: ...

    def began_learning(self, learner: Learning) -> None: ...

    def stopped_serving(self) -> None: ...

    def committed_own(self, session_id: int, cxid: int) -> None:
        """A transaction that this server's client asked for is applied."""

    def was_synced(self) -> None: ...

    def configured(self) -> None:
        """Another configuration holds for this server."""


class ZabReplica:
    """`applied` is the state; `leader` or `learner` the role, while it serves."""

    def __init__(
        self, prefixes: Prefixes, applied: Prefix, rng: Random, watcher: ReplicaWatcher
    ) -> None:
        self.prefixes = prefixes
        self.state = applied
        self.leader: Leading | None = None
        self.learner: Learning | None = None
        self.sessions: dict[int, int] = {}
        self.snapshot_padding = 100
        self._rng = rng
        self._watcher = watcher
        self._prepared: deque[tuple[int, bytes]] = deque()
        self._touched: dict[int, int] = {}
        self._put_aside: list[Callable[[], None]] | None = None

    @property
    def last_zxid(self) -> int:
        return self.state.zxid

    @property
    def is_serving(self) -> bool:
        return self.leader is not None or self.learner is not None

    # --- clients

    def write(self, session_id: int, cxid: int, payload: bytes) -> None:
        """A client of this server writes."""
        if self.leader is not None:
            self._propose(session_id, cxid, payload)
        elif self.learner is not None:
            self.learner.forward(session_id, cxid, Op.setData, payload, ())

    def reconfigure(self, session_id: int, cxid: int, request: ReconfigRequest) -> None:
        """A client of this server asks for a change of the configuration."""
        if self.leader is not None:
            self._propose_change(session_id, cxid, request)
        elif self.learner is not None:
            self.learner.forward(session_id, cxid, Op.reconfig, encode(request), ())

    def ask_sync(self, session_id: int, cxid: int) -> None:
        if self.leader is not None:
            self.leader.sync(OwnClient(self))
        elif self.learner is not None:
            self.learner.forward(session_id, cxid, Op.sync, b"", ())

    def hear(self, session_id: int, timeout: int) -> None:
        """A client of this server gives a sign of life."""
        self._touched[session_id] = timeout

    # --- applying

    def deliver(self, zxid: int, entry: bytes) -> None:
        session_id, cxid, written = _HEADER.unpack_from(entry)[:3]
        assert written == zxid, f"0x{written:x} is delivered as 0x{zxid:x}"
        self.state = self.prefixes.after(self.state, zxid, entry)
        self._watcher.applied(self.state)
        self._watcher.committed_own(session_id, cxid)

    def commit_to(self, zxid: int) -> None:
        prepared = self._prepared
        while prepared and prepared[0][0] <= zxid:
            self.deliver(*prepared.popleft())
        assert self.state.zxid == zxid, f"committed 0x{zxid:x}, prepared was {self.state}"

    # --- a role begins and ends

    def start_leading(self, leader: Leading) -> None:
        assert not self.is_serving, "a role begins within a role"
        self.leader = leader
        self._prepared.clear()
        self._watcher.began_leading(leader)

    def start_learning(self, learner: Learning) -> None:
        assert not self.is_serving, "a role begins within a role"
        self.learner = learner
        self._watcher.began_learning(learner)

    def stop_serving(self) -> None:
        assert self.is_serving, "a role ends that did not begin"
        self.leader = self.learner = self._put_aside = None
        self._prepared.clear()
        self._touched.clear()
        self._watcher.stopped_serving()

    # --- leadership is handed over

    def hold(self) -> None:
        """What clients ask for from now on is put aside."""
        self._put_aside = []

    def release(self, reason: str) -> None:
        put_aside, self._put_aside = self._put_aside, None
        for work in put_aside or ():
            work()

    def _puts_aside(self, work: Callable[[], None]) -> bool:
        if self._put_aside is not None:
            self._put_aside.append(work)
        return self._put_aside is not None

    def keep_clients(self) -> None:
        """Clients here wait for an answer, whatever becomes of their server."""

    def empty_transaction(self, zxid: int) -> bytes:
        return _HEADER.pack(0, 0, zxid, 0, Op.error)

    def adopt(self, zxid: int, entry: bytes) -> None:
        self._prepared.append((zxid, entry))

    def session_moved(self, session_id: int) -> None:
        """Sessions are no more than numbers here."""

    # --- state as a whole

    def snapshot(self) -> SnapshotStream | None:
        if self._rng.random() < 0.2:
            return None
        pieces = write_snapshot(self.state, self._rng.randint(0, self.snapshot_padding))
        return SnapshotStream(self.state.zxid, iter(pieces))

    def begin_install(self, zxid: int) -> ZabInstall:
        return ZabInstall(self, zxid)

    def reload(self, prefix: Prefix) -> None:
        """The disk was cut back behind what is applied."""
        self.state = prefix

    # --- leader: what learners send

    def _propose(self, session_id: int, cxid: int, payload: bytes) -> None:
        assert self.leader is not None
        if self._puts_aside(lambda: self._propose(session_id, cxid, payload)):
            return
        zxid = self.leader.next_zxid()
        entry = _HEADER.pack(session_id, cxid, zxid, 0, Op.setData) + payload
        self._prepared.append((zxid, entry))
        self.leader.propose(zxid, entry)

    def _propose_change(self, session_id: int, cxid: int, request: ReconfigRequest) -> None:
        assert self.leader is not None
        if self._puts_aside(lambda: self._propose_change(session_id, cxid, request)):
            return
        zxid = self.leader.next_zxid()
        try:
            new = next_configuration(self.leader, _POLICY, request, zxid)
        except KeeperError as refusal:
            entry = _HEADER.pack(session_id, cxid, zxid, 0, Op.error) + _ERROR.pack(refusal.code)
            self._prepared.append((zxid, entry))
            self.leader.propose(zxid, entry)
            return
        entry = _HEADER.pack(session_id, cxid, zxid, 0, Op.reconfig)
        entry += encode(SetDataTxn(b"/zookeeper/config", new.text, -1))
        self._prepared.append((zxid, entry))
        self.leader.propose_configuration(zxid, entry, new)

    def request(
        self,
        learner: Any,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None:
        assert self.leader is not None, "a request reaches a server that does not lead"
        if op == Op.sync:
            self.leader.sync(learner)
        elif op == Op.reconfig:
            self._propose_change(session_id, cxid, decode(ReconfigRequest, payload))
        else:
            self._propose(session_id, cxid, payload)

    def request_run(
        self, learner: Any, session_id: int, frames: bytes, identities: Sequence[Id]
    ) -> None:
        for each in each_request(frames):
            self.request(learner, session_id, *each, identities)

    def revalidate(self, learner: Any, session_id: int, timeout: int) -> bool:
        return session_id in self.sessions

    def touch(self, session_id: int, timeout: int) -> None:
        self.sessions[session_id] = timeout

    def learner_gone(self, learner: Any) -> None:
        """Nothing is kept for a learner."""

    # --- learner: what the leader sends

    def touched(self) -> list[tuple[int, int]]:
        touched, self._touched = self._touched, {}
        return list(touched.items())

    def revalidated(self, session_id: int, valid: bool) -> None:
        assert self.learner is not None, "an answer to a server that does not serve"

    def synced(self) -> None:
        self._watcher.was_synced()

    def configured(self, text: bytes, version: int) -> None:
        self._watcher.configured()


class OwnClient:
    """A leader's own client that waits for a sync."""

    sid = -1

    def __init__(self, replica: ZabReplica) -> None:
        self._replica = replica

    def send(self, data: bytes) -> None:
        self._replica.synced()


class ZabInstall:
    """A state that is being received."""

    def __init__(self, replica: ZabReplica, zxid: int) -> None:
        self._replica = replica
        self._zxid = zxid
        self._data = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        before = len(self._data)
        self._data += data
        end = snapshot_end(self._data)
        if end is None or end > len(self._data):
            return data, None
        rest, self._data = self._data[end:], self._data[:end]
        return self._data[before:], rest

    def finish(self) -> None:
        state = read_snapshot(self._data, self._replica.prefixes)
        # A leader may call the state of its beginning epoch<<32, where there is no transaction.
        assert state.zxid == self._zxid, f"{state} was sent as 0x{self._zxid:x}"
        self._replica.state = state
