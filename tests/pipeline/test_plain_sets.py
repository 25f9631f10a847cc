"""The short way of setData gives, byte for byte, what the long way gives, or declines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.rig import ADMIN_ONLY, OPEN, Rig
from zoo.jute.client_records import CreateRequest, CreateTTLRequest, SetACLRequest, SetDataRequest
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.pipeline.plain_sets import PlainSets


def grown() -> Rig:
    rig = Rig()
    for path in (b"/a", b"/b", b"/guarded"):
        rig.do(Op.create, CreateRequest(path, b"x", OPEN, 0))
    rig.do(Op.create, CreateRequest(b"/eph", b"", OPEN, 1))
    rig.do(Op.createTTL, CreateTTLRequest(b"/ttl", b"", OPEN, 5, 9))
    rig.do(Op.setACL, SetACLRequest(b"/guarded", ADMIN_ONLY, -1))
    return rig


SETS = st.lists(
    st.builds(
        SetDataRequest,
        st.sampled_from([b"/a", b"/b", b"/eph", b"/ttl", b"/guarded", b"/none", b"/", b""]),
        st.none() | st.binary(max_size=20),
        st.sampled_from([-1, 0, 1, 2, 3]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(SETS)
def test_both_ways_are_equal(requests: list[SetDataRequest]) -> None:
    short, long = grown(), grown()
    plain = PlainSets(short.prep)
    for request in requests:
        body = encode(request)
        frame = b"before" + body + b"behind"
        done = plain.prepare(short.me, 7, frame, 6, 6 + len(body))
        expected = long.prep.prepare(long.me, 7, Op.setData, body)
        if done is None:
            other = short.prep.prepare(short.me, 7, Op.setData, body)
            assert other.reply == expected.reply
            continue
        zxid, path, record, reply, origin, digest = done
        assert (zxid, reply, digest) == (expected.zxid, expected.reply, expected.digest)
        assert (path, record) == expected.edits[0][1:3]
        assert origin is short.me
    assert short.role.ready() == long.role.ready()
    assert short.view.digest == long.view.digest
    assert short.view.records == long.view.records


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0\2/a",
        b"\xff\xff\xff\xff" + bytes(12),
        encode(SetDataRequest(b"/a", b"1", -1))[:-1],
        encode(SetDataRequest(b"/a", b"1", -1)) + b"\0",
        encode(SetDataRequest(b"/a", None, -1)),
        encode(SetDataRequest(b"/none", b"", -1)),
        encode(SetDataRequest(b"/a", b"", 3)),
        encode(SetDataRequest(b"/guarded", b"", -1)),
        encode(SetDataRequest(b"/ttl", b"", -1)),
        encode(SetDataRequest(b"/zookeeper/quota", b"", -1)),
    ],
)
def test_what_is_out_of_the_ordinary_is_declined_and_changes_nothing(body: bytes) -> None:
    rig = grown()
    before = rig.role.proposed, rig.view.digest, dict(rig.view.records)
    assert PlainSets(rig.prep).prepare(rig.me, 1, body, 0, len(body)) is None
    assert (rig.role.proposed, rig.view.digest, dict(rig.view.records)) == before
