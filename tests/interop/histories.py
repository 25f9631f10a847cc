"""What clients did and were told, and whether one ZooKeeper could have told them so.

A history is a list of `Op`s on registers (znodes that are set and read). ZooKeeper promises
linearizable writes and, per session, sequential consistency. Both can be checked exactly, without
search, since each answer brings the zxid of the write that it is or shows:

- the writes that are known to have happened, in the order of their zxids, are one history: versions
  count up by one, and where a version is missing a write without an answer must fit;
- a write that was answered before another one was begun has the smaller zxid;
- a read shows a value that was written, as it was written, and not before it was written;
- a session never sees an older state after a newer one, on whatever znode and server;
- a read after a `sync` shows at least what anybody was told before the sync began.

Where Apache ZooKeeper's servers take part the last has two exceptions, which `excused_syncs` lists.
Its leader, when it was replaced and has not noticed yet, answers a sync as if it led: then the
answer is of an older epoch than what it lacks, also at others that follow it. And it lets its own
clients' syncs overtake commits that it has told others of and is about to apply itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

INITIAL = b"0"


class Op(NamedTuple):
    """One call. A session's calls come one after the other; times are of one clock, in seconds."""

    session: int
    kind: str  # "set" or "get"
    key: bytes
    began: float
    ended: float = float("inf")
    answered: bool = False
    refused: bool = False
    value: bytes = b""  # written or read
    zxid: int = 0  # of the answer: the state that the client has seen
    mzxid: int = 0
    version: int = -1
    expected: int = -1  # the version that a set asked for
    sync_began: float | None = None
    server: str = ""  # kind and number of who answered


class Write(NamedTuple):
    """A write that happened: its answer came, or somebody read it."""

    mzxid: int
    version: int
    value: bytes
    began: float
    ended: float  # inf when its answer was lost


class Writes:
    """Those of one register, by zxid; `unknown` are the writes of which nothing was seen."""

    def __init__(self, ops: Sequence[Op]) -> None:
        sets = {op.value: op for op in ops if op.kind == "set"}
        found: dict[int, Write] = {}
        self.contradictions: list[str] = []
        for op in ops:
            if not op.answered or op.refused or (op.kind == "get" and op.value == INITIAL):
                continue
            source = sets.get(op.value)
            if source is None:
                self.contradictions.append(f"nobody wrote what was read: {op}")
                continue
            ended = source.ended if source.answered else float("inf")
            write = Write(op.mzxid, op.version, op.value, source.began, ended)
            if found.setdefault(op.mzxid, write) != write:
                self.contradictions.append(f"two writes of one zxid: {write}, {found[op.mzxid]}")
        self.known = [found[zxid] for zxid in sorted(found)]
        self.zxids = [write.mzxid for write in self.known]
        happened = {write.value for write in self.known}
        self.unknown = sum(not op.answered and value not in happened for value, op in sets.items())

    def after(self, zxid: int) -> Write | None:
        """The next known write."""
        at = bisect_right(self.zxids, zxid)
        return self.known[at] if at < len(self.known) else None


def violations(ops: Sequence[Op], limit: int = 10) -> list[str]:
    """What cannot be, at most `limit` sentences; empty if all is well."""
    by_key: dict[bytes, list[Op]] = defaultdict(list)
    for op in ops:
        by_key[op.key].append(op)
    writes = {key: Writes(of_key) for key, of_key in by_key.items()}
    checks: tuple[Callable[[Sequence[Op], dict[bytes, Writes]], Iterator[str]], ...] = (
        one_history,
        real_time,
        no_future,
        sessions_go_forward,
        syncs_see_all,
    )
    found = []
    for check in checks:
        for violation in check(ops, writes):
            found.append(f"{check.__name__}: {violation}")
            if len(found) >= limit:
                return found
    return found


def _answered(ops: Iterable[Op], kind: str) -> Iterator[Op]:
    return (op for op in ops if op.kind == kind and op.answered and not op.refused)


def one_history(ops: Sequence[Op], writes: dict[bytes, Writes]) -> Iterator[str]:
    """Versions count the writes of a register; no zxid twice; conditions held."""
    owners: dict[int, bytes] = {}
    for key, of_key in writes.items():
        yield from of_key.contradictions
        missing, version, values = 0, 0, set()
        for write in of_key.known:
            missing += write.version - version - 1
            if write.version <= version:
                yield f"{key!r}: version {version} is followed by {write}"
            if write.value in values:
                yield f"{key!r}: written twice: {write}"
            if owners.setdefault(write.mzxid, key) != key:
                yield f"{key!r} and {owners[write.mzxid]!r} have one zxid: {write}"
            values.add(write.value)
            version = write.version
        if missing > of_key.unknown:
            yield f"{key!r}: {missing} versions too many, {of_key.unknown} writes unanswered"
    for op in _answered(ops, "set"):
        if op.expected >= 0 and op.version != op.expected + 1:
            yield f"a condition that did not hold: {op}"


def real_time(ops: Sequence[Op], writes: dict[bytes, Writes]) -> Iterator[str]:
    """What was answered before another write was begun comes before it."""
    known = [write for of_key in writes.values() for write in of_key.known]
    ends = sorted((write for write in known if write.ended < float("inf")), key=_ended)
    done, newest = 0, 0
    for write in sorted(known, key=_began):
        while done < len(ends) and ends[done].ended < write.began:
            newest = max(newest, ends[done].mzxid)
            done += 1
        if write.mzxid <= newest:
            yield f"zxid 0x{newest:x} was answered before this was begun: {write}"


def no_future(ops: Sequence[Op], writes: dict[bytes, Writes]) -> Iterator[str]:
    began = {(op.key, op.value): op.began for op in ops if op.kind == "set"}
    for op in _answered(ops, "get"):
        if op.ended < began.get((op.key, op.value), 0.0):
            yield f"read before it was written: {op}"


def sessions_go_forward(ops: Sequence[Op], writes: dict[bytes, Writes]) -> Iterator[str]:
    """`seen` is the state that a session knows of; it is at least as new at each later call."""
    seen: dict[int, int] = defaultdict(int)
    for op in sorted(ops, key=_began):
        if not op.answered or op.refused:
            continue
        before = seen[op.session]
        if op.zxid < max(before, op.mzxid):
            yield f"a state older than 0x{before:x}, or than what it shows: {op}"
        if op.kind == "set" and op.mzxid <= before:
            yield f"a write before what its session had seen (0x{before:x}): {op}"
        later = writes[op.key].after(op.mzxid)
        if op.kind == "get" and later is not None and later.mzxid <= before:
            yield f"the session had seen 0x{before:x}, and this hides {later}: {op}"
        seen[op.session] = max(before, op.zxid)


def syncs_see_all(ops: Sequence[Op], writes: dict[bytes, Writes]) -> Iterator[str]:
    is_mixed = _has_java(ops)
    for op, newest in _stale_syncs(ops):
        if not (is_mixed and _is_excused(op, newest)):
            yield f"synced, yet older than {newest}: {op}"


def excused_syncs(ops: Sequence[Op]) -> list[Op]:
    """Synced reads that are stale in a way that ZooKeeper knows."""
    stale = _stale_syncs(ops) if _has_java(ops) else ()
    return [op for op, newest in stale if _is_excused(op, newest)]


def _has_java(ops: Sequence[Op]) -> bool:
    return any(op.server.startswith("java") for op in ops)


def _is_excused(op: Op, newest: Op) -> bool:
    return op.server.startswith("java") or op.zxid >> 32 < newest.zxid >> 32


def _stale_syncs(ops: Sequence[Op]) -> Iterator[tuple[Op, Op]]:
    """Synced reads that are older than what somebody was told before the sync: both."""
    by_key: dict[bytes, list[Op]] = defaultdict(list)
    for op in ops:
        if op.answered and not op.refused:
            by_key[op.key].append(op)
    for of_key in by_key.values():
        ends = sorted(of_key, key=_ended)
        synced = [op for op in of_key if op.sync_began is not None]
        done, newest = 0, ends[0]
        for op in sorted(synced, key=_sync_began):
            while done < len(ends) and ends[done].ended < _sync_began(op):
                newest = max(newest, ends[done], key=_mzxid)
                done += 1
            if done and op.mzxid < newest.mzxid:
                yield op, newest


def _began(op: Op | Write) -> float:
    return op.began


def _ended(op: Op | Write) -> float:
    return op.ended


def _mzxid(op: Op) -> int:
    return op.mzxid


def _sync_began(op: Op) -> float:
    return -1.0 if op.sync_began is None else op.sync_began
