"""The file of export and import: JSON, one object a line, in UTF-8; `.gz` is compressed.

    {"zoo-export": 1, "root": "/app", "zxid": "0x1f", "time": "2026-11-21T09:00:00.000+00:00"}
    {"path": "/", "data": "text", "acl": ["world:anyone:cdrwa"], "version": 3, "mzxid": "0x1a"}
    {"path": "/a", "base64": "AAE=", "acl": [...], "kind": "ephemeral", ...}
    {"path": "/b", "data": null, ...}
    {"gone": "/a"}
    {"end": 3, "zxid": "0x20", "exact": true, "sha256": "..."}

Paths are relative to the root, "/" is the root itself, parents come before children. `data` is
text, or null for a znode without data; what is no text is `base64`. `kind` stands only where it is
not persistent. A line replaces earlier ones of the same path, `gone` removes it and all below it:
so a znode that changed while the export ran is written again. `end` counts the lines between the
first and it, and sha256 is of all bytes before its line: a file that was cut or damaged is refused.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from zoo.client.results import Node
from zoo.jute.records import ACL
from zoo.shell import values
from zoo.shell.problems import Problem

FORMAT = "zoo-export"
VERSION = 1
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, EOFError, gzip.BadGzipFile, zlib.error)
_GZIP = b"\x1f\x8b"


class Writer:
    """Into a stream, as it comes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._lines = 0

    def begin(self, root: str, zxid: int, time_ms: int) -> None:
        head = {FORMAT: VERSION, "root": root, "zxid": values.number(zxid)}
        self._write({**head, "time": values.iso(time_ms)})
        self._lines = 0

    def node(self, relative: str, node: Node[bytes], acl: list[ACL] | None) -> None:
        record: dict[str, Any] = {"path": relative, **values.data_json(node.data)}
        if acl is not None:
            record["acl"] = [values.acl_text(entry) for entry in acl]
        if node.is_ephemeral:
            record["kind"] = "ephemeral"
        record |= {"version": node.stat.version, "mzxid": values.number(node.stat.mzxid)}
        self._write(record)

    def gone(self, relative: str) -> None:
        self._write({"gone": relative})

    def end(self, zxid: int, exact: bool) -> None:
        record = {"end": self._lines, "zxid": values.number(zxid), "exact": exact}
        self._write({**record, "sha256": self._hash.hexdigest()})

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False, separators=(", ", ": ")).encode() + b"\n"
        self._hash.update(line)
        self._stream.write(line)
        self._lines += 1


class Record(NamedTuple):
    """A znode of the file."""

    path: str
    """Relative to the root."""
    data: bytes
    acl: list[ACL] | None
    is_ephemeral: bool


class SubtreeFile:
    """A file that was read once from end to end and is whole. Raises Problem when it is not."""

    def __init__(self, source: str) -> None:
        self._name = "standard input" if source == "-" else source
        self.head: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self._final: dict[str, tuple[int, int]] = {}
        """Path -> number and offset of the line that counts, where a path has several."""
        self._gone: dict[str, int] = {}
        self.count = 0
        self.parents: set[str] = set()
        """Paths of all that have children, or had."""
        try:
            self._file = _opened(source)
            self._check()
        except _DAMAGE as error:
            raise Problem(f"{self._name}: not a whole file of zoo export: {error}") from None

    def __enter__(self) -> SubtreeFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def root(self) -> str:
        return str(self.head["root"])

    @property
    def is_exact(self) -> bool:
        """Does it show one moment?"""
        return bool(self.last["exact"])

    def _check(self) -> None:
        digest = hashlib.sha256()
        seen: dict[str, int] = {}
        offset = 0
        for number, line in enumerate(self._file):
            record = json.loads(line)
            if number == 0:
                self._check_head(record)
            elif self.last:
                raise ValueError("there is more after its end")
            elif "end" in record:
                self._check_end(record, number, digest.hexdigest())
            elif "gone" in record:
                self._gone[record["gone"]] = number
            else:
                if record["path"] in seen:
                    self._final[record["path"]] = number, offset
                seen[record["path"]] = number
            digest.update(line)
            offset += len(line)
        if not self.last:
            raise ValueError("it has no end; was it cut off?")
        self.parents = {path.rpartition("/")[0] or "/" for path in seen if path != "/"}
        self.count = sum(self._stays(path, number) for path, number in seen.items())

    def _check_head(self, record: dict[str, Any]) -> None:
        if record.get(FORMAT) != VERSION:
            raise ValueError(f"its first line is not of {FORMAT} {VERSION}")
        self.head = record

    def _check_end(self, record: dict[str, Any], number: int, digest: str) -> None:
        if record["end"] != number - 1 or record["sha256"] != digest:
            raise ValueError("its checksum is wrong; it was changed or damaged")
        self.last = record

    def _stays(self, path: str, number: int) -> bool:
        """Is the znode that this line tells of still there at the end?"""
        return not self._gone or all(
            self._gone.get(each, 0) < number for each in _and_ancestors(path)
        )

    def __iter__(self) -> Iterator[Record]:
        """The znodes as they are at the end of the file, parents before children: each where
        its path stands first, whichever line then counts.
        """
        told: set[str] = set()
        number, offset = 0, 0
        self._file.seek(0)
        while line := self._file.readline():
            offset += len(line)
            record = json.loads(line)
            path = record.get("path")
            if path in self._final and path not in told:
                told.add(path)
                last, start = self._final[path]
                self._file.seek(start)
                if self._stays(path, last):
                    yield _record(json.loads(self._file.readline()))
                self._file.seek(offset)
            elif path is not None and path not in told and self._stays(path, number):
                yield _record(record)
            number += 1


def _record(record: dict[str, Any]) -> Record:
    acl = record.get("acl")
    return Record(
        record["path"],
        values.data_from_json(record),
        None if acl is None else [values.parse_acl_entry(text) for text in acl],
        record.get("kind") == "ephemeral",
    )


def _and_ancestors(path: str) -> Iterator[str]:
    while path and path != "/":
        yield path
        path = path.rpartition("/")[0]
    yield "/"


def _opened(source: str) -> IO[bytes]:
    """Seekable and plain; what comes from a pipe or is packed is put aside first."""
    file = _copied(sys.stdin.buffer) if source == "-" else open(source, "rb")  # noqa: SIM115
    start = file.read(2)
    file.seek(0)
    if start != _GZIP:
        return file
    with file, gzip.open(file) as unpacked:
        return _copied(unpacked)


def _copied(stream: IO[bytes] | gzip.GzipFile) -> IO[bytes]:
    copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return copy


@contextlib.contextmanager
def created(target: str | None) -> Iterator[IO[bytes]]:
    """For a Writer. The file appears under its name when all is written; `.gz` is compressed. A
    pipe or device is written as it comes.
    """
    if target in (None, "-"):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _written(str(target)) as file:
        if str(target).endswith(".gz"):
            with gzip.GzipFile(fileobj=file, mode="wb") as packed:
                yield packed  # type: ignore[misc]
        else:
            yield file


@contextlib.contextmanager
def _written(target: str) -> Iterator[IO[bytes]]:
    try:
        old = os.stat(target)
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):
        with open(target, "wb") as file:
            yield file
        return
    path = Path(os.path.realpath(target))  # what a link leads to is replaced, not the link
    try:
        number, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        error.filename = target
        raise
    try:
        with open(number, "wb") as file:
            yield file
            file.flush()
            if old is not None:  # a new one stays 0600: it holds data that ACLs protect
                with contextlib.suppress(PermissionError):
                    os.fchown(number, old.st_uid, old.st_gid)
                os.fchmod(number, stat.S_IMODE(old.st_mode))
            os.fsync(number)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
