"""A learner with a leader played by the test: packets in, packets out, a disk that waits."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from tests.zab.fake_context import FakeContext
from zoo.errors import ProtocolViolation
from zoo.jute.records import Id
from zoo.zab.context import Epochs, Settings
from zoo.zab.follower import Follower
from zoo.zab.history import History
from zoo.zab.learner import Learner
from zoo.zab.link import PeerLink
from zoo.zab.packets import Packet, PacketType, encode_packet, parse_packet
from zoo.zab.quorum import Majority
from zoo.zab.ready import Ready
from zoo.zab.replica import SnapshotStream
from zoo.zab.request_runs import each_request

Entry = tuple[int, bytes]
_SIZE = struct.Struct(">i")
_ENTRY = struct.Struct(">qi")


def encode_state(state: Sequence[Entry]) -> bytes:
    body = b"".join(_ENTRY.pack(zxid, len(entry)) + entry for zxid, entry in state)
    return _SIZE.pack(len(body)) + body


def decode_state(data: bytes) -> list[Entry]:
    state = []
    pos = _SIZE.size
    while pos < len(data):
        zxid, length = _ENTRY.unpack_from(data, pos)
        pos += _ENTRY.size
        state.append((zxid, data[pos : pos + length]))
        pos += length
    return state


class FakeInstall:
    """Knows its end by the size in front, as a snapshot by its structure."""

    def __init__(self, replica: FakeReplica, zxid: int) -> None:
        self._replica = replica
        self._zxid = zxid
        self._data = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        before = len(self._data)
        self._data += data
        if len(self._data) < _SIZE.size:
            return data, None
        end = _SIZE.size + _SIZE.unpack_from(self._data)[0]
        if end < _SIZE.size:
            raise ProtocolViolation("no snapshot")
        if len(self._data) < end:
            return data, None
        rest, self._data = self._data[end:], self._data[:end]
        return data[: end - before], rest

    def finish(self) -> None:
        self._replica.state = decode_state(self._data)
        self._replica.last_zxid = self._zxid


class FakeReplica:
    """Its state is the list of what was applied to it."""

    def __init__(self) -> None:
        self.state: list[Entry] = []
        self.last_zxid = 0
        self.role: Any = None
        self.touches: list[tuple[int, int]] = []
        self.answers: list[tuple[Any, ...]] = []
        self.pending: list[Entry] = []

    def deliver(self, zxid: int, entry: bytes) -> None:
        assert zxid > self.last_zxid, f"0x{zxid:x} after 0x{self.last_zxid:x}"
        self.state.append((zxid, entry))
        self.last_zxid = zxid

    def commit_to(self, zxid: int) -> None:
        while self.pending and self.pending[0][0] <= zxid:
            self.deliver(*self.pending.pop(0))
        assert self.last_zxid == zxid

    def start_leading(self, leader: Any) -> None:
        assert self.role is None
        self.role = leader

    start_learning = start_leading

    def stop_serving(self) -> None:
        assert self.role is not None
        self.role = None
        self.pending.clear()

    def hold(self) -> None:
        self.answers.append(("hold",))

    def release(self, reason: str) -> None:
        self.answers.append(("release", reason))

    def keep_clients(self) -> None:
        self.answers.append(("keep",))

    def empty_transaction(self, zxid: int) -> bytes:
        return b"empty"

    def adopt(self, zxid: int, entry: bytes) -> None:
        self.answers.append(("adopt", zxid, entry))

    def session_moved(self, session_id: int) -> None:
        self.answers.append(("moved", session_id))

    def snapshot(self) -> SnapshotStream | None:
        return SnapshotStream(self.last_zxid, self._pieces(encode_state(self.state)))

    @staticmethod
    def _pieces(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), 100):
            yield data[start : start + 100]

    def begin_install(self, zxid: int) -> FakeInstall:
        return FakeInstall(self, zxid)

    def request(
        self,
        learner: Any,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None:
        self.answers.append(("request", session_id, cxid, op, payload))

    def request_run(
        self, learner: Any, session_id: int, frames: bytes, identities: Sequence[Id]
    ) -> None:
        for each in each_request(frames):
            self.request(learner, session_id, *each, identities)

    def revalidate(self, learner: Any, session_id: int, timeout: int) -> bool:
        return True

    def touch(self, session_id: int, timeout: int) -> None:
        self.answers.append(("touch", session_id, timeout))

    def learner_gone(self, learner: Any) -> None:
        self.answers.append(("gone",))

    def touched(self) -> list[tuple[int, int]]:
        touches, self.touches = self.touches, []
        return touches

    def revalidated(self, session_id: int, valid: bool) -> None:
        self.answers.append(("revalidated", session_id, valid))

    def synced(self) -> None:
        self.answers.append(("synced",))

    def configured(self, text: bytes, version: int) -> None:
        self.answers.append(("configured", text, version))


class FakePeer(FakeContext[Learner]):
    """The context of one learner whose server is 2, with a log of `entries`."""

    lacks_history = False

    def __init__(self, entries: Sequence[Entry] = (), epochs: Epochs | None = None) -> None:
        history = History()
        replica = FakeReplica()
        for zxid, entry in entries:
            history.load(zxid, entry)
            replica.deliver(zxid, entry)
        voters = Majority([1, 2, 3])
        super().__init__(2, Settings(tick_ms=100), voters, b"version=0", history, epochs)
        self.replica: FakeReplica = replica
        self.wanted_leader: int | None = None
        self.truncatable = True
        self.disk: list[Ready] = []

    def can_truncate(self, zxid: int) -> bool:
        return self.truncatable

    def carried_out(self, ready: Ready) -> None:
        self.disk.append(ready)
        if ready.truncate is not None and ready.truncate < self.replica.last_zxid:
            self.replica.state = [each for each in self.replica.state if each[0] <= ready.truncate]
            self.replica.last_zxid = ready.truncate


class Rig:
    """A learner and the link to a leader that the test plays."""

    def __init__(
        self, peer: FakePeer | None = None, role: type[Learner] = Follower, leader: int = 3
    ) -> None:
        self.peer = peer or FakePeer()
        self.role = self.peer.role = role(self.peer, leader)
        self.link = PeerLink("leader", self.peer.dirty)

    @property
    def replica(self) -> FakeReplica:
        return self.peer.replica

    def connect(self) -> None:
        assert self.peer.wanted_leader == self.role.leader_sid
        self.peer.wanted_leader = None
        self.link = PeerLink("leader", self.peer.dirty)
        self.role.leader_link(self.link)

    def says(self, *packets: Packet | bytes) -> None:
        """The leader sends packets, or raw bytes."""
        data = [each if isinstance(each, bytes) else encode_packet(each) for each in packets]
        self.link.received(b"".join(data))

    def said(self) -> list[Packet]:
        """What the learner has sent since the last call."""
        data = self.link.take_output()
        packets = []
        pos = 0
        while pos < len(data):
            parsed = parse_packet(data, pos, 1 << 20)
            assert parsed is not None
            packet, pos = parsed
            packets.append(packet)
        return packets

    def discover(self, epoch: int = 5) -> Packet:
        """Up to ACKEPOCH, which is returned."""
        self.connect()
        self.said()
        self.says(Packet(PacketType.LEADERINFO, epoch << 32, b"\0\1\0\0"))
        self.peer.flush()
        (ack,) = self.said()
        assert ack.type == PacketType.ACKEPOCH
        return ack

    def establish(self, epoch: int = 5, announced: bytes = b"") -> None:
        """From NEWLEADER to UPTODATE, everything durable."""
        self.says(Packet(PacketType.NEWLEADER, epoch << 32, announced))
        self.peer.flush()
        self.says(Packet(PacketType.UPTODATE, -1))
        self.said()

    def tick(self, ms: int) -> None:
        self.peer.now_ms += ms
        self.role.tick()


def entries(epoch: int, *counters: int) -> list[Entry]:
    return [(epoch << 32 | counter, b"%d:%d" % (epoch, counter)) for counter in counters]


def proposals(entries: Sequence[Entry]) -> list[Packet]:
    return [Packet(PacketType.PROPOSAL, zxid, entry) for zxid, entry in entries]


def commits(entries: Sequence[Entry]) -> list[Packet]:
    return [Packet(PacketType.COMMIT, zxid) for zxid, _ in entries]
