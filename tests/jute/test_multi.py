from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jute.golden import GOLDEN
from tests.jute.strategies import records
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute import multi
from zoo.jute.codec import JuteError, Reader
from zoo.jute.multi import HEADER, Item
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.records import ACL, Stat

OPEN = [ACL(31, "world", "anyone")]
STAT = Stat(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)

WRITE_ITEMS: list[Item] = [
    (Op.check, c.CheckVersionRequest(b"/c", 2)),
    (Op.create, c.CreateRequest(b"/a", b"d", OPEN, 0)),
    (Op.createContainer, c.CreateRequest(b"/k", b"", OPEN, 4)),
    (Op.createTTL, c.CreateTTLRequest(b"/t", b"", OPEN, 5, 1000)),
    (Op.setData, c.SetDataRequest(b"/a", b"e", 0)),
    (Op.delete, c.DeleteRequest(b"/b", -1)),
]
READ_ITEMS: list[Item] = [
    (Op.getData, c.GetDataRequest(b"/a", False)),
    (Op.getChildren, c.GetChildrenRequest(b"/", False)),
]


def test_requests_are_zookeepers() -> None:
    assert multi.encode_request(WRITE_ITEMS) == GOLDEN["multi"]
    assert multi.decode_request(Reader(GOLDEN["multi"])) == WRITE_ITEMS
    assert multi.encode_request(READ_ITEMS) == GOLDEN["multiRead"]
    assert multi.decode_request(Reader(GOLDEN["multiRead"]), Op.multiRead) == READ_ITEMS


def test_replies_are_zookeepers() -> None:
    items: list[Item] = [
        (Op.check, None),
        (Op.create, c.CreateResponse(b"/a")),
        (Op.createContainer, c.Create2Response(b"/k", STAT)),
        (Op.setData, c.SetDataResponse(STAT)),
        (Op.delete, None),
    ]
    assert multi.encode_reply(items) == GOLDEN["multiReply"]
    items[2] = (Op.create2, items[2][1])
    assert multi.decode_reply(Reader(GOLDEN["multiReply"])) == items


def test_read_replies_are_zookeepers() -> None:
    items: list[Item] = [
        (Op.getData, c.GetDataResponse(b"x", STAT)),
        (Op.getChildren, c.GetChildrenResponse([b"a"])),
    ]
    assert multi.encode_reply(items) == GOLDEN["multiReadReply"]
    assert multi.decode_reply(Reader(GOLDEN["multiReadReply"])) == items


def test_error_replies_are_zookeepers() -> None:
    items = multi.error_replies(3, 1, Code.NONODE)
    assert multi.encode_reply(items) == GOLDEN["multiErrors"]
    assert multi.decode_reply(Reader(GOLDEN["multiErrors"])) == items


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([Op.multi, Op.multiRead]))
    rows = [
        row
        for row in OPERATIONS.values()
        if row.allowed_in_multi and row.is_write is (kind is Op.multi) and row.request
    ]
    choice = st.sampled_from(rows).flatmap(
        lambda row: st.tuples(st.just(row.op), records(row.request or object))
    )
    items = data.draw(st.lists(choice, max_size=4))
    reader = Reader(multi.encode_request(items) + b"rest")
    assert multi.decode_request(reader, kind) == items
    assert reader.rest() == b"rest"


def test_limit() -> None:
    body = multi.encode_request(WRITE_ITEMS)
    assert len(multi.decode_request(Reader(body), limit=6)) == 6
    with pytest.raises(JuteError, match="more than 5 operations"):
        multi.decode_request(Reader(body), limit=5)


@pytest.mark.parametrize("number", [Op.getData, Op.setACL, Op.multi, Op.closeSession, -1, 999])
def test_operations_that_have_no_place_in_it(number: int) -> None:
    with pytest.raises(JuteError, match=f"operation {int(number)} cannot be part of it"):
        multi.decode_request(Reader(HEADER.pack(number, False, -1)))


def test_reads_and_writes_do_not_mix() -> None:
    with pytest.raises(JuteError, match="operation 13 cannot"):
        multi.decode_request(Reader(GOLDEN["multi"]), Op.multiRead)


def test_end_is_missing() -> None:
    for size in range(len(GOLDEN["multi"])):
        with pytest.raises(JuteError):
            multi.decode_request(Reader(GOLDEN["multi"], 0, size))


@given(st.binary(max_size=60), st.sampled_from([1, 2, 4, 5, 13, 14, 15, -1]))
def test_hostile_bytes(tail: bytes, number: int) -> None:
    data = HEADER.pack(number, False, 0) + tail
    for decode in (multi.decode_request, multi.decode_reply):
        try:
            items = decode(Reader(data))
        except JuteError:
            continue
        assert len(items) <= len(data) // HEADER.size
