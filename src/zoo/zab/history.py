"""What this server has logged and still remembers.

Theory of operation. The history is the sequence of all transactions in the log. Its last part is
kept in memory: from `floor` on, which itself belongs to the history and behind which nothing is
missing. The end of it, behind `committed`, is the *tail*: logged (or on its way to the disk), but
not known to be committed. The window of committed transactions exists for learners that were away
for a while; it loses its oldest ones when it exceeds its limits. The tail loses none.

Within an epoch zxids are contiguous, so only the first zxid of a chunk of entries is stored, and a
run of transactions is one list operation. A chunk goes as a whole: the window exceeds its limits by
up to one chunk.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

WINDOW_TXNS = 100_000
"""Committed transactions that are remembered at most."""
WINDOW_BYTES = 32 << 20
"""Bytes of them."""
CHUNK_TXNS = 1000
CHUNK_BYTES = 1 << 20


class _Chunk:
    """Entries with contiguous zxids from `first` on; `size` bytes in all."""

    __slots__ = ("entries", "first", "size")

    def __init__(self, first: int, entries: list[bytes], size: int) -> None:
        self.first = first
        self.entries = entries
        self.size = size

    @property
    def last(self) -> int:
        return self.first + len(self.entries) - 1


def _first_of(chunk: _Chunk) -> int:
    return chunk.first


class History:
    """The log's end in memory, for a server whose log ends with `last_zxid`.

    floor <= committed <= last_zxid, each the zxid of a transaction of this history, or of the
    snapshot that it begins with.
    """

    def __init__(
        self, last_zxid: int = 0, max_txns: int = WINDOW_TXNS, max_bytes: int = WINDOW_BYTES
    ) -> None:
        self.floor = self.committed = self.last_zxid = last_zxid
        self.max_txns = max_txns
        self.max_bytes = max_bytes
        self.unread: int | None = None
        """Somebody is about to read what lies behind this zxid: it is not forgotten yet."""
        self._chunks: list[_Chunk] = []
        self._txns = 0
        self._bytes = 0

    def __repr__(self) -> str:
        return f"History(0x{self.floor:x}, 0x{self.committed:x}, 0x{self.last_zxid:x})"

    def __len__(self) -> int:
        """Transactions remembered, the tail included."""
        return self._txns

    # --- growing

    def append(self, zxid: int, entry: bytes) -> None:
        """One more transaction at the end of the tail: the next zxid, or the first of an epoch."""
        size = len(entry)
        if zxid == self.last_zxid + 1 and self._chunks:
            chunk = self._chunks[-1]
            if len(chunk.entries) < CHUNK_TXNS and chunk.size < CHUNK_BYTES:
                chunk.entries.append(entry)
                chunk.size += size
                self.last_zxid = zxid
                self._txns += 1
                self._bytes += size
                return
        self._add_chunk(zxid, [entry], size)

    def append_run(self, first: int, entries: list[bytes]) -> None:
        """`append` of several with contiguous zxids from `first` on, within one epoch."""
        assert entries, f"an empty run at 0x{first:x}"
        assert (first + len(entries) - 1) >> 32 == first >> 32, (
            f"a run of {len(entries)} from 0x{first:x} on leaves its epoch"
        )
        size = sum(map(len, entries))
        if first == self.last_zxid + 1 and self._chunks:
            chunk = self._chunks[-1]
            if len(chunk.entries) < CHUNK_TXNS and chunk.size < CHUNK_BYTES:
                chunk.entries += entries
                chunk.size += size
                self.last_zxid = chunk.last
                self._txns += len(entries)
                self._bytes += size
                return
        self._add_chunk(first, entries[:], size)

    def load(self, zxid: int, entry: bytes) -> None:
        """Recovery: the next transaction of the log, which is taken for committed.

        A log with a gap was not written by us; what lies before the gap is forgotten.
        """
        assert zxid > self.last_zxid, f"loaded 0x{zxid:x} after 0x{self.last_zxid:x}"
        if follows(zxid, self.last_zxid):
            self.append(zxid, entry)
            self.commit_to(zxid)
        else:
            self.reset(zxid)

    def commit_to(self, zxid: int) -> None:
        """Everything up to `zxid` is committed."""
        assert self.committed <= zxid <= self.last_zxid, (
            f"commit of 0x{zxid:x} outside 0x{self.committed:x}..0x{self.last_zxid:x}"
        )
        self.committed = zxid
        if self._txns > self.max_txns or self._bytes > self.max_bytes:
            self._trim()

    # --- losing

    def cut(self, zxid: int) -> None:
        """Drop what lies behind `zxid`; none of it may be committed."""
        assert self.committed <= zxid, (
            f"cut at 0x{zxid:x}, but 0x{self.committed:x} is committed already"
        )
        self.rewind(zxid)

    def rewind(self, zxid: int) -> None:
        """Drop what lies behind `zxid`, even if it was taken for committed: recovery takes all of
        the log so, and a leader may know better.
        """
        assert zxid <= self.last_zxid, f"0x{zxid:x} lies behind the end 0x{self.last_zxid:x}"
        if zxid < self.floor:
            self.reset(zxid)
            return
        assert self.preceding(zxid) == zxid, f"0x{zxid:x} is no transaction of this history"
        while self._chunks and self._chunks[-1].last > zxid:
            self._shorten(self._chunks[-1], max(0, zxid + 1 - self._chunks[-1].first))
        self.last_zxid = zxid
        self.committed = min(self.committed, zxid)

    def reset(self, zxid: int) -> None:
        """A snapshot at `zxid` took the place of everything; nothing before it is known."""
        self._chunks.clear()
        self._txns = self._bytes = 0
        self.floor = self.committed = self.last_zxid = zxid

    # --- looking

    def entry(self, zxid: int) -> bytes | None:
        """The transaction's bytes; None if it is not remembered."""
        index = bisect_right(self._chunks, zxid, key=_first_of) - 1
        if index < 0:
            return None
        chunk = self._chunks[index]
        return chunk.entries[zxid - chunk.first] if zxid <= chunk.last else None

    def preceding(self, zxid: int) -> int | None:
        """The last zxid of this history that is not behind `zxid`; None if that is forgotten."""
        if zxid < self.floor:
            return None
        index = bisect_right(self._chunks, zxid, key=_first_of) - 1
        return min(zxid, self._chunks[index].last) if index >= 0 else self.floor

    def size_behind(self, zxid: int) -> int:
        """Bytes of what lies behind `zxid`, give or take some hundred transactions."""
        start = max(0, bisect_right(self._chunks, zxid, key=_first_of) - 1)
        return sum(chunk.size for chunk in self._chunks[start:] if chunk.last > zxid)

    def runs(self, after: int, to: int | None = None) -> Iterator[tuple[int, list[bytes]]]:
        """(first zxid, entries) of what lies behind `after` up to `to`, in runs of some hundreds.

        What it yields is fixed by this call: the window may lose its oldest and the tail grow
        while it is being read, but nothing that it covers may be cut off.
        """
        assert after >= self.floor, f"0x{after:x} is not in the window from 0x{self.floor:x} on"
        end = self.last_zxid if to is None else to
        start = max(0, bisect_right(self._chunks, after, key=_first_of) - 1)
        return _runs(self._chunks[start:], after, end)

    def after(self, zxid: int, to: int | None = None) -> Iterator[tuple[int, bytes]]:
        """(zxid, entry) of what lies behind `zxid`, up to `to`; see `runs`."""
        for first, entries in self.runs(zxid, to):
            yield from enumerate(entries, first)

    def tail(self) -> Iterator[tuple[int, bytes]]:
        """(zxid, entry) of what is not known to be committed, in order."""
        return self.after(self.committed)

    # --- inside

    def _add_chunk(self, first: int, entries: list[bytes], size: int) -> None:
        assert follows(first, self.last_zxid), (
            f"0x{first:x} cannot follow 0x{self.last_zxid:x} in the history"
        )
        self._chunks.append(_Chunk(first, entries, size))
        self.last_zxid = first + len(entries) - 1
        self._txns += len(entries)
        self._bytes += size

    def _trim(self) -> None:
        """Forget the oldest chunks that are committed, as far as the limits ask for it."""
        count = 0
        end = self.committed if self.unread is None else min(self.unread, self.committed)
        for chunk in self._chunks:
            over = self._txns > self.max_txns or self._bytes > self.max_bytes
            if not over or chunk.last > end:
                break
            count += 1
            self.floor = chunk.last
            self._txns -= len(chunk.entries)
            self._bytes -= chunk.size
        del self._chunks[:count]

    def _shorten(self, chunk: _Chunk, keep: int) -> None:
        """Keep the first entries of the last chunk. A new list: a reader may hold the old one."""
        dropped = sum(map(len, chunk.entries[keep:]))
        self._txns -= len(chunk.entries) - keep
        self._bytes -= dropped
        self._chunks.pop()
        if keep:
            kept = _Chunk(chunk.first, chunk.entries[:keep], chunk.size - dropped)
            self._chunks.append(kept)


def follows(zxid: int, last: int) -> bool:
    """Whether nothing can lie between the two: the next zxid, or the first of a later epoch."""
    return zxid == last + 1 or (zxid >> 32 > last >> 32 and zxid & 0xFFFFFFFF <= 1)


def _runs(chunks: list[_Chunk], after: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
    for chunk in chunks:
        first, last = max(chunk.first, after + 1), min(chunk.last, end)
        if first <= last:
            yield first, chunk.entries[first - chunk.first : last + 1 - chunk.first]
