"""The promises of the protocol, one small checker each. See cluster_checking for what they hear.

That members agree on what is committed, zxid by zxid and byte by byte, is `ClusterCheckers.agree`:
each of them has, of one sequence, a beginning.
"""

from __future__ import annotations

from struct import Struct

from zoo.jute.operations import Op
from zoo.jute.txns import decode_txn
from zoo.sim.cluster_checking import CheckedMember, ClusterChecker, Ensemble
from zoo.sim.learner_links import End
from zoo.sim.prefixes import Prefix
from zoo.sim.session_checker import does_nothing
from zoo.zab.configurations import Configuration, carries_configuration, configuration_in
from zoo.zab.packets import Packet, PacketType

_HEADER = Struct(">qi")
_TYPE = slice(28, 32)
_ERROR = int(Op.error).to_bytes(4, "big", signed=True)
_MULTI = int(Op.multi).to_bytes(4, "big")


class Durable(ClusterChecker):
    """What is committed is on the disks of a quorum, and stays on those of a quorum.

    (A single disk may lose it for a moment: a follower that comes back is cut back to what the
    leader has committed by then, while the others' ACKs are on their way. And an ACK may be counted
    when its sender's disk has been replaced (seed 6673): any quorum of those that have a vote still
    holds another that sent one.)
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._replaced: list[tuple[int, Prefix]] = []

    def replaced(self, member: CheckedMember) -> None:
        self._replaced.append((member.sid, member.disk.synced))

    def decided(self, member: CheckedMember, prefix: Prefix) -> None:
        ensemble = self.ensemble
        disks = [(sid, one.disk.synced) for sid, one in ensemble.members.items()]
        having = {sid for sid, synced in (*disks, *self._replaced) if synced.contains(prefix)}
        for each in self._deciding(prefix):
            if not each.quorum.contains_quorum(having):
                self.violated(
                    f"{member} calls {prefix} committed, which only {having} have on disk: "
                    f"no quorum of {each.quorum}"
                )

    def _deciding(self, prefix: Prefix) -> tuple[Configuration, ...]:
        """Quorums of which have to have it. A change may hold already, or be about to."""
        holds, before = self.ensemble.configuration, self.ensemble.previous
        if not carries_configuration(prefix.entry):
            return (holds,)
        if holds.version == prefix.zxid:
            return before, holds
        return holds, configuration_in(prefix.entry)

    def logged(self, member: CheckedMember, old: Prefix, new: Prefix) -> None:
        self._keeps(member, old, new)

    def synced(self, member: CheckedMember, old: Prefix, new: Prefix) -> None:
        self._keeps(member, old, new)

    def _keeps(self, member: CheckedMember, old: Prefix, new: Prefix) -> None:
        committed = old.back_to_agreed()
        if new.contains(committed):
            return
        ensemble = self.ensemble
        having = [
            s
            for s, one in ensemble.members.items()
            if one.disk.synced.contains(committed) or one.is_lacking  # nobody leads by its vote
        ]
        if not ensemble.quorum.contains_quorum(having):
            self.violated(
                f"{member} drops {committed} from its disk, which is committed: now {new}; only "
                f"{having} have it still"
            )


class Continuity(ClusterChecker):
    """Zxids ascend by one, or a later epoch begins with its first."""

    def logged(self, member: CheckedMember, old: Prefix, new: Prefix) -> None:
        if new.contains(old):
            for prefix in new.since(old):
                self._follows(member, prefix)

    def decided(self, member: CheckedMember, prefix: Prefix) -> None:
        self._follows(member, prefix)

    def _follows(self, member: CheckedMember, prefix: Prefix) -> None:
        before = prefix.parent.zxid if prefix.parent is not None else 0
        zxid = prefix.zxid
        if zxid & 0xFFFFFFFF == 0xFFFFFFFF:
            self.violated(f"{member}: 0x{zxid:x} must not be handed out")
        if zxid != before + 1 and not (zxid >> 32 > before >> 32 and zxid & 0xFFFFFFFF == 1):
            self.violated(f"{member}: 0x{zxid:x} follows 0x{before:x}")


class Applied(ClusterChecker):
    """A member applies in order; what it serves is committed, and it never goes back."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._last: dict[int, Prefix] = {}

    def started(self, member: CheckedMember) -> None:
        self._last.pop(member.sid, None)

    def leading(self, member: CheckedMember, epoch: int) -> None:
        self._begin(member)

    def learning(self, member: CheckedMember) -> None:
        self._begin(member)

    def _begin(self, member: CheckedMember) -> None:
        state, last = member.state, self._last.get(member.sid)
        if last is not None and not state.contains(last):
            self.violated(f"{member} serves from {state} on, it has served {last} before")
        self._last[member.sid] = state

    def applied(self, member: CheckedMember, prefix: Prefix) -> None:
        last = self._last.get(member.sid)
        if last is not None and prefix.depth <= last.depth:
            self.violated(f"{member} applies {prefix} after {last}")
        self._last[member.sid] = prefix


class OneLeader(ClusterChecker):
    """At most one established leader in an epoch.

    (A leader may be established after one of a later epoch: it stood still while the ACKs that
    established it lay in its sockets. It can decide nothing any more.)
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._leaders: dict[int, CheckedMember] = {}

    def leading(self, member: CheckedMember, epoch: int) -> None:
        if epoch in self._leaders:
            self.violated(
                f"{member} begins to lead in epoch {epoch}, as {self._leaders[epoch]} did"
            )
        if epoch <= member.state.zxid >> 32:
            self.violated(f"{member} leads in epoch {epoch}, its state is {member.state}")
        self._leaders[epoch] = member


class Promises(ClusterChecker):
    """Epochs on a disk only grow; ACKEPOCH leaves behind the disk; no older leader is followed."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._promised: dict[int, int] = {}
        self._accepted: dict[int, int] = {}
        self._current: dict[int, int] = {}
        self.epochs: dict[End, int] = {}

    def promised(self, member: CheckedMember, epoch: int) -> None:
        last = self._accepted.get(member.sid, 0)
        if epoch < last:
            self.violated(f"{member} accepts epoch {epoch} after {last}")
        self._accepted[member.sid] = epoch

    def entered(self, member: CheckedMember, epoch: int) -> None:
        last = self._current.get(member.sid, 0)
        if epoch < last or epoch > member.disk.accepted:
            self.violated(
                f"{member} enters epoch {epoch} after {last}, having accepted "
                f"{member.disk.accepted}"
            )
        self._current[member.sid] = epoch

    def replaced(self, member: CheckedMember) -> None:
        for known in (self._promised, self._accepted, self._current):
            known.pop(member.sid, None)

    def started(self, member: CheckedMember) -> None:
        accepted, current = member.disk.accepted, member.disk.current
        if accepted < self._promised.get(member.sid, 0):
            self.violated(f"{member} forgot that it promised {self._promised[member.sid]}")
        self._accepted[member.sid], self._current[member.sid] = accepted, current

    def sent(self, end: End, packet: Packet) -> None:
        if packet.type == PacketType.LEADERINFO:
            self.epochs[end.other] = packet.zxid >> 32
        elif packet.type in (PacketType.ACKEPOCH, PacketType.ACK) and end in self.epochs:
            self._acknowledges(end, packet)

    def _acknowledges(self, end: End, packet: Packet) -> None:
        sid, epoch = end.host.sid, self.epochs[end]
        promised = self._promised.get(sid, 0)
        name = PacketType(packet.type).name
        if epoch < promised:
            self.violated(f"s{sid} sends {name} in epoch {epoch}, it promised {promised}")
        if self.ensemble.members[sid].disk.accepted < epoch:
            self.violated(f"s{sid} sends {name} for {epoch}, which its disk does not know")
        self._promised[sid] = epoch


class Acks(ClusterChecker):
    """An ACK leaves a server only when its disk has what it acknowledges, and no server enters an
    epoch whose history its disk has not.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._given: dict[End, int] = {}  # what the leader has said before NEWLEADER

    def sent(self, end: End, packet: Packet) -> None:
        kind = packet.type
        if kind == PacketType.ACK:
            self._acknowledged(end, packet.zxid)
        elif kind in (PacketType.DIFF, PacketType.SNAP, PacketType.TRUNC):
            if kind == PacketType.SNAP:
                self._given[end.other] = packet.zxid
        elif kind == PacketType.PROPOSAL and end.other in self._given:
            if self._given[end.other] >= 0:
                self._given[end.other] = packet.zxid
        elif kind == PacketType.LEADERINFO:
            self._given[end.other] = 0
        elif kind == PacketType.NEWLEADER:
            given = self._given.get(end.other, 0)
            self._given[end.other] = -1 - given  # what follows is not covered by its ACK

    def entered(self, member: CheckedMember, epoch: int) -> None:
        synced = member.disk.synced
        for end, said in self._given.items():
            if end.host.sid == member.sid and end.is_alive and -1 - said > synced.zxid:
                self.violated(
                    f"{member} enters epoch {epoch}, the leader sent 0x{-1 - said:x} before it, "
                    f"its disk has {synced}"
                )

    def _acknowledged(self, end: End, zxid: int) -> None:
        member = self.ensemble.members[end.host.sid]
        disk = member.disk
        if zxid & 0xFFFFFFFF:
            if disk.synced.cut(zxid).zxid != zxid:
                self.violated(f"{member} acknowledges 0x{zxid:x}, its disk has {disk.synced}")
            return
        if disk.current != zxid >> 32:
            self.violated(
                f"{member} acknowledges NEWLEADER of {zxid >> 32}, its disk says {disk.current}"
            )
        given = -1 - self._given.get(end, -1)
        if disk.synced.zxid < given:
            self.violated(
                f"{member} acknowledges NEWLEADER, the leader sent 0x{given:x} before it, its disk "
                f"has {disk.synced}"
            )


class Votes(ClusterChecker):
    """Nothing of an earlier role comes to the disk of a member once it has voted (ZOOKEEPER-4712).

    It votes with the end of its log; its leader would not know of what follows.
    """

    def logged(self, member: CheckedMember, old: Prefix, new: Prefix) -> None:
        if member.is_voting and new.depth > old.depth:
            self.violated(f"{member} logs {new} after it has voted with {old}")


class Snapshots(ClusterChecker):
    """A snapshot shows only what is committed (ZOOKEEPER-1549): a cut cannot take it out again."""

    def snapshot(self, member: CheckedMember, prefix: Prefix) -> None:
        if not prefix.agreed:
            self.violated(
                f"{member} writes a snapshot of {prefix}, {self.ensemble.agreed} is committed"
            )


class ClientOrder(ClusterChecker):
    """What a session asked for first is decided first, and nothing is decided twice."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._last: dict[int, int] = {}

    def decided(self, member: CheckedMember, prefix: Prefix) -> None:
        session_id, cxid = _HEADER.unpack_from(prefix.entry)
        if not session_id or not cxid or _is_refusal(prefix.entry):
            return  # a request that comes late, over another server, is refused
        last = self._last.get(session_id, 0)
        if cxid <= last:
            self.violated(f"{prefix}: request {cxid} of session {session_id:x} after {last}")
        self._last[session_id] = cxid


def _is_refusal(entry: bytes) -> bool:
    """As `does_nothing`, and only a multi is decoded for it."""
    kind = entry[_TYPE]
    return kind == _ERROR or (kind == _MULTI and does_nothing(decode_txn(entry)))


class Converged(ClusterChecker):
    """After a quiet time all members serve the same state, and their disks have it."""

    def finished(self) -> None:
        ensemble = self.ensemble
        leaders = [member for member in ensemble.members.values() if member.is_leading]
        if len(leaders) != 1:
            self.violated(f"after all is quiet {leaders} lead")
        for member in ensemble.belonging:
            if not member.is_up or not member.is_serving:
                self.violated(f"{member} does not serve again")
            if member.state is not ensemble.agreed:
                self.violated(f"{member} is at {member.state}, the ensemble at {ensemble.agreed}")
            if not member.disk.synced.contains(ensemble.agreed):
                self.violated(f"the disk of {member} ends at {member.disk.synced}")


PROTOCOL = (
    Durable,
    Continuity,
    Applied,
    OneLeader,
    Promises,
    Acks,
    Votes,
    Snapshots,
    ClientOrder,
    Converged,
)
