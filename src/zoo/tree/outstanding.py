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
        "_journal",
        "_journal_digest",
        "acls",
        "deleted",
        "digest",
        "digest_enabled",
        "digests",
        "records",
        "tree",
    )

    def __init__(self, tree: DataTree) -> None:
        self.tree = tree
        self.records: dict[bytes, bytes | None] = {}  # None: deleted
        self.acls: dict[bytes, Acl] = {}
        # Which of several outstanding deletes of a path is the newest: the parent's record after
        # it, since one None looks like another.
        self.deleted: dict[bytes, bytes] = {}
        self.digest = tree.digest
        self.digest_enabled = tree.digest_enabled
        # path -> (record, digest): valid only while that very record is current, so it needs no
        # invalidation
        self.digests: dict[bytes, tuple[bytes, int]] = {}
        self._journal: list[tuple[bytes, Any, Any, Any]] | None = None
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
                (
                    path,
                    self.records.get(path, _MISSING),
                    self.acls.get(path, _MISSING),
                    self.deleted.get(path, _MISSING),
                )
            )
        self.records[path] = new
        if not self.digest_enabled:
            return
        digests = self.digests
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
        self.trim_digests()
        digests[path] = (new, digest)

    def trim_digests(self) -> None:
        """Room for one more in the cache of digests."""
        if len(self.digests) >= _DIGEST_CACHE_LIMIT:
            self.digests.clear()

    def begin(self) -> None:
        """Remember from here on how to undo: a multi is all or nothing."""
        self._journal = []
        self._journal_digest = self.digest

    def keep(self) -> None:
        self._journal = None

    def rollback(self) -> None:
        journal, self._journal = self._journal, None
        assert journal is not None
        for path, record, acl, deleted in reversed(journal):
            _restore(self.records, path, record)
            _restore(self.acls, path, acl)
            _restore(self.deleted, path, deleted)
        self.digest = self._journal_digest

    def committed(self, edits: tuple[Edit, ...]) -> None:
        """Forget what has just been committed, but keep what later changes put in its place.

        An ACL goes together with its node's newest record: it says nothing itself of how new it is.
        """
        records = self.records
        for edit in edits:
            kind, path, record = edit[0], edit[1], edit[2]
            if kind == DELETE:
                if self.deleted.get(path) is edit[4]:
                    del self.deleted[path]
                    if records[path] is None:
                        self._settle(path)
            elif records.get(path) is record:
                del records[path]
                if self.acls:
                    self.acls.pop(path, None)
            if kind in (CREATE, DELETE) and records.get(edit[3]) is edit[4]:
                self._settle(edit[3])

    def _settle(self, path: bytes) -> None:
        """The tree now has the newest state of `path`."""
        del self.records[path]
        if self.acls:
            self.acls.pop(path, None)

    def discard(self) -> None:
        """Drop everything uncommitted: the role that prepared it has ended."""
        self.records.clear()
        self.acls.clear()
        self.deleted.clear()
        self._journal = None
        self.digest = self.tree.digest

    def ephemerals_of(self, session: int) -> dict[bytes, None]:
        """The session's ephemerals, as they will be once everything outstanding has committed."""
        paths = dict(self.tree.ephemerals.get(session, {}))
        for path, record in self.records.items():
            if record is not None and owner_of(record) == session:
                paths[path] = None
            else:  # deleted, or created again by somebody else
                paths.pop(path, None)
        return paths


def _restore(table: dict[bytes, Any], path: bytes, value: Any) -> None:
    if value is _MISSING:
        table.pop(path, None)
    else:
        table[path] = value
