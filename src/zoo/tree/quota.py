"""Quotas: how many znodes and how many bytes of data a subtree may hold.

Theory of operation. A quota on `/a` is two ordinary znodes: the limits, written by an
administrator, at `/zookeeper/quota/a/zookeeper_limits`, and the usage, kept by the server, at
`/zookeeper/quota/a/zookeeper_stats`. Both hold the same small text. A znode counts against the
nearest of itself and its ancestors that has a limits znode, and only against that one; keeping
quotas from nesting is the command line's business, the server does not look. The root cannot have
one.

This module knows the text, the paths and the arithmetic; the znodes themselves belong to the tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

QUOTA_ROOT: Final = b"/zookeeper/quota"
LIMIT_NODE: Final = b"zookeeper_limits"
STAT_NODE: Final = b"zookeeper_stats"

UNSET: Final = -1
COUNT: Final = "count"
BYTES: Final = "bytes"
COUNT_HARD: Final = "countHardLimit"
BYTES_HARD: Final = "byteHardLimit"

_separator = re.compile("[,;]+")
_number = re.compile(r"[+-]?\d+").fullmatch


def limit_path(path: bytes) -> bytes:
    """Where the limits of the subtree at `path` stand."""
    return QUOTA_ROOT + path + b"/" + LIMIT_NODE


def stat_path(path: bytes) -> bytes:
    """Where the usage of the subtree at `path` stands."""
    return QUOTA_ROOT + path + b"/" + STAT_NODE


def limited_path(node: bytes) -> bytes | None:
    """The subtree whose limits the znode `node` holds; None if it is not a limits znode."""
    return _subtree(node, b"/" + LIMIT_NODE)


def counted_path(node: bytes) -> bytes | None:
    """The subtree whose usage the znode `node` holds; None if it is not a stats znode."""
    return _subtree(node, b"/" + STAT_NODE)


def _subtree(node: bytes, suffix: bytes) -> bytes | None:
    if node.startswith(QUOTA_ROOT) and node.endswith(suffix):
        path = node[len(QUOTA_ROOT) : -len(suffix)]
        # An empty rest would be a quota on the root; anything else not starting with "/" is a
        # neighbour of the quota subtree such as /zookeeper/quotas.
        if path.startswith(b"/"):
            return path
    return None


def parse(data: bytes | None) -> dict[str, int]:
    """The numbers in a limits or stats znode, by key; unknown keys are kept.

    Accepts the old form `count=1,bytes=2` and the new one, separators "," and ";". An empty number
    inside a longer field (`count==5`) is UNSET. ValueError if malformed.
    """
    values: dict[str, int] = {}
    if not data:
        return values
    pairs = _separator.split(data.decode("utf-8", "replace"))
    while pairs and not pairs[-1]:
        pairs.pop()
    for pair in pairs:
        # "bytes=5=" is how the new form ends its second field, to please parsers before 3.5.
        parts = pair.rstrip("=").split("=")
        if len(parts) < 2:
            raise ValueError(f"quota field {pair!r} is not of the form key=number")
        text = parts[1] or "-1"
        number = int(text) if _number(text) else None
        if number is None or not -(1 << 63) <= number < 1 << 63:
            raise ValueError(f"quota field {pair!r} does not hold a 64-bit number")
        values[parts[0]] = number
    return values


def format_values(values: Mapping[str, int]) -> bytes:
    """The text of a limits or stats znode, to the byte as ZooKeeper writes it.

    count and bytes first whether set or not; then, behind a second "=" that hides them from old
    parsers, every other key in alphabetical order.
    """
    text = f"count={values.get(COUNT, UNSET)},bytes={values.get(BYTES, UNSET)}"
    others = sorted(values.keys() - {COUNT, BYTES})
    if others:
        text += "=;" + ";".join(f"{key}={values[key]}" for key in others)
    return text.encode()


def usage(count: int, size: int) -> bytes:
    """The stats znode of a subtree of `count` znodes (its root included), `size` bytes of data."""
    return f"count={count},bytes={size}".encode()


def add_usage(stats: bytes | None, count_diff: int, bytes_diff: int) -> bytes:
    """The stats znode after a change.

    A client can write anything into a stats znode, and the change is already decided when this is
    called: so text that cannot be parsed counts as empty, where ZooKeeper's server would stop.
    """
    try:
        values = parse(stats)
    except ValueError:
        values = {}
    values[COUNT] = values.get(COUNT, UNSET) + count_diff
    values[BYTES] = values.get(BYTES, UNSET) + bytes_diff
    return format_values(values)


class Breach(NamedTuple):
    """A limit that a change would overstep. Only a hard one refuses the change."""

    hard: bool
    text: str


def breaches(
    path: bytes,
    limits: Mapping[str, int],
    used: Mapping[str, int],
    count_diff: int,
    bytes_diff: int,
) -> list[Breach]:
    """What a change would overstep in the quota of `path`, ending with the first hard limit.

    To be asked only where `enforceQuota` is on. A hard limit hides the soft one of its kind. While
    usage is above the limit even a change that shrinks data is refused, as long as it
    stays above; that is ZooKeeper's rule.
    """
    found: list[Breach] = []
    for diff, now, soft, hard, name in (
        (count_diff, COUNT, COUNT, COUNT_HARD, "count"),
        (bytes_diff, BYTES, BYTES, BYTES_HARD, "byte"),
    ):
        is_hard = limits.get(hard, UNSET) > UNSET
        limit = limits.get(hard if is_hard else soft, UNSET)
        if not diff or limit <= UNSET:
            continue
        after = used.get(now, UNSET) + diff
        if after > limit:
            where = path.decode("utf-8", "replace")
            kind = "hard" if is_hard else "soft"
            found.append(Breach(is_hard, f"{where}: {kind} {name} limit {limit}, would be {after}"))
            if is_hard:
                break
    return found


class QuotaPaths:
    """The subtrees that have a limits znode.

    ZooKeeper keeps a trie of components; quotas are few and paths shallow, so a dict of whole paths
    asked once per level gives the same answers with less to go wrong.
    """

    __slots__ = ("_paths",)

    def __init__(self) -> None:
        self._paths: dict[bytes, None] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def paths(self) -> list[bytes]:
        return list(self._paths)

    def add(self, path: bytes) -> None:
        self._paths[path] = None

    def discard(self, path: bytes) -> None:
        """Forget the quota of `path`, if it has one."""
        self._paths.pop(path, None)

    def clear(self) -> None:
        self._paths.clear()

    def longest_prefix(self, path: bytes) -> bytes | None:
        """The nearest of `path` and its ancestors that has a quota: one lookup per level."""
        paths = self._paths
        if not paths:
            return None
        while len(path) > 1:
            if path in paths:
                return path
            path = path[: path.rfind(b"/")]
        return None
