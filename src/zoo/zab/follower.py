"""A follower: a learner that votes. Each proposal that its disk has is acknowledged, and counts."""

from __future__ import annotations

from zoo.zab.learner import Learner
from zoo.zab.packets import PacketType, bare


class Follower(Learner):
    """Acknowledges with one packet for each zxid, as a Java leader wants it, many in one send."""

    introduction = PacketType.FOLLOWERINFO

    def _acknowledge(self) -> None:
        acks = self._received.take_acks()
        if acks:
            self._send(b"".join([bare(PacketType.ACK, zxid) for zxid in acks]))
