"""What a client is answered, made from the transaction that its write has become.

A learner does not prepare its clients' writes; it sees them come back as transactions. From one of
those, and from what replaying it did, follows the very reply that preparation makes on the leader
(and that Java's learner makes of its results): the tests hold the two side by side, to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator

from zoo.errors import Code
from zoo.jute.operations import Op
from zoo.jute.txn_records import Txn
from zoo.jute.txns import LoggedTxn, decode_body
from zoo.pipeline.multi import ERROR_BODY, MULTI_END, MULTI_HEADER
from zoo.pipeline.writes import ustring
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import CREATE, SET, SET_ACL, Edit
from zoo.tree.record import LENGTH, blob_of
from zoo.tree.replay import Replayed

_CREATE, _SET_DATA, _SET_ACL = int(Op.create), int(Op.setData), int(Op.setACL)
_RECONFIG, _MULTI, _ERROR = int(Op.reconfig), int(Op.multi), int(Op.error)
_CREATES = frozenset(map(int, (Op.create, Op.create2, Op.createContainer, Op.createTTL)))
# In a multi a create that reports its Stat reports itself as create2, whatever it was.
_RESULT_TYPE = {
    int(Op.createContainer): int(Op.create2),
    int(Op.createTTL): int(Op.create2),
    int(Op.deleteContainer): int(Op.delete),
}
_EDIT_OF = {**dict.fromkeys(_CREATES, CREATE), _SET_DATA: SET, _RECONFIG: SET, _SET_ACL: SET_ACL}

Answer = tuple[int, bytes]
"""The error of the reply's header, and the reply's body."""

_MOVED: Answer = (int(Code.SESSIONMOVED), b"")


def answer(tree: DataTree, op: int, done: Replayed) -> Answer:
    """The answer to the request `op` whose transaction has been replayed on `tree`.

    SESSIONMOVED is nothing to tell the client: it is connected elsewhere, this connection must go.
    """
    txn = done.txn
    if txn is None:
        _, path, record = done.edits[0][:3]
        if op == _SET_DATA:
            return 0, tree.shown_stat(record)
        name = LENGTH.pack(len(path)) + path
        return 0, name if op == _CREATE else name + tree.shown_stat(record)
    kind = txn.header.type
    if kind == _ERROR:
        return txn.record.err, b""
    if kind == _MULTI:
        return _multi(tree, txn, done.edits)
    return _lone(tree, kind, txn.record, iter(done.edits))


def _lone(tree: DataTree, kind: int, record: object, edits: Iterator[Edit]) -> Answer:
    """The answer to one operation; takes its edit, if it has one, from `edits`."""
    wanted = _EDIT_OF.get(kind)
    if wanted is None:
        return 0, b""  # delete, check, closeSession: nothing to tell
    path: bytes = record.path  # type: ignore[attr-defined]
    for edit in edits:
        if edit[0] == wanted and edit[1] == path:
            break
    else:  # the tree is not what the leader's is; Java answers this, too
        return int(Code.NODEEXISTS if kind in _CREATES else Code.NONODE), b""
    stat = tree.shown_stat(edit[2])
    if kind in _CREATES:
        return 0, ustring(path) if kind == _CREATE else ustring(path) + stat
    if kind == _RECONFIG:
        return 0, blob_of(edit[2]) + stat
    return 0, stat


def _multi(tree: DataTree, txn: LoggedTxn, edits: tuple[Edit, ...]) -> Answer:
    parts = txn.record.txns
    if any(part.type == _ERROR for part in parts):
        return _failed_multi(parts)
    left = iter(edits)
    results: list[bytes] = []
    for part in parts:
        err, body = _lone(tree, part.type, decode_body(part.type, part.data or b""), left)
        kind = _ERROR if err else _RESULT_TYPE.get(part.type, part.type)
        results.append(MULTI_HEADER.pack(kind, False, err))
        results.append(ERROR_BODY.pack(err) if err else body)
    results.append(MULTI_END)
    return 0, b"".join(results)


def _failed_multi(parts: list[Txn]) -> Answer:
    """Nothing was done: those before the refused one report 0."""
    results: list[bytes] = []
    code = 0
    for part in parts:
        err = code
        if part.type == _ERROR:
            err = decode_body(_ERROR, part.data or b"").err
            code = int(Code.RUNTIMEINCONSISTENCY)
            if err == Code.SESSIONMOVED:
                return _MOVED
        results.append(MULTI_HEADER.pack(_ERROR, False, err) + ERROR_BODY.pack(err))
    results.append(MULTI_END)
    return 0, b"".join(results)
