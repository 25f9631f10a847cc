"""What goes over the learner links, packet by packet: for the checkers and for the trace.

Theory of operation. The tap stands where bytes leave a server. It parses each direction of each
wire by itself, so it sees a packet before the other side does; the raw snapshot behind SNAP it
passes over, up to its signature.
"""

from __future__ import annotations

from collections.abc import Callable

from zoo.errors import ProtocolViolation
from zoo.sim.learner_links import End
from zoo.zab.notification import parse_notification
from zoo.zab.packets import BARE_SIZE, SNAPSHOT_END, Packet, PacketType, parse_packet

_SIGNATURE_SIZE = len(SNAPSHOT_END)
_MAX_DATA = 1 << 30

Listener = Callable[[End, Packet], None]


class Wiretap:
    """Tells `listener` of every packet, with the end that it leaves."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._rest: dict[End, bytes] = {}
        self._in_snapshot: dict[End, None] = {}

    def __call__(self, end: End, data: bytes) -> None:
        rest = self._rest.get(end)
        buffer = rest + data if rest else data
        pos = 0
        if end in self._in_snapshot:
            pos = self._skip_snapshot(end, buffer)
        while len(buffer) - pos >= BARE_SIZE:
            parsed = parse_packet(buffer, pos, _MAX_DATA)
            if parsed is None:
                break
            packet, pos = parsed
            self._listener(end, packet)
            if packet.type == PacketType.SNAP:
                self._in_snapshot[end] = None
                buffer = buffer[pos:]
                pos = self._skip_snapshot(end, buffer)
                if end in self._in_snapshot:
                    break
        self._rest[end] = buffer[pos:] if pos else buffer

    def _skip_snapshot(self, end: End, buffer: bytes) -> int:
        """Where the packets go on, or what of the snapshot need not be kept."""
        found = buffer.find(SNAPSHOT_END)
        if found >= 0:
            del self._in_snapshot[end]
            return found + _SIGNATURE_SIZE
        return max(0, len(buffer) - _SIGNATURE_SIZE + 1)


class PacketRuns:
    """Packets as lines of a trace: those of one kind that leave one end at once are one line."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink = sink
        self._key: tuple[int, End, int] | None = None
        self._packets: list[Packet] = []

    def add(self, now: int, end: End, packet: Packet) -> None:
        key = (now, end, packet.type)
        if key != self._key:
            self.flush()
            self._key = key
        self._packets.append(packet)

    def flush(self) -> None:
        """Write what was collected; to be called before any other line."""
        if self._key is None:
            return
        (now, end, _), packets = self._key, self._packets
        text = name_of(packets[0])
        if len(packets) > 1:
            text += f" .. 0x{packets[-1].zxid:x} ({len(packets)})"
        self._sink(f"{now / 1e6:12.6f} s{end.host.sid} -> s{end.other.host.sid} {text}")
        self._key, self._packets = None, []


def name_of(packet: Packet) -> str:
    """One packet as the trace shows it."""
    try:
        name = PacketType(packet.type).name
    except ValueError:
        name = f"type {packet.type}"
    size = f" +{len(packet.data)}" if packet.data else ""
    return f"{name} 0x{packet.zxid:x}{size}" if packet.zxid >= 0 else f"{name} {packet.zxid}{size}"


def vote_in(data: bytes) -> str:
    """One message of the election mesh as the trace shows it."""
    try:
        told = parse_notification(data)
    except ProtocolViolation as violation:
        return str(violation)
    vote = told.vote
    if vote.leader < 0:
        return f"{told.state.name} without a vote, round {vote.election_epoch}"
    return (
        f"{told.state.name} for s{vote.leader} at 0x{vote.zxid:x}, epoch {vote.peer_epoch}, "
        f"round {vote.election_epoch}"
    )
