"""The tree as it will be once every prepared change has committed.

Theory of operation. A change is prepared against the newest state, committed or not, or a second
setData with the right version would be refused while the first one waits for the disk. So
preparation looks at this overlay: records and ACLs of outstanding changes by path, on top of the
tree. Changes commit in zxid order; a commit takes its own records out again, unless a later change
has replaced them meanwhile. A server that only applies (replay, follower) builds each change over
an empty overlay and commits it at once: one builder for both.

The running digest lives here too, because a transaction carries the digest that the tree will have
after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.tree.record import node_digest, owner_of

if TYPE_CHECKING:
    from zoo.tree.acl import Acl
    from zoo.tree.data_tree import DataTree

# An edit is what one operation does to the tree, as a plain tuple (this is the write path's inner
# loop):
SET = 0  # (SET, path, record)
CREATE = 1  # (CREATE, path, record, parent, parent_record, acl, owner)
DELETE = 2  # (DELETE, path, None, parent, parent_record)
SET_ACL = 3  # (SET_ACL, path, record, acl)
PARENT = 4  # (PARENT, path, record): Stat only, as replay over a fuzzy snapshot needs it
Edit = tuple[Any, ...]

_MISSING: Any = object()
_DIGEST_CACHE_LIMIT = 32_768


class Outstanding:
    """An overlay of uncommitted edits over `tree`."""

    __slots__ = (
        "_digests",
        "_journal",
        "_journal_digest",
        "acls",
        "digest",
        "digest_enabled",
        "records",
        "tree",
    )

    def __init__(self, tree: DataTree) -> None:
        self.tree = tree
        self.records: dict[bytes, bytes | None] = {}  # None: deleted
        self.acls: dict[bytes, Acl] = {}
        self.digest = tree.digest
        self.digest_enabled = tree.digest_enabled
        # path -> (record, digest): valid only while that very record is current, so it needs no
        # invalidation
        self._digests: dict[bytes, tuple[bytes, int]] = {}
        self._journal: list[tuple[bytes, Any, Any]] | None = None
        self._journal_digest = 0

    def get(self, path: bytes) -> bytes | None:
        if path in self.records:
            return self.records[path]
        return self.tree.nodes.get(path)

    def acl(self, path: bytes) -> Acl:
        """The ACL of an existing node."""
        if path in self.acls:
            return self.acls[path]
        return self.tree.acl_of(path)

    def replace(
        self, path: bytes, old: bytes | None, new: bytes | None, digest: int | None = None
    ) -> None:
        """Make `new` the current record of path; `digest` is its own, if the caller has it."""
        if self._journal is not None:
            self._journal.append(
                (path, self.records.get(path, _MISSING), self.acls.get(path, _MISSING))
            )
        self.records[path] = new
        if not self.digest_enabled:
            return
        digests = self._digests
        if old is not None:
            cached = digests.get(path)
            if cached is not None and cached[0] is old:
                self.digest -= cached[1]
            else:
                self.digest -= node_digest(path, old)
        if new is None:
            digests.pop(path, None)
            return
        if digest is None:
            digest = node_digest(path, new)
        self.digest += digest
        if len(digests) >= _DIGEST_CACHE_LIMIT:
            digests.clear()
        digests[path] = (new, digest)

    def begin(self) -> None:
        """Remember from here on how to undo: a multi is all or nothing."""
        self._journal = []
        self._journal_digest = self.digest

    def keep(self) -> None:
        self._journal = None

    def rollback(self) -> None:
        journal, self._journal = self._journal, None
        assert journal is not None
        for path, record, acl in reversed(journal):
            _restore(self.records, path, record)
            _restore(self.acls, path, acl)
        self.digest = self._journal_digest

    def committed(self, edits: tuple[Edit, ...]) -> None:
        """Forget what has just been committed, but keep what later changes put in its place."""
        records = self.records
        for edit in edits:
            path, record = edit[1], edit[2]
            if records.get(path, _MISSING) is record:
                del records[path]
            kind = edit[0]
            if kind == SET:
                continue
            if kind in (CREATE, DELETE):
                parent = edit[3]
                if records.get(parent, _MISSING) is edit[4]:
                    del records[parent]
            if kind in (CREATE, SET_ACL) and self.acls:
                acl = edit[5] if kind == CREATE else edit[3]
                if self.acls.get(path) is acl:
                    del self.acls[path]

    def discard(self) -> None:
        """Drop everything uncommitted: the role that prepared it has ended."""
        self.records.clear()
        self.acls.clear()
        self._journal = None
        self.digest = self.tree.digest

    def ephemerals_of(self, session: int) -> dict[bytes, None]:
        """The session's ephemerals, as they will stand once everything outstanding has committed."""
        paths = dict(self.tree.ephemerals.get(session, {}))
        for path, record in self.records.items():
            if record is None:
                paths.pop(path, None)
            elif owner_of(record) == session:
                paths[path] = None
        return paths


def _restore(table: dict[bytes, Any], path: bytes, value: Any) -> None:
    if value is _MISSING:
        table.pop(path, None)
    else:
        table[path] = value
