"""Snapshot compression as ZooKeeper has it: none, gzip, or snappy in snappy-java's framing.

That framing: magic 82 "SNAPPY" 00, version int32 1, lowest compatible version int32 1, then blocks,
each an int32 length and a raw snappy block of (by default) 32 KiB of input.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import Any, BinaryIO, Protocol

from zoo.persistence.storage import COMPRESSIONS, Reader, SnapshotUnreadable, StorageFailed

SNAPPY_HEADER = b"\x82SNAPPY\0" + Struct(">ii").pack(1, 1)
SNAPPY_BLOCK = 32 * 1024
# A block's length field is not covered by any checksum: do not let a damaged one fill the memory.
MAX_SNAPPY_BLOCK = 64 * 1024 * 1024
# Snapshots are written while the server serves: speed counts for more than size.
GZIP_LEVEL = 1
READ_SIZE = 256 * 1024

_LENGTH = Struct(">i")


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def compressor(method: str) -> Compressor:
    """A compressor for one snapshot. Raises StorageFailed when snappy is not installed."""
    if method == "gz":
        return zlib.compressobj(GZIP_LEVEL, wbits=31)
    if method == "snappy":
        return SnappyCompressor()
    assert method in COMPRESSIONS, method
    return _Plain()


def decompressing_reader(file: BinaryIO, method: str) -> Reader:
    """The file's contents decompressed. Raises StorageFailed when snappy is not installed."""
    if method == "gz":
        return GzipReader(file)
    if method == "snappy":
        return SnappyReader(file)
    return file


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class SnappyCompressor:
    """snappy-java's SnappyOutputStream."""

    def __init__(self) -> None:
        self._snappy = _snappy()
        self._pending = b""
        self._begun = False

    def compress(self, data: bytes, /) -> bytes:
        data = self._pending + data
        whole = len(data) - len(data) % SNAPPY_BLOCK
        self._pending = data[whole:]
        return self._blocks(data[:whole])

    def flush(self) -> bytes:
        rest, self._pending = self._pending, b""
        return self._blocks(rest)

    def _blocks(self, data: bytes) -> bytes:
        out = [] if self._begun else [SNAPPY_HEADER]
        self._begun = True
        for start in range(0, len(data), SNAPPY_BLOCK):
            block = bytes(self._snappy.compress_raw(data[start : start + SNAPPY_BLOCK]))
            out.append(_LENGTH.pack(len(block)) + block)
        return b"".join(out)


class _DecompressingReader:
    """read(n) over decompressed pieces of whatever size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ready = b""

    def read(self, n: int, /) -> bytes:
        pieces = [self._ready]
        size = len(self._ready)
        while size < n and (piece := self._piece()):
            pieces.append(piece)
            size += len(piece)
        whole = b"".join(pieces)
        self._ready = whole[n:]
        return whole[:n]

    def close(self) -> None:
        self._file.close()

    def _piece(self) -> bytes:
        """Some more decompressed bytes, b"" at the end."""
        raise NotImplementedError


class GzipReader(_DecompressingReader):
    """One gzip stream; a cut or damaged one raises SnapshotUnreadable."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._stream = zlib.decompressobj(wbits=31)

    def _piece(self) -> bytes:
        while not self._stream.eof:
            data = self._stream.unconsumed_tail or self._file.read(READ_SIZE)
            if not data:
                raise SnapshotUnreadable("the gzip stream is cut off")
            try:
                piece = self._stream.decompress(data, READ_SIZE)
            except zlib.error as error:
                raise SnapshotUnreadable(f"the gzip stream is damaged: {error}") from error
            if piece:
                return piece
        return b""


class SnappyReader(_DecompressingReader):
    """snappy-java's SnappyInputStream; a cut or damaged stream raises SnapshotUnreadable."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._snappy = _snappy()
        self._begun = False

    def _piece(self) -> bytes:
        if not self._begun:
            self._begun = True
            if self._exactly(len(SNAPPY_HEADER), "header")[:8] != SNAPPY_HEADER[:8]:
                raise SnapshotUnreadable("this is not a snappy stream of snappy-java")
        head = self._file.read(_LENGTH.size)
        if not head:
            return b""
        head += self._exactly(_LENGTH.size - len(head), "length")
        (length,) = _LENGTH.unpack(head)
        if not 0 < length <= MAX_SNAPPY_BLOCK:
            raise SnapshotUnreadable(f"a snappy block cannot have {length} bytes")
        try:
            return bytes(self._snappy.decompress_raw(self._exactly(length, "block")))
        except self._snappy.DecompressionError as error:
            raise SnapshotUnreadable(f"a snappy block is damaged: {error}") from error

    def _exactly(self, n: int, what: str) -> bytes:
        data = b""
        while len(data) < n:
            more = self._file.read(n - len(data))
            if not more:
                raise SnapshotUnreadable(f"the snappy stream is cut off inside a {what}")
            data += more
        return data


def _snappy() -> Any:
    try:
        import cramjam
    except ImportError:
        raise StorageFailed(
            "handle",
            "a snapshot compressed with snappy",
            "the library for it is not installed",
            "Install it with: pip install zoo[snappy]",
        ) from None
    return _Snappy(cramjam)


class _Snappy:
    """The three names of cramjam that we use."""

    def __init__(self, cramjam: Any) -> None:
        self.compress_raw = cramjam.snappy.compress_raw
        self.decompress_raw = cramjam.snappy.decompress_raw
        self.DecompressionError = cramjam.DecompressionError
