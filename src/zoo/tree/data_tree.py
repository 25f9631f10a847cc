"""The replicated state of committed znodes.

Theory of operation. `nodes` maps a path to its record (see record.py); `children` maps a parent to
its children's full paths, sharing those very bytes objects with `nodes`; what few nodes have (an
ACL of their own, an ephemeral owner, a quota) stands in side tables. None of it knows sessions,
sockets or the log.

The tree changes in `commit` alone, edit by edit, in zxid order. A watch fires while its edit is
committed, so its event is on the way before the reply that shows the change.

A snapshot is of one zxid exactly, without stopping and without a second tree: from
`begin_snapshot` on a commit saves what it is about to replace (see reading.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from zoo.jute.constants import READ_ACL_UNSAFE
from zoo.jute.ephemeral import EphemeralKind, kind
from zoo.tree import quota
from zoo.tree.acl import OPEN as OPEN_ID
from zoo.tree.acl import OPEN_ACL, Acl, AclTable
from zoo.tree.outstanding import CREATE, DELETE, PARENT, SET, SET_ACL, Edit
from zoo.tree.reading import Node, Reading
from zoo.tree.record import (
    EMPTY_BLOB,
    LENGTH,
    OWNER_AT_END,
    STAT_SIZE,
    blob_of,
    data_of,
    new_record,
    node_digest,
    owner_of,
    with_aversion,
    with_blob,
    with_children,
    with_data,
    with_new_child,
    without_owner,
)
from zoo.tree.watches import Watches

CONFIG_NODE = b"/zookeeper/config"
QUOTA_NODE = b"/zookeeper/quota"
QUOTA_SUBTREE = QUOTA_NODE + b"/"
SPECIAL_PATHS = frozenset((b"/", b"/zookeeper", QUOTA_NODE, CONFIG_NODE))

# (watcher, event type, path, zxid, ACL id of the node the event tells of)
Notify = Callable[[Any, int, bytes, int, Acl], None]


class DataTree:
    """All znodes as of `last_zxid`."""

    def __init__(
        self, notify: Notify, *, digest: bool = True, extended_types: bool = False
    ) -> None:
        self.notify = notify
        self.digest_enabled = digest
        self.extended_types = extended_types
        self.watches: Watches[Any] = Watches()
        self.nodes: dict[bytes, bytes] = {}
        self.children: dict[bytes, dict[bytes, None]] = {}
        self.acl_table = AclTable()
        self.acls: dict[bytes, int] = {}
        # Paths whose record may not be shown to everybody as it stands: an ACL of their own, or an
        # ephemeralOwner that means a container or a TTL. Reads of all others need no second look.
        self.veiled: dict[bytes, None] = {}
        self.ephemerals: dict[int, dict[bytes, None]] = {}
        self.containers: dict[bytes, None] = {}
        self.ttls: dict[bytes, None] = {}
        self.quotas = quota.QuotaPaths()
        self.digest = 0
        self.last_zxid = 0
        self.data_size = 0  # bytes of all paths and data, as ZooKeeper approximates it
        self._reading: Reading | None = None
        self._restored = 0
        self._plant()

    def _plant(self) -> None:
        """The nodes that every tree has."""
        empty = new_record(EMPTY_BLOB, 0, 0, 0)
        self.nodes[b"/"] = empty
        for path in (b"/zookeeper", QUOTA_NODE, CONFIG_NODE):
            parent = path[: path.rfind(b"/")] or b"/"
            self.nodes[path] = empty
            self.children.setdefault(parent, {})[path] = None
            # These have no create behind them, so ZooKeeper counts none.
            self.nodes[parent] = with_new_child(self.nodes[parent], 0, 0)
        self.nodes[CONFIG_NODE] = with_aversion(empty, -1)  # ZooKeeper calls its setACL with -1
        self._guard(CONFIG_NODE, READ_ACL_UNSAFE)
        self._recount()

    def _recount(self) -> None:
        nodes = self.nodes
        self.data_size = sum(len(p) + _data_size(r) for p, r in nodes.items())
        if self.digest_enabled:
            self.digest = sum(node_digest(p, r) for p, r in nodes.items())

    # --- looking

    def acl_of(self, path: bytes) -> Acl:
        """The ACL of an existing node."""
        acl_id = self.acls.get(path)
        return OPEN_ACL if acl_id is None else self.acl_table.get(acl_id)

    def shown_stat(self, record: bytes) -> bytes:
        """The Stat in `record` as clients see it: owners that are no sessions are not shown."""
        stat = record[-STAT_SIZE:]
        # Owners that are no sessions have the top bit set; hardly any other has.
        if stat[-OWNER_AT_END] & 0x80:
            owner = owner_of(stat)
            if kind(owner, self.extended_types) is not EphemeralKind.NORMAL:
                return without_owner(stat)
        return stat

    def ephemeral_count(self) -> int:
        return sum(map(len, self.ephemerals.values()))

    def count_below(self, path: bytes) -> int:
        """How many descendants a node has (getAllChildrenNumber)."""
        if path == b"/":
            return len(self.nodes) - 1
        total = 0
        level: list[bytes] = [path]
        while level:
            kids = self.children.get(level.pop())
            if kids:
                total += len(kids)
                level.extend(kids)
        return total

    # --- changing

    def commit(self, zxid: int, edits: tuple[Edit, ...]) -> None:
        """Carry out what changes.py built for `zxid`."""
        assert zxid > self.last_zxid, (
            f"commit of 0x{zxid:x} after 0x{self.last_zxid:x}: transactions must come in order"
        )
        self.last_zxid = zxid
        for edit in edits:
            if edit[0] != SET:
                _COMMIT[edit[0]](self, zxid, edit)
                continue
            self._set(zxid, edit[1], edit[2])

    def commit_set(self, zxid: int, path: bytes, record: bytes) -> None:
        """`commit` of one SET."""
        assert zxid > self.last_zxid, f"commit of 0x{zxid:x} after 0x{self.last_zxid:x}"
        self.last_zxid = zxid
        self._set(zxid, path, record)

    def _set(self, zxid: int, path: bytes, record: bytes) -> None:
        old = self.nodes[path]
        if self._reading is not None:
            self._reading.save(path, old)
        self.nodes[path] = record
        grown = len(record) - len(old)
        if grown:
            self.data_size += grown
            if self.quotas:
                self._count_quota(path, grown, 0)
        watched = self.watches.data
        if path in watched.paths or watched.recursive:
            self._tell_data_changed(zxid, path)

    def _tell_data_changed(self, zxid: int, path: bytes) -> None:
        acl = self.acl_of(path)
        for watcher, event, at in self.watches.data_changed(path):
            self.notify(watcher, event, at, zxid, acl)

    def commit_create(
        self, zxid: int, path: bytes, record: bytes, parent: bytes, parent_record: bytes
    ) -> None:
        """`commit` of one CREATE of a znode that nobody owns and everybody may change."""
        assert zxid > self.last_zxid, f"commit of 0x{zxid:x} after 0x{self.last_zxid:x}"
        self.last_zxid = zxid
        self._add(zxid, path, record, parent, parent_record, OPEN_ACL)

    def _create(self, zxid: int, edit: Edit) -> None:
        _, path, record, parent, parent_record, acl, owner = edit
        if acl is not OPEN_ACL and acl != OPEN_ACL:
            self._guard(path, acl)
        if owner:
            self._own(path, owner)
        self._add(zxid, path, record, parent, self._fresh(parent, parent_record), acl)

    def _add(
        self, zxid: int, path: bytes, record: bytes, parent: bytes, parent_record: bytes, acl: Acl
    ) -> None:
        nodes = self.nodes
        if self._reading is not None:
            self._reading.save(parent, nodes[parent])
        nodes[parent] = parent_record
        nodes[path] = record
        kids = self.children.get(parent)
        if kids is None:
            kids = self.children[parent] = {}
        kids[path] = None
        size = _data_size(record)
        self.data_size += len(path) + size
        if path.startswith(QUOTA_SUBTREE):
            self._quota_created(path)
        if self.quotas:
            self._count_quota(path, size, 1)
        watches = self.watches
        if watches.data.paths or watches.children.paths:
            acls = {path: acl, parent: self.acl_of(parent)}
            for watcher, event, at in watches.node_created(path, parent):
                self.notify(watcher, event, at, zxid, acls[at])

    def _delete(self, zxid: int, edit: Edit) -> None:
        _, path, _, parent, parent_record = edit
        record = self.nodes.pop(path)
        if self._reading is not None:
            self._reading.remove(path, record, parent)
            self._reading.save(parent, self.nodes[parent])
        self.nodes[parent] = self._fresh(parent, parent_record)
        kids = self.children[parent]
        del kids[path]
        if not kids:
            del self.children[parent]
        acl_id = self.acls.pop(path, OPEN_ID)
        watches = self.watches
        watched = watches.data.paths or watches.children.paths
        # Only for watchers: during replay over a fuzzy snapshot nobody may know the list yet.
        acl = self.acl_table.get(acl_id) if watched else OPEN_ACL
        self.acl_table.release(acl_id)
        owner = owner_of(record)
        if owner:
            self._disown(path, owner)
        self.veiled.pop(path, None)
        size = _data_size(record)
        self.data_size -= len(path) + size
        if self.quotas:
            if path.startswith(QUOTA_SUBTREE):
                self._quota_deleted(path)
            self._count_quota(path, -size, -1)
        if watched:
            acls = {path: acl, parent: self.acl_of(parent)}
            for watcher, event, at in watches.node_deleted(path, parent):
                self.notify(watcher, event, at, zxid, acls[at])

    def _set_acl(self, zxid: int, edit: Edit) -> None:
        _, path, record, acl = edit
        if self._reading is not None:
            self._reading.save(path, self.nodes[path])
        if path in self.acls:
            self.acl_table.release(self.acls.pop(path))
            if path not in self.containers and path not in self.ttls:
                del self.veiled[path]
        if acl != OPEN_ACL:
            self._guard(path, acl)
        self.nodes[path] = self._fresh(path, record)

    def _touch_parent(self, zxid: int, edit: Edit) -> None:
        _, path, record = edit
        if self._reading is not None:
            self._reading.save(path, self.nodes[path])
        self.nodes[path] = self._fresh(path, record)

    def _fresh(self, path: bytes, record: bytes) -> bytes:
        """`record` with the node's present data: quota statistics change outside of any
        transaction.
        """
        if path.startswith(QUOTA_SUBTREE):
            return with_blob(record, blob_of(self.nodes[path]))
        return record

    def _guard(self, path: bytes, acl: Acl) -> None:
        self.acls[path] = self.acl_table.intern(acl)
        self.veiled[path] = None

    # --- who owns what

    def _own(self, path: bytes, owner: int) -> None:
        what = kind(owner, self.extended_types)
        if what is EphemeralKind.NORMAL:
            self.ephemerals.setdefault(owner, {})[path] = None
        elif what is EphemeralKind.CONTAINER:
            self.containers[path] = self.veiled[path] = None
        elif what is EphemeralKind.TTL:
            self.ttls[path] = self.veiled[path] = None

    def _disown(self, path: bytes, owner: int) -> None:
        what = kind(owner, self.extended_types)
        if what is EphemeralKind.NORMAL:
            paths = self.ephemerals.get(owner)
            if paths is not None:
                paths.pop(path, None)
                if not paths:
                    del self.ephemerals[owner]
        elif what is EphemeralKind.CONTAINER:
            self.containers.pop(path, None)
        elif what is EphemeralKind.TTL:
            self.ttls.pop(path, None)

    # --- quotas

    def _quota_created(self, path: bytes) -> None:
        limited = quota.limited_path(path)
        if limited is not None:
            self.quotas.add(limited)
        counted = quota.counted_path(path)
        if counted is not None:
            self._recount_quota(counted)

    def _quota_deleted(self, path: bytes) -> None:
        limited = quota.limited_path(path)
        if limited is not None:
            self.quotas.discard(limited)

    def _recount_quota(self, path: bytes) -> None:
        """Write the true count and size of a subtree into its statistics node."""
        stats = quota.stat_path(path)
        if stats not in self.nodes:
            return
        count = size = 0
        level = [path] if path in self.nodes else []
        while level:
            at = level.pop()
            count += 1
            size += _data_size(self.nodes[at])
            level.extend(self.children.get(at, ()))
        self._write_stats(stats, quota.usage(count, size))

    def _count_quota(self, path: bytes, size: int, count: int) -> None:
        prefix = self.quotas.longest_prefix(path)
        if prefix is None:
            return
        stats = quota.stat_path(prefix)
        record = self.nodes.get(stats)
        if record is not None:
            self._write_stats(stats, quota.add_usage(data_of(record), count, size))

    def _write_stats(self, stats: bytes, data: bytes) -> None:
        old = self.nodes[stats]
        if self._reading is not None:
            self._reading.save(stats, old)
        new = with_blob(old, LENGTH.pack(len(data)) + data)
        self.nodes[stats] = new
        self.data_size += len(new) - len(old)

    def configure(self, text: bytes, version: int, time: int) -> None:
        """Show an ensemble's configuration, as ZooKeeper does at its start: by no transaction."""
        old = self.nodes[CONFIG_NODE]
        if self._reading is not None:
            self._reading.save(CONFIG_NODE, old)
        record = with_data(old, LENGTH.pack(len(text)) + text, -1, version, time)
        self.nodes[CONFIG_NODE] = record
        self.data_size += len(record) - len(old)

    # --- snapshots and restoring

    @property
    def is_being_read(self) -> bool:
        """A snapshot is being taken: another one must wait."""
        return self._reading is not None

    def begin_snapshot(self) -> Iterator[Node]:
        """(path, record, ACL id) of every node as of now, parents first, read while commits go on.

        One at a time; exhaust or close the iterator to stop the saving of replaced records.
        """
        assert self._reading is None, "a snapshot is being taken already"
        self._reading = Reading(
            self.nodes, self.children, self.acls, self.last_zxid, self._snapshot_ended
        )
        nodes = self._reading.walk()
        next(nodes)  # into its try block: closing a generator that has not begun runs no finally
        return nodes

    def _snapshot_ended(self) -> None:
        self._reading = None

    def restore(
        self,
        acls: Iterable[tuple[int, Acl]],
        nodes: Iterable[tuple[bytes, bytes, int]],
        zxid: int,
    ) -> None:
        """Become what a snapshot says: (path, record without children, ACL id), parents first.

        Raises ValueError where a node comes before its parent, or no root at all.
        """
        self.begin_restoring(acls)
        self.restore_nodes(nodes)
        self.end_restoring(zxid)

    def begin_restoring(self, acls: Iterable[tuple[int, Acl]]) -> None:
        """`restore` in pieces, for what comes bit by bit: this, then nodes, then the end."""
        self.__init__(  # type: ignore[misc]
            self.notify, digest=self.digest_enabled, extended_types=self.extended_types
        )
        self.nodes.clear()
        self.children.clear()
        self.acls.clear()
        self.veiled.clear()
        self.acl_table.load(acls)
        self.digest = self.data_size = self._restored = 0

    def restore_nodes(self, nodes: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Raises ValueError where a node comes before its parent."""
        table, children = self.nodes, self.children
        get_kids = children.get
        digests = self.digest_enabled
        digest = size = count = 0
        for path, record, acl_id in nodes:
            # Of the children a digest has only how many were created, which is known here.
            count += 1
            size += len(path) + _data_size(record)
            if digests:
                digest += node_digest(path, record)
            if path != b"/":
                parent = path[: path.rfind(b"/")] or b"/"
                kids = get_kids(parent)
                if kids is None:
                    if parent not in table:
                        raise ValueError(f"node {path!r} comes before its parent")
                    kids = children[parent] = {}
                kids[path] = None
            table[path] = record
            if acl_id != OPEN_ID:
                acl_id = self.acl_table.acquire(acl_id)
                if acl_id != OPEN_ID:
                    self.acls[path] = acl_id
                    self.veiled[path] = None
            owner = owner_of(record)
            if owner:
                self._own(path, owner)
        self.digest += digest
        self.data_size += size
        self._restored += count

    def end_restoring(self, zxid: int) -> None:
        """Raises ValueError if there was no root."""
        table = self.nodes
        if b"/" not in table:
            raise ValueError("there is no root")
        for path, kids in self.children.items():
            table[path] = with_children(table[path], len(kids))
        self.acl_table.purge_unused()
        self.last_zxid = zxid
        for path in self._below(QUOTA_NODE):
            limited = quota.limited_path(path)
            if limited is not None:
                self._recount_quota(limited)
                self.quotas.add(limited)
        if self._restored != len(table):  # a node came twice
            self._recount()

    def _below(self, path: bytes) -> list[bytes]:
        """All descendants, parents first."""
        found = [*self.children.get(path, ())]
        for each in found:
            found += self.children.get(each, ())
        return found


def _data_size(record: bytes) -> int:
    return len(record) - 72


_COMMIT: dict[int, Callable[[DataTree, int, Edit], None]] = {
    CREATE: DataTree._create,
    DELETE: DataTree._delete,
    SET_ACL: DataTree._set_acl,
    PARENT: DataTree._touch_parent,
}
