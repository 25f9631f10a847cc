"""A follower: a learner that votes. Each proposal that its disk has is acknowledged, and counts."""

from __future__ import annotations

from zoo.zab.learner import Learner
from zoo.zab.learner_runs import leading_commits, leading_entries
from zoo.zab.packets import PacketType, bare


class Follower(Learner):
    """Acknowledges with one packet for each zxid, as a Java leader wants it, many in one send."""

    introduction = PacketType.FOLLOWERINFO
    mode = "follower"

    def _take_runs(self, data: bytes, pos: int) -> int:
        limit = self._context.settings.max_data
        first, entries, pos = leading_entries(data, pos, PacketType.PROPOSAL, limit)
        if entries:
            self._received.append_run(first, entries)
        first, last, pos = leading_commits(data, pos)
        if first <= last:
            self._received.commit_run(first, last)
        return pos

    def _acknowledge(self) -> None:
        acks = self._received.take_acks()
        if acks:
            self._send(b"".join([bare(PacketType.ACK, zxid) for zxid in acks]))
