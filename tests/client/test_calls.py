from __future__ import annotations

from zoo.client.calls import Call, encode_body
from zoo.client.errors import ClientError, ConnectionLossError, Outcome
from zoo.errors import Code
from zoo.jute.client_records import DeleteRequest
from zoo.jute.multi import encode_request
from zoo.jute.operations import Op


def test_reads_may_be_repeated_and_writes_may_not() -> None:
    def finish(*_: object) -> None: ...

    assert Call(Op.getData, b"", "/a", finish).may_repeat
    assert not Call(Op.setData, b"", "/a", finish).may_repeat
    assert Call(Op.setData, b"", "/a", finish, may_repeat=True).may_repeat


def test_a_failure_says_whether_it_was_sent() -> None:
    errors: list[ClientError | None] = []
    call = Call(Op.setData, b"", "/a", lambda error, *_: errors.append(error))
    call.fail(Code.CONNECTIONLOSS, "reset")
    call.is_sent = True
    call.fail(Code.CONNECTIONLOSS)
    first, second = errors
    assert isinstance(first, ConnectionLossError)
    assert isinstance(second, ConnectionLossError)
    assert (first.outcome, second.outcome) == (Outcome.NOT_SENT, Outcome.UNKNOWN)
    assert (first.operation, first.path, first.detail) == ("set", "/a", "reset")


def test_bodies() -> None:
    request = DeleteRequest(b"/a", 3)
    assert encode_body(Op.delete, request) == b"\0\0\0\2/a\0\0\0\3"
    assert encode_body(Op.whoAmI, None) == b""
    assert encode_body(Op.multi, [(Op.delete, request)]) == encode_request([(Op.delete, request)])
