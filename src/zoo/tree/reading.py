"""The whole tree as of one zxid, read bit by bit while commits go on: what a snapshot is made of.

Theory of operation. The tree is walked, parents first, and a node's children are listed when the
walk comes to it. So paths are not copied all at once, which for a million of them takes tens of
milliseconds (and does when all have one parent). From the beginning on a commit tells what it is
about to replace (`save`) or to remove (`remove`); the first record saved of a path counts, and the
walk takes it for the present one. What was removed is listed with the children of its parent that
are left. What was created meanwhile is told by its czxid, and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct

from zoo.tree.acl import OPEN as OPEN_ID
from zoo.tree.record import STAT_SIZE

Node = tuple[bytes, bytes, int]
"""Path, record, ACL id."""
NOTHING: Node = (b"", b"", OPEN_ID)

_pack_zxid = Struct(">q").pack
_CZXID = slice(-STAT_SIZE, -STAT_SIZE + 8)


class Reading:
    """The tree that these tables hold, as of now. `zxid` is that of its last transaction."""

    def __init__(
        self,
        nodes: Mapping[bytes, bytes],
        children: Mapping[bytes, dict[bytes, None]],
        acls: Mapping[bytes, int],
        zxid: int,
        ended: Callable[[], None],
    ) -> None:
        self._nodes = nodes
        self._children = children
        self._acls = acls
        self._ended = ended
        self._until = _pack_zxid(zxid)
        self._saved: dict[bytes, tuple[bytes, int]] = {}
        self._removed: dict[bytes, dict[bytes, None]] = {}  # by parent

    def save(self, path: bytes, record: bytes) -> None:
        """The node's record or ACL is about to be replaced."""
        if path not in self._saved:
            self._saved[path] = (record, self._acls.get(path, OPEN_ID))

    def remove(self, path: bytes, record: bytes, parent: bytes) -> None:
        """The node is about to go."""
        self.save(path, record)
        self._removed.setdefault(parent, {})[path] = None

    def walk(self) -> Iterator[Node]:
        saved, removed, until = self._saved, self._removed, self._until
        nodes, get_kids, acl_of = self._nodes, self._children.get, self._acls.get
        ahead = [b"/"]
        try:
            yield NOTHING
            while ahead:
                path = ahead.pop()
                if path in saved:
                    record, acl_id = saved[path]
                else:
                    record, acl_id = nodes[path], acl_of(path, OPEN_ID)
                if record[_CZXID] > until:
                    continue
                yield path, record, acl_id
                kids = get_kids(path)
                if path in removed:
                    kids = {**(kids or {}), **removed[path]}
                if kids is not None:
                    ahead += reversed(kids)
        finally:
            self._ended()
