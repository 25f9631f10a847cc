"""The transaction log's file format, ZooKeeper's to the byte; pure functions of bytes.

Theory of operation
-------------------
A log file `log.<hex zxid of its first txn>` is a 16-byte FileHeader and then records, and after
them zeros up to the preallocated size:

    int64 Adler-32 of the entry | int32 length | entry | byte 'B'

    entry = TxnHeader (32 bytes: clientId int64, cxid int32, zxid int64, time int64, type int32)
            + the txn's body + an optional TxnDigest

`LogScanner` walks one file without loading it whole. The question it answers is how a file ends:

* CLEAN: end of file, or nothing but zeros after the last record.
* TORN: a partial or damaged record and, after it, no valid record. That is what a crash in the
  middle of a write leaves; nothing of it was ever acknowledged, since acknowledgements leave
  after fsync. `scanner.torn` tells where to cut.
* CORRUPT: a damaged record with a valid one after it. Acknowledged txns are lost, and cutting
  there would lose the later ones too: `CorruptLog`, and a human decides. So too where the last
  record was whole once (`_has_changed`): it may have been acknowledged before a bit of it flipped.

Whether a torn end is acceptable in a file that is not the newest is for recovery to judge: it
knows the neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import NamedTuple
from zlib import adler32

FILE_HEADER = Struct(">4siq").pack(b"ZKLG", 2, 0)
HEADER_SIZE = len(FILE_HEADER)

RECORD_HEAD = Struct(">qi")
RECORD_OVERHEAD = RECORD_HEAD.size + 1
END_OF_RECORD = b"B"
TXN_HEADER_SIZE = 32
ZXID_AND_TYPE = Struct(">12xq8xi")
ERROR_TXN = -1

# A txn cannot be much larger than the largest request (jute.maxbuffer, 1 MiB unless raised), yet a
# Java server with a raised limit may have written this log: the bound only keeps a damaged length
# from making us read gigabytes before the checksum gets its say.
MAX_ENTRY = 256 * 1024 * 1024
CHUNK = 1024 * 1024
MOST_EXAMINED = 4 * 1024 * 1024  # bytes of a damaged record
SECTOR = 512
"""Bytes of a disk that are written together or not at all."""
# A log of a killed server ends in up to preAllocSize of zeros: comparing takes a hundredth of
# the time that rstrip takes.
_ZEROS = bytes(CHUNK + 64)

# Where a record may begin: an Adler-32 widened to int64 has four zero bytes in front, and padding
# (twelve zeros) is not a record. Lookahead, because candidates overlap.
_CANDIDATE = re.compile(rb"(?=\0{4}(?!\0{8})[\s\S]{4}[\0-\x0f][\s\S]{3})")
_WHAT_TO_DO = (
    "Nothing was changed. Restore this file or the whole data directory from a backup or from "
    "another member of the ensemble; to give up every later transaction instead, move this log "
    "and all newer logs and snapshots out of the data directories"
)


class CorruptLog(Exception):
    """A log that must not be replayed: says which file, where, why, and what can be done."""

    def __init__(self, name: str, offset: int, reason: str, advice: str = _WHAT_TO_DO) -> None:
        super().__init__(f"{name}: at byte {offset}: {reason}. {advice}.")
        self.name = name
        self.offset = offset
        self.reason = reason


class TornTail(NamedTuple):
    """The unfinished end of a log: cut the file to `offset` bytes to repair it.

    `lost` counts the bytes from there to the last byte that is not zero.
    """

    name: str
    offset: int
    lost: int
    reason: str


def encode_entry(entry: bytes) -> bytes:
    """Frame one entry (TxnHeader + body + digest) as the record a log file holds."""
    return RECORD_HEAD.pack(adler32(entry), len(entry)) + entry + END_OF_RECORD


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Frame a batch: what `encode_entry` makes of each, joined."""
    head, checksum, end = RECORD_HEAD.pack, adler32, END_OF_RECORD
    parts: list[bytes] = []
    for entry in entries:
        parts += (head(checksum(entry), len(entry)), entry, end)
    return b"".join(parts)


class LogScanner:
    """Iterate over the records of one log file as `(zxid, offset, entry)`.

    `read(n)` returns at most n bytes and b"" at the end of the file, from its first byte on.
    After the iteration `end` is the offset just behind the last valid record, and `torn` the
    TornTail when the file does not end cleanly. Raises `CorruptLog`.
    """

    def __init__(self, read: Callable[[int], bytes], name: str) -> None:
        self.name = name
        self.end = 0
        self.torn: TornTail | None = None
        self._read = read
        self._buffer = b""
        self._base = 0  # file offset of the buffer's first byte

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        if not self._header():
            return
        head = RECORD_HEAD.unpack_from
        pos = HEADER_SIZE
        while True:
            buffer = self._buffer
            size = len(buffer)
            reason = ""
            while pos + RECORD_HEAD.size <= size:
                checksum, length = head(buffer, pos)
                start = pos + RECORD_HEAD.size
                stop = start + length
                if not TXN_HEADER_SIZE <= length <= MAX_ENTRY:
                    reason = f"a record cannot have a length of {length} bytes"
                    break
                if stop >= size:
                    break
                entry = buffer[start:stop]
                if buffer[stop] != 0x42 or adler32(entry) != checksum:
                    reason = "a record's checksum or end mark is wrong"
                    break
                yield ZXID_AND_TYPE.unpack_from(entry)[0], self._base + pos, entry
                pos = stop + 1
            self.end = self._base + pos
            if reason or not self._refill(pos):
                self._finish(reason)
                return
            pos = 0

    def _refill(self, pos: int) -> bool:
        """Drop what was consumed, read on; False when nothing more comes."""
        rest = self._buffer[pos:]
        wanted = CHUNK
        if len(rest) >= RECORD_HEAD.size:  # a record longer than a chunk: read it in one go
            wanted = max(CHUNK, RECORD_HEAD.unpack_from(rest)[1] + RECORD_OVERHEAD - len(rest))
        more = self._read(wanted)
        self._base += pos
        self._buffer = rest + more
        return bool(more)

    def _header(self) -> bool:
        """Check the file's header; False when the file ends before or inside it."""
        while len(self._buffer) < HEADER_SIZE and self._refill(0):
            pass
        head = self._buffer[:HEADER_SIZE]
        if head[:8] == FILE_HEADER[:8] and len(head) == HEADER_SIZE:
            return True
        if head.strip(b"\0") and not FILE_HEADER.startswith(head.rstrip(b"\0")):
            raise CorruptLog(self.name, 0, "this is not a transaction log of format ZKLG version 2")
        self._finish("the file ends inside its header")
        return False

    def _finish(self, reason: str) -> None:
        """Classify what follows the last valid record: clean, torn or corrupt."""
        at = self.end - self._base
        while len(self._buffer) < at + MOST_EXAMINED and (more := self._read(CHUNK)):
            self._buffer += more
        damaged = self._buffer[at : at + MOST_EXAMINED]
        last = self._last_nonzero(at)
        if last >= self.end:
            if _has_changed(damaged, self.end):
                reason = "the last record was whole and has changed since: the disk may be failing"
                raise CorruptLog(self.name, self.end, reason)
            reason = reason or "the file ends inside a record"
            self.torn = TornTail(self.name, self.end, last + 1 - self.end, reason)
        elif self.end < HEADER_SIZE:
            self.torn = TornTail(self.name, 0, 0, reason)

    def _last_nonzero(self, pos: int) -> int:
        """File offset of the last byte that is not zero from buffer position `pos` on, or -1.

        Raises CorruptLog when a valid record begins anywhere behind `pos`. Reads the rest of the
        file in windows that overlap, so that a record across two of them is seen.
        """
        window, base = self._buffer[pos:], self._base + pos
        skip, last, at_end = 1, -1, False
        while True:
            resume, wanted = len(window), CHUNK
            stripped = b"" if _ZEROS.startswith(window) else window.rstrip(b"\0")
            if stripped:
                last = base + len(stripped) - 1
                resume, wanted = self._search(window, base, skip, at_end)
            if at_end:
                return last
            resume = max(0, min(resume, len(window) - RECORD_HEAD.size))
            more = self._read(wanted)
            at_end = not more
            skip = max(0, skip - resume)
            window, base = window[resume:] + more, base + resume

    def _search(self, window: bytes, base: int, skip: int, at_end: bool) -> tuple[int, int]:
        """Look for a valid record in the window from position `skip` on.

        Returns the position to resume from and how many bytes to read before that.
        """
        for match in _CANDIDATE.finditer(window, skip):
            pos = match.start()
            checksum, length = RECORD_HEAD.unpack_from(window, pos)
            start = pos + RECORD_HEAD.size
            stop = start + length
            if not TXN_HEADER_SIZE <= length <= MAX_ENTRY:
                continue
            if stop >= len(window):
                if at_end:
                    continue
                return pos, max(CHUNK, stop + 1 - len(window))
            if window[stop] == 0x42 and adler32(window[start:stop]) == checksum:
                reason = f"a damaged record, yet a valid one follows at byte {base + pos}"
                raise CorruptLog(self.name, self.end, reason)
        return len(window), CHUNK


def _has_changed(data: bytes, offset: int) -> bool:
    """Was the damaged record that `data` begins with, at `offset` of its file, ever whole?

    Its end mark is the last of it to be written, and what a crash leaves out are the ends of files
    or sectors of zeros. So one with its end mark in place and no such sector was whole; likewise
    one whose checksum holds but for the end mark, or for a bit of its length.
    """
    if len(data) < RECORD_HEAD.size:
        return False
    checksum, length = RECORD_HEAD.unpack_from(data)
    start = RECORD_HEAD.size
    for bit in range(-1, 32):
        stop = start + (length if bit < 0 else (length ^ 1 << bit) & 0xFFFFFFFF)
        if not start + TXN_HEADER_SIZE <= stop < len(data) or not data[stop]:
            continue
        if adler32(data[start:stop]) == checksum:
            return True
        if bit < 0 and data[stop] == END_OF_RECORD[0] and not _has_hole(data[:stop], offset):
            return True
    return False


def _has_hole(data: bytes, offset: int) -> bool:
    """Is one of the file's sectors that lie within `data`, from `offset` on, nothing but zeros?

    (Those at its two ends hold the record before it and the end mark.)
    """
    whole = range(-offset % SECTOR, len(data) - SECTOR + 1, SECTOR)
    return any(_ZEROS.startswith(data[at : at + SECTOR]) for at in whole)
