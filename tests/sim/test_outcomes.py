"""The checker of outcomes, fed by hand: right answers pass, wrong ones do not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.sim.entries import OPEN, created, deleted, multi, opened
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute import txn_records as t
from zoo.jute.multi import encode_reply, error_replies
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.sim.checking import Violation
from zoo.sim.client import Request
from zoo.sim.history import History
from zoo.sim.outcomes import Outcomes
from zoo.sim.schedule import Schedule

CLIENT: Any = SimpleNamespace(session_id=0x51)


def judge(op: Op, record: Any, err: int, body: bytes = b"", last: bytes | None = None) -> None:
    """The history has /a, /a/b and then `last` as zxid 4, whose reply is judged."""
    history = History()
    error = t.ErrorTxn(err)
    for entry in (opened(1), created(2, b"/a", 1), created(3, b"/a/b", 1)):
        history.append(entry)
    history.append(last or multi(4, (Op.error, error)))
    Outcomes(history, Schedule()).replied(CLIENT, Request(1, op, record), 4, err, body)


def create(path: bytes, flags: int = 0) -> c.CreateRequest:
    return c.CreateRequest(path, b"d", OPEN, flags)


RIGHT: list[tuple[Any, ...]] = [
    (Op.create, create(b"/a"), Code.NODEEXISTS),
    (Op.create, create(b"/x/y"), Code.NONODE),
    (Op.create, create(b"/c"), 0, encode(c.CreateResponse(b"/c")), created(4, b"/c", 2)),
    (Op.delete, c.DeleteRequest(b"/a", -1), Code.NOTEMPTY),
    (Op.delete, c.DeleteRequest(b"/a/b", 3), Code.BADVERSION),
    (Op.delete, c.DeleteRequest(b"/a/b", 0), 0, b"", deleted(4, b"/a/b")),
    (Op.setData, c.SetDataRequest(b"/x", b"", -1), Code.NONODE),
    (Op.setACL, c.SetACLRequest(b"/a", OPEN, 7), Code.BADVERSION),
    (Op.setData, c.SetDataRequest(b"/a", b"", 0), Code.SESSIONEXPIRED),
]
WRONG: list[tuple[Any, ...]] = [
    (Op.create, create(b"/c"), Code.NODEEXISTS),
    (Op.create, create(b"/a/c"), Code.NONODE),
    (Op.create, create(b"/c"), 0, encode(c.CreateResponse(b"/d")), created(4, b"/c", 2)),
    (Op.create, create(b"/a"), 0),
    (Op.create, create(b"/c"), Code.NOAUTH),
    (Op.delete, c.DeleteRequest(b"/a", -1), 0),
    (Op.delete, c.DeleteRequest(b"/a/b", 0), Code.BADVERSION),
    (Op.delete, c.DeleteRequest(b"/a/b", 0), 0),
    (Op.setData, c.SetDataRequest(b"/a", b"", -1), Code.NONODE),
]


@pytest.mark.parametrize("case", RIGHT)
def test_right_answers_pass(case: tuple[Any, ...]) -> None:
    judge(*case)
    assert case[0] in Op


@pytest.mark.parametrize("case", WRONG)
def test_wrong_answers_are_seen(case: tuple[Any, ...]) -> None:
    with pytest.raises(Violation):
        judge(*case)


PARTS = [(Op.delete, c.DeleteRequest(b"/a/b", -1)), (Op.delete, c.DeleteRequest(b"/x", -1))]
FAILED = multi(4, (Op.delete, t.DeleteTxn(b"/a/b")), (Op.error, t.ErrorTxn(Code.NONODE)))
DONE = multi(4, (Op.delete, t.DeleteTxn(b"/a/b")), (Op.check, t.CheckVersionTxn(b"/", 1)))


def test_multis() -> None:
    refused = encode_reply(error_replies(2, 1, Code.NONODE))
    judge(Op.multi, PARTS, 0, refused, FAILED)
    wrong: list[tuple[bytes, bytes]] = [
        (encode_reply([(Op.delete, None), (Op.delete, None)]), FAILED),
        (refused, DONE),
        (encode_reply([(Op.delete, None)]), DONE),
        (encode_reply([(Op.delete, None), (Op.error, c.ErrorResponse(-101))]), FAILED),
        (encode_reply(error_replies(2, 0, Code.OK)), FAILED),
    ]
    for body, logged in wrong:
        with pytest.raises(Violation):
            judge(Op.multi, PARTS, 0, body, logged)
