"""Log entries made by hand, for the history and the checkers."""

from __future__ import annotations

from typing import Any

from zoo.jute import txn_records as t
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.jute.txns import encode_txn

SESSION = 0x51
OPEN = list(OPEN_ACL_UNSAFE)
TIME = 1_700_000_000_000


def entry(zxid: int, op: Op, record: Any, session: int = SESSION, cxid: int = 0) -> bytes:
    return encode_txn(t.TxnHeader(session, cxid, zxid, TIME + zxid, op), record)


def opened(zxid: int, session: int = SESSION, timeout: int = 4_000) -> bytes:
    return entry(zxid, Op.createSession, t.CreateSessionTxn(timeout), session)


def closed(zxid: int, paths: list[bytes], session: int = SESSION) -> bytes:
    return entry(zxid, Op.closeSession, t.CloseSessionTxn(paths), session)


def created(zxid: int, path: bytes, creates: int, ephemeral: bool = False, cxid: int = 1) -> bytes:
    return entry(zxid, Op.create, t.CreateTxn(path, b"d", OPEN, ephemeral, creates), cxid=cxid)


def deleted(zxid: int, path: bytes, cxid: int = 1) -> bytes:
    return entry(zxid, Op.delete, t.DeleteTxn(path), cxid=cxid)


def data_set(zxid: int, path: bytes, version: int, cxid: int = 1) -> bytes:
    return entry(zxid, Op.setData, t.SetDataTxn(path, b"%d" % zxid, version), cxid=cxid)


def multi(zxid: int, *parts: tuple[Op, Any]) -> bytes:
    txns = [t.Txn(int(op), encode(record)) for op, record in parts]
    return entry(zxid, Op.multi, t.MultiTxn(txns), cxid=1)
