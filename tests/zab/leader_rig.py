"""A leader with learners played by the test: packets in, packets out, a disk that waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.zab.fake_context import FakeContext
from zoo.jute.quorum_records import LearnerInfo
from zoo.jute.records import Id
from zoo.jute.schema import encode
from zoo.zab.context import Epochs, Settings
from zoo.zab.history import History
from zoo.zab.leader import Leader, Phase
from zoo.zab.link import PeerLink
from zoo.zab.packets import (
    EXACT_CUT,
    SNAPSHOT_END,
    Packet,
    PacketType,
    bare,
    encode_packet,
    parse_packet,
    with_data,
)
from zoo.zab.quorum import Majority, QuorumVerifier
from zoo.zab.replica import InstallTarget, Leading, SnapshotStream
from zoo.zab.request_runs import each_request

TICK_MS = 100
SNAPSHOT = b"all of the state"
CONFIG = b"server.1=one\nversion=0"
E1, E2 = 1 << 32, 2 << 32

Entry = tuple[int, bytes]


def entries(epoch: int, *counters: int) -> list[Entry]:
    return [(epoch << 32 | counter, b"%d:%d" % (epoch, counter)) for counter in counters]


class FakeReplica:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.last_zxid = 0
        self.delivered: list[Entry] = []
        self.commits: list[int] = []
        self.leading: Leading | None = None
        self.calls: list[tuple[Any, ...]] = []
        self.living: set[int] = set()
        self.pieces: list[bytes] = [SNAPSHOT]
        self.free_snapshots = 100
        self.closed_snapshots = 0

    def deliver(self, zxid: int, entry: bytes) -> None:
        self.last_zxid = zxid
        self.delivered.append((zxid, entry))

    def commit_to(self, zxid: int) -> None:
        assert self.leading is not None
        assert zxid > self.last_zxid, f"commit of 0x{zxid:x} again"
        self.last_zxid = zxid
        self.commits.append(zxid)

    def start_leading(self, leader: Leading) -> None:
        assert self.leading is None
        self.leading = leader

    def start_learning(self, learner: object) -> None:
        raise AssertionError("this one leads")

    def stop_serving(self) -> None:
        assert self.leading is not None
        self.leading = None

    def hold(self) -> None:
        self.calls.append(("hold",))

    def release(self, reason: str) -> None:
        self.calls.append(("release", reason))

    def keep_clients(self) -> None:
        self.calls.append(("keep",))

    def empty_transaction(self, zxid: int) -> bytes:
        return b"empty"

    def adopt(self, zxid: int, entry: bytes) -> None:
        self.calls.append(("adopt", zxid, entry))

    def session_moved(self, session_id: int) -> None:
        self.calls.append(("moved", session_id))

    def snapshot(self) -> SnapshotStream | None:
        if not self.free_snapshots:
            return None
        self.free_snapshots -= 1
        return SnapshotStream(self.last_zxid, self._stream())

    def _stream(self) -> Iterator[bytes]:
        try:
            yield from self.pieces
        finally:
            self.free_snapshots += 1
            self.closed_snapshots += 1

    def begin_install(self, zxid: int) -> InstallTarget:
        raise AssertionError("this one leads")

    def request(
        self,
        learner: Any,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None:
        self.calls.append(("request", learner.sid, session_id, cxid, op, payload, identities))

    def request_run(
        self, learner: Any, session_id: int, frames: bytes, identities: Sequence[Id]
    ) -> None:
        for each in each_request(frames):
            self.request(learner, session_id, *each, identities)

    def revalidate(self, learner: Any, session_id: int, timeout: int) -> bool:
        self.calls.append(("revalidate", learner.sid, session_id, timeout))
        return session_id in self.living

    def touch(self, session_id: int, timeout: int) -> None:
        self.calls.append(("touch", session_id, timeout))

    def learner_gone(self, learner: Any) -> None:
        self.calls.append(("gone", learner.sid))

    def touched(self) -> list[tuple[int, int]]:
        return []

    def revalidated(self, session_id: int, valid: bool) -> None:
        raise AssertionError("this one leads")

    def synced(self) -> None:
        raise AssertionError("this one leads")


class FakePeer(FakeContext[Leader]):
    """The context of a leader, server 1. Its log has `committed` and, not known so, `tail`."""

    def __init__(
        self,
        voters: Sequence[int] = (1, 2, 3),
        committed: Sequence[Entry] = (),
        tail: Sequence[Entry] = (),
        epochs: Epochs | None = None,
        floor: int = 0,
        max_unsent: int = 1 << 20,
        quorum: QuorumVerifier | None = None,
    ) -> None:
        history = History(floor)
        for zxid, entry in committed:
            history.load(zxid, entry)
        for zxid, entry in tail:
            history.append(zxid, entry)
        settings = Settings(tick_ms=TICK_MS, max_unsent=max_unsent)
        super().__init__(1, settings, quorum or Majority(voters), CONFIG, history, epochs)
        self.config_version = 7
        self.replica = FakeReplica()
        self.replica.last_zxid = history.committed


class FakeLearner:
    """The other end of a link. `taken` keeps what it read, `sent_all` false reads nothing."""

    def __init__(
        self, peer: FakePeer, sid: int, observer: bool = False, is_java: bool = False
    ) -> None:
        self.peer = peer
        self.is_java = is_java
        self.sid = sid
        self.observer = observer
        self.link = PeerLink(f"host of {sid}", peer.dirty)
        self.raw = b""
        assert peer.role is not None
        peer.role.learner_link(self.link)

    # --- speaking

    def says(self, *packets: Packet | bytes) -> None:
        self.link.received(
            b"".join(each if isinstance(each, bytes) else encode_packet(each) for each in packets)
        )

    def introduces(self, accepted: int = 0, config_version: int = 0) -> None:
        kind = PacketType.OBSERVERINFO if self.observer else PacketType.FOLLOWERINFO
        info = encode(LearnerInfo(self.sid, 0x10000, config_version))
        self.says(with_data(kind, accepted << 32, info + (b"" if self.is_java else EXACT_CUT)))

    def promises(self, current: int, last_zxid: int) -> None:
        data = current.to_bytes(4, "big", signed=True)
        self.says(with_data(PacketType.ACKEPOCH, last_zxid, data))

    def acks(self, *zxids: int) -> None:
        self.says(*(bare(PacketType.ACK, zxid) for zxid in zxids))

    # --- listening

    def drains(self) -> bytes:
        """Read all there is, as long as there is more."""
        read = b""
        while data := self.link.take_output():
            read += data
            self.link.sent(len(data))
        return read

    def hears(self) -> list[Packet]:
        """The packets since the last call; a snapshot is noted in `raw`."""
        data, pos, packets = self.drains(), 0, []
        while pos < len(data):
            parsed = parse_packet(data, pos, 1 << 24)
            assert parsed is not None, "the output ends within a packet"
            packet, pos = parsed
            packets.append(packet)
            if packet.type == PacketType.SNAP:
                end = data.index(SNAPSHOT_END, pos)
                self.raw, pos = data[pos:end], end + len(SNAPSHOT_END)
        return packets

    def kinds(self) -> list[str]:
        return [PacketType(packet.type).name for packet in self.hears()]

    @property
    def is_cut(self) -> bool:
        return self.link.closing


class Rig:
    """A leader and what it takes to establish it."""

    def __init__(self, peer: FakePeer | None = None) -> None:
        self.peer = peer or FakePeer()
        self.leader = self.peer.role = Leader(self.peer)
        self.learners: dict[int, FakeLearner] = {}

    @property
    def replica(self) -> FakeReplica:
        replica: FakeReplica = self.peer.replica
        return replica

    @property
    def leading(self) -> Leading:
        assert self.replica.leading is not None
        return self.replica.leading

    def learner(
        self, sid: int, observer: bool = False, accepted: int = 0, is_java: bool = False
    ) -> FakeLearner:
        """A learner that has introduced itself."""
        learner = self.learners[sid] = FakeLearner(self.peer, sid, observer, is_java)
        learner.introduces(accepted)
        return learner

    def synchronised(self, sid: int, last_zxid: int | None = None, **kind: bool) -> FakeLearner:
        """A learner, all said up to the ACK of NEWLEADER, nothing of it kept."""
        learner = self.learner(sid, **kind)
        self.peer.flush()
        learner.promises(0, self.peer.history.committed if last_zxid is None else last_zxid)
        self.peer.flush()
        learner.drains()
        learner.acks(self.leader.epoch << 32)
        return learner

    def established(self, *sids: int) -> Rig:
        """With these followers, nothing of what was said kept."""
        for sid in sids or (2,):
            self.learner(sid)
        self.peer.flush()
        for learner in self.learners.values():
            learner.promises(0, self.peer.history.committed)
        self.peer.flush()
        for learner in self.learners.values():
            learner.drains()
            learner.acks(self.leader.epoch << 32)
        assert self.leader.phase is Phase.BROADCAST
        for learner in self.learners.values():
            learner.drains()
            learner.acks(self.leader.epoch << 32)  # of UPTODATE
        return self

    def write(self, *payloads: bytes) -> int:
        """Proposals, one by one; returns the zxid of the last."""
        for payload in payloads:
            self.leading.propose(self.leading.next_zxid(), payload)
        return self.leading.proposed

    def tick(self, ms: int = TICK_MS // 2) -> None:
        self.peer.now_ms += ms
        self.leader.tick()

    def passes(self, ms: int) -> None:
        """Time, with the ticks that a driver gives."""
        while ms > 0:
            self.tick(min(ms, 10))
            ms -= 10
