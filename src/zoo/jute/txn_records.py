"""What the transaction log holds and proposals carry (org.apache.zookeeper.txn and .persistence).

A txn is a TxnHeader, the body its type names, and since 3.6 a TxnDigest; zoo.jute.txns puts the
three together.
"""

from __future__ import annotations

from zoo.jute.records import ACL
from zoo.jute.schema import Boolean, Buffer, Int, Long, Path, record


@record
class FileHeader:
    """The first 16 bytes of a log or snapshot file."""

    magic: Int
    version: Int
    dbid: Long


@record
class TxnHeader:
    client_id: Long  # the session
    cxid: Int
    zxid: Long
    time: Long  # ms since 1970
    type: Int


@record
class TxnDigest:
    """The digest of the whole tree after the txn; Java's unsigned 64 bits in a signed long."""

    version: Int
    tree_digest: Long


@record
class CreateTxnV0:
    """A create as logged before 3.3: without the parent's cversion."""

    path: Path
    data: Buffer
    acl: list[ACL]
    ephemeral: Boolean


@record
class CreateTxn:
    path: Path
    data: Buffer
    acl: list[ACL]
    ephemeral: Boolean
    parent_cversion: Int  # -1: not known, count from what the tree has


@record
class CreateTTLTxn:
    path: Path
    data: Buffer
    acl: list[ACL]
    parent_cversion: Int
    ttl: Long  # ms


@record
class CreateContainerTxn:
    path: Path
    data: Buffer
    acl: list[ACL]
    parent_cversion: Int


@record
class DeleteTxn:
    path: Path


@record
class SetDataTxn:
    path: Path
    data: Buffer
    version: Int  # the new version


@record
class CheckVersionTxn:
    path: Path
    version: Int


@record
class SetACLTxn:
    path: Path
    acl: list[ACL]
    version: Int  # the new aversion


@record
class SetMaxChildrenTxn:
    path: Path
    max: Int


@record
class CreateSessionTxn:
    timeout: Int  # ms


@record
class CloseSessionTxn:
    """The ephemerals that go with the session, so that replay does not depend on its memory."""

    paths_to_delete: list[Path]


@record
class ErrorTxn:
    err: Int


@record
class Txn:
    """One member of a MultiTxn: an operation number and the encoded body."""

    type: Int
    data: Buffer


@record
class MultiTxn:
    txns: list[Txn]
