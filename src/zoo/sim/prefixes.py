"""Every history that any member of a simulated ensemble ever had, as one tree.

Theory of operation. A `Prefix` is a transaction together with all that came before it. The same
transaction behind the same history is the same object, whoever logged it, so comparing what two
members have means comparing two references, and a log that is cut, replaced or lost is a reference
that moves. Histories that differ are branches: what never was committed on one, what was on the
other.
"""

from __future__ import annotations

from collections.abc import Iterator


class Prefix:
    """A transaction and its whole past. `agreed`: some member has said that it is committed."""

    __slots__ = ("_next", "agreed", "depth", "entry", "number", "parent", "zxid")

    def __init__(self, parent: Prefix | None, zxid: int, entry: bytes, number: int) -> None:
        self.parent = parent
        self.zxid = zxid
        self.entry = entry
        self.number = number
        self.depth: int = parent.depth + 1 if parent is not None else 0
        self.agreed = parent is None
        self._next: dict[tuple[int, bytes], Prefix] = {}

    def __repr__(self) -> str:
        return f"0x{self.zxid:x}(#{self.number})"

    def contains(self, other: Prefix) -> bool:
        """Is `other` this history or a beginning of it?"""
        mine: Prefix | None = self
        while mine is not None and mine.depth > other.depth:
            if mine.agreed and other.agreed:
                return True  # what is agreed is one line
            mine = mine.parent
        return mine is other

    def cut(self, zxid: int) -> Prefix:
        """The longest beginning that ends at or before `zxid`."""
        found = self
        while found.zxid > zxid and found.parent is not None:
            found = found.parent
        return found

    def back_to_agreed(self) -> Prefix:
        """The longest beginning that is agreed."""
        found = self
        while not found.agreed:
            assert found.parent is not None, "the root is agreed"
            found = found.parent
        return found

    def since(self, start: Prefix) -> list[Prefix]:
        """What lies behind `start`, a beginning of this, in order."""
        found: list[Prefix] = []
        mine: Prefix | None = self
        while mine is not None and mine is not start:
            found.append(mine)
            mine = mine.parent
        found.reverse()
        return found


class Prefixes:
    """The tree. `root` is the empty history."""

    def __init__(self) -> None:
        self.root = Prefix(None, 0, b"", 0)
        self._all = [self.root]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Prefix]:
        return iter(self._all)

    def after(self, prefix: Prefix, zxid: int, entry: bytes) -> Prefix:
        """`prefix` and one transaction more."""
        key = (zxid, entry)
        found = prefix._next.get(key)
        if found is None:
            found = prefix._next[key] = Prefix(prefix, zxid, entry, len(self._all))
            self._all.append(found)
        return found

    def numbered(self, number: int) -> Prefix:
        return self._all[number]
