"""What each operation does to the tree: builders of edits.

A builder takes the overlay (`Outstanding`), makes the new records, enters them there and returns
the edit that `DataTree.commit` carries out later. Leader, standalone server, follower and replay of
the log all build here, so there is one arithmetic of versions, counts and zxids. Builders check
what the tree itself demands (the node exists, the parent exists); permissions, versions and quotas
are the business of preparation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import Code, KeeperError
from zoo.paths import parent as parent_of
from zoo.tree.acl import OPEN_ACL
from zoo.tree.outstanding import CREATE, DELETE, PARENT, SET, SET_ACL, Edit, Outstanding
from zoo.tree.record import (
    MAX_INT32,
    SYSTEM_SUBTREE,
    blob_of,
    new_record,
    new_record_and_digest,
    pack_stat,
    stat_of,
    wire_cversion,
    with_aversion,
    with_data,
    with_data_and_digest,
    with_new_child,
    with_new_child_and_digest,
    without_child,
)

if TYPE_CHECKING:
    from zoo.tree.acl import Acl


_SYSTEM = b"/zookeeper"  # and whatever begins like it: a little too much does no harm


def create(
    view: Outstanding,
    path: bytes,
    blob: bytes,
    acl: Acl,
    owner: int,
    creates: int,
    zxid: int,
    time: int,
) -> Edit:
    """A new node; `creates` is the parent's count after it, -1 for one more than now (old logs).

    Raises KeeperError NONODE without a parent, NODEEXISTS where a node is.
    """
    parent = parent_of(path)
    old_parent = view.get(parent)
    if old_parent is None:
        raise KeeperError(Code.NONODE)
    if view.get(path) is not None:
        raise KeeperError(Code.NODEEXISTS)
    if creates == -1:
        creates = min(stat_of(old_parent).creates + 1, MAX_INT32)
    return create_under(view, path, blob, acl, owner, creates, zxid, time, parent, old_parent)


def create_under(
    view: Outstanding,
    path: bytes,
    blob: bytes,
    acl: Acl,
    owner: int,
    creates: int,
    zxid: int,
    time: int,
    parent: bytes,
    old_parent: bytes,
) -> Edit:
    """`create` for who has looked already: the parent is there and the node is not."""
    if view.digest_enabled and not path.startswith(_SYSTEM):
        parent_record, digest = with_new_child_and_digest(parent, old_parent, creates, zxid)
        view.replace(parent, old_parent, parent_record, digest)
        record, digest = new_record_and_digest(path, blob, zxid, time, owner)
        view.replace(path, None, record, digest)
    else:
        parent_record = with_new_child(old_parent, creates, zxid)
        view.replace(parent, old_parent, parent_record)
        record = new_record(blob, zxid, time, owner)
        view.replace(path, None, record)
    # The common case leaves no trace, but must hide the ACL of a namesake whose delete is still
    # outstanding, or even its create.
    if acl is not OPEN_ACL or path in view.tree.acls or path in view.acls:
        view.acls[path] = acl
    return (CREATE, path, record, parent, parent_record, acl, owner)


def delete(view: Outstanding, path: bytes, zxid: int) -> Edit:
    """Take a node away. Raises KeeperError NONODE."""
    old = view.get(path)
    parent = parent_of(path)
    old_parent = view.get(parent)
    if old is None or old_parent is None:
        raise KeeperError(Code.NONODE)
    parent_record = without_child(old_parent, zxid)
    view.replace(parent, old_parent, parent_record)
    view.replace(path, old, None)
    view.deleted[path] = parent_record
    return (DELETE, path, None, parent, parent_record)


def set_data(
    view: Outstanding, path: bytes, blob: bytes, version: int, zxid: int, time: int
) -> Edit:
    """Other data, with its length in front, under a new version. Raises KeeperError NONODE."""
    old = view.get(path)
    if old is None:
        raise KeeperError(Code.NONODE)
    if view.digest_enabled and len(path) > 1 and not path.startswith(SYSTEM_SUBTREE):
        record, digest = with_data_and_digest(path, old, blob, version, zxid, time)
        view.replace(path, old, record, digest)
    else:
        record = with_data(old, blob, version, zxid, time)
        view.replace(path, old, record)
    return (SET, path, record)


def set_acl(view: Outstanding, path: bytes, acl: Acl, aversion: int) -> Edit:
    """Another ACL under a new aversion. Raises KeeperError NONODE."""
    old = view.get(path)
    if old is None:
        raise KeeperError(Code.NONODE)
    record = with_aversion(old, aversion)
    view.replace(path, old, record)
    view.acls[path] = acl
    return (SET_ACL, path, record, acl)


def adopt_acl(view: Outstanding, path: bytes, acl: Acl) -> Edit:
    """The ACL that a create says, on a node that is there already; its Stat stays.

    A fuzzy snapshot of Java's starts with its ACLs, so a node created meanwhile may refer to one
    that is missing there; replaying the create supplies it. Raises KeeperError NONODE.
    """
    record = view.get(path)
    if record is None:
        raise KeeperError(Code.NONODE)
    view.replace(path, record, record)
    view.acls[path] = acl
    return (SET_ACL, path, record, acl)


def touch_parent(view: Outstanding, path: bytes, creates: int, zxid: int) -> tuple[Edit, ...]:
    """What a create or delete that a fuzzy snapshot already holds still owes its parent.

    Java's snapshots are taken while it runs, so replaying over one meets nodes that are there or
    gone already; the parent's count of creates and its pzxid must come out the same nevertheless
    (DataTree.setCversionPzxid). `creates` is the count after a create, or -1 for a delete.
    """
    parent = parent_of(path)
    old = view.get(parent)
    if old is None:
        return ()
    stat = stat_of(old)
    if creates != -1:
        if creates <= stat.creates:
            return ()
        cversion = wire_cversion(creates, stat.num_children)
        stat = stat._replace(cversion=cversion, pzxid=zxid)
    elif zxid > stat.pzxid:
        stat = stat._replace(pzxid=zxid)
    else:
        return ()
    record = blob_of(old) + pack_stat(*stat)
    view.replace(parent, old, record)
    return ((PARENT, parent, record),)
