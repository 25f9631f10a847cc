"""The role of a server that is alone: its own disk is the quorum.

It numbers transactions, hands them to the disk in batches, and declares them committed once they
are durable. Like every role it knows of a transaction only its zxid and its bytes.
"""

from __future__ import annotations

from zoo.zab.ready import Ready

_COUNTER_MASK = 0xFFFFFFFF


class Standalone:
    """Log positions: `persisted` <= `handed` <= `proposed`, each the zxid of the last transaction
    there.
    """

    __slots__ = ("_entries", "_first", "_roll", "handed", "persisted", "proposed")

    def __init__(self, last_zxid: int) -> None:
        self.proposed = last_zxid
        self.handed = last_zxid
        self.persisted = last_zxid
        self._entries: list[bytes] = []
        self._first = 0
        self._roll = False

    def next_zxid(self) -> int:
        """The zxid that `propose` expects next.

        A counter of all ones would let the next increment change the epoch (ZOOKEEPER-1277): roll
        first.
        """
        zxid = self.proposed + 1
        if zxid & _COUNTER_MASK == _COUNTER_MASK:
            zxid += 2
        return zxid

    def propose(self, zxid: int, entry: bytes) -> None:
        """Take a transaction into the order. It is committed once `on_persisted` reports it."""
        assert zxid == self.proposed + 1 or zxid == self.next_zxid(), (
            f"proposed 0x{zxid:x} after 0x{self.proposed:x}: transactions must be contiguous"
        )
        if not self._entries:
            self._first = zxid
        self.proposed = zxid
        self._entries.append(entry)

    def propose_run(self, first: int, entries: list[bytes]) -> None:
        """`propose` of several with contiguous zxids from `first` on, within one epoch."""
        last = first + len(entries) - 1
        assert first == self.next_zxid(), f"proposed 0x{first:x} after 0x{self.proposed:x}"
        assert first >> 32 == last >> 32, f"a run from 0x{first:x} to 0x{last:x} leaves its epoch"
        assert last & _COUNTER_MASK != _COUNTER_MASK, f"0x{last:x} must not be handed out"
        if not self._entries:
            self._first = first
        self.proposed = last
        self._entries += entries

    def roll_log(self) -> None:
        """Begin a new log file with the next Ready: a snapshot is being taken."""
        self._roll = True

    @property
    def waiting(self) -> int:
        """How many transactions the next Ready would have."""
        return len(self._entries)

    def ready(self) -> Ready | None:
        """The next batch for the disk; None while the last one is not durable or nothing is new."""
        if not self._entries or self.handed != self.persisted:
            return None
        ready = Ready(self._entries, self._first, self.proposed, self._roll)
        self._entries = []
        self._roll = False
        self.handed = self.proposed
        return ready

    def on_persisted(self, zxid: int) -> int:
        """The disk has everything up to `zxid`; returns the zxid up to which all is committed."""
        assert zxid == self.handed, f"persisted 0x{zxid:x}, but 0x{self.handed:x} was handed over"
        self.persisted = zxid
        return zxid
