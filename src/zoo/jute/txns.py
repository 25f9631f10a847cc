"""One logged txn: header, body, digest, as the log holds it and as proposals carry it."""

from __future__ import annotations

from typing import Any, NamedTuple

from zoo.jute import schema
from zoo.jute.codec import JuteError, Reader
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.txn_records import CreateTxn, CreateTxnV0, TxnDigest, TxnHeader


class LoggedTxn(NamedTuple):
    header: TxnHeader
    record: Any  # the record that OPERATIONS[header.type].txn names, or None (see decode_txn)
    digest: TxnDigest | None = None


_DIGEST_VERSION = b"\0\0\0\2"
_encode_header = schema.codec_of(TxnHeader).encode
_encode_digest = schema.codec_of(TxnDigest).encode


def encode_txn(header: TxnHeader, record: Any, digest: TxnDigest | None = None) -> bytes:
    """`record` may be None for a closeSession in the form before 3.6."""
    body = b"" if record is None else schema.encode(record)
    tail = b"" if digest is None else _encode_digest(digest)
    return _encode_header(header) + body + tail


def decode_txn(source: Reader | bytes) -> LoggedTxn:
    """The inverse. Raises JuteError, also for an operation number that is never logged.

    Two other forms are understood: a create without the parent's cversion (read as -1; before 3.3)
    and a closeSession without its list of paths (the record is None: the tree knows the ephemerals;
    before 3.6, and with closeSessionTxn.enabled=false).
    """
    reader = source if isinstance(source, Reader) else Reader(source)
    header = schema.decode(TxnHeader, reader)
    body = reader.pos
    if header.type == Op.closeSession and _only_a_digest(reader):
        return LoggedTxn(header, None, schema.decode(TxnDigest, reader))
    try:
        record = decode_body(header.type, reader)
    except JuteError:
        reader.pos = body
        if header.type == Op.create:
            old = schema.decode(CreateTxnV0, reader)
            record = CreateTxn(old.path, old.data, old.acl, old.ephemeral, -1)
        elif header.type == Op.closeSession and not reader.remaining:
            record = None
        else:
            raise
    has_digest = reader.remaining >= schema.codec_of(TxnDigest).min_size
    return LoggedTxn(header, record, schema.decode(TxnDigest, reader) if has_digest else None)


def _only_a_digest(reader: Reader) -> bool:
    """Is there no body? As one, these bytes would be a list of two paths, both of them empty."""
    if reader.remaining != schema.codec_of(TxnDigest).min_size:
        return False
    rest = reader.buf[reader.pos : reader.end]
    return rest[:4] == _DIGEST_VERSION and any(rest[4:])


def decode_body(number: int, source: Reader | bytes) -> Any:
    """The record of a txn, or of one member of a MultiTxn, from its operation number."""
    row = OPERATIONS.get(number)
    if row is None or row.txn is None:
        raise JuteError(f"txn: operation {number} is never logged")
    return schema.decode(row.txn, source)
