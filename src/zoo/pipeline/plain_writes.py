"""Writes with nothing special about them, in as few steps as Python allows.

Theory of operation. Nine writes out of ten are setData or create on znodes that anyone may write,
with bytes that parse. What such a one goes through in `Prep.prepare`, `Writes`, `changes` and
`DataTree`, about twenty calls, is here one turn of a loop to prepare it and one call to commit it,
on a plain tuple. And they come in runs: a pipelining client's bytes hold many of them, so what does
not change from one to the next is looked up once per run.

The result is the same to the byte, and the tests hold the two side by side; whatever is out of the
ordinary (an error, an ACL, a quota to enforce) ends the run and goes the long way. This module
holds what plain_sets.py and plain_creates.py have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

from zoo.jute.constants import DEFAULT_MAX_BUFFER
from zoo.pipeline.prep import Prep
from zoo.tree.record import LENGTH

PlainWrite = tuple[Any, ...]
"""zxid, path, record, reply, origin, digest of the tree: what a Proposal is to other writes. A
create has two more: the parent and its record."""
Run = tuple[list[PlainWrite], int]
"""The writes taken, and the position behind the last of them."""
Take = Callable[[Any, bytes, int, int, int], Run]

SET_SIZE = 6  # a PlainWrite with so many items is a set

_COUNTER_MASK = 0xFFFFFFFF
_LAST_COUNTER = 0xFFFFFFFE  # the role rolls the epoch here, so a run must not cross it

unpack_int = LENGTH.unpack_from
unpack_start = Struct(">iiii").unpack_from  # frame length, xid, operation, path length


class PlainWrites:
    """Prepares plain writes beside `prep`, over the same overlay and in the same order."""

    __slots__ = ("_enforce_quota", "_max_frame", "_prep", "_tree", "_view")

    def __init__(self, prep: Prep, max_frame: int = DEFAULT_MAX_BUFFER) -> None:
        self._prep = prep
        self._view = prep.view
        self._tree = prep.tree
        self._enforce_quota = prep.writes.enforce_quota
        self._max_frame = max_frame

    def _room(self, most: int) -> int:
        """How many may be taken now: none where nothing is plain, else up to `most`."""
        if not self._view.digest_enabled or (self._enforce_quota and self._tree.quotas):
            return 0
        return min(most, (_LAST_COUNTER - self._prep.order.proposed) & _COUNTER_MASK)
