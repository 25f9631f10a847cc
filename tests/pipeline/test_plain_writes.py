"""What all plain writes have in common: where nothing is plain, and where a run must end."""

from __future__ import annotations

import pytest

from tests.pipeline.plain_rig import FRAME, Server
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import encode
from zoo.pipeline.plain_creates import PlainCreates
from zoo.pipeline.plain_sets import PlainSets
from zoo.pipeline.plain_writes import PlainWrites
from zoo.zab.standalone import Standalone

REQUESTS = {
    PlainSets: [(Op.setData, encode(c.SetDataRequest(b"/a", b"", -1)))] * 5,
    PlainCreates: [
        (
            Op.create,
            encode(c.CreateRequest(b"/a/n%d" % number, b"", [ACL(31, "world", "anyone")], 0)),
        )
        for number in range(5)
    ],
}


def taken(server: Server, kind: type[PlainWrites]) -> int:
    plain = kind(server.rig.prep)
    data = b"".join(FRAME.pack(8 + len(body), 1, op) + body for op, body in REQUESTS[kind])
    run, stop = plain.take(server.rig.me, data, 0, len(data), 1000)  # type: ignore[attr-defined]
    assert stop == len(data) * len(run) // 5
    return len(run)


@pytest.mark.parametrize("kind", REQUESTS)
def test_without_digests_all_is_special(kind: type[PlainWrites]) -> None:
    assert taken(Server(None), kind) == 5
    server = Server(None)
    server.rig.view.digest_enabled = False
    assert taken(server, kind) == 0


@pytest.mark.parametrize("kind", REQUESTS)
def test_where_quotas_are_enforced_all_is_special(kind: type[PlainWrites]) -> None:
    assert taken(Server(None, enforce_quota=True), kind) == 0


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("left", [0, 1, 3, 9])
def test_a_run_stays_within_its_epoch(kind: type[PlainWrites], left: int) -> None:
    server = Server(None)
    server.rig.prep.order = server.rig.role = Standalone((2 << 32) - 2 - left)
    assert taken(server, kind) == min(left, 5)


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_frame_too_large_is_not_taken(kind: type[PlainWrites]) -> None:
    server = Server(None)
    data = b"".join(FRAME.pack(8 + len(body), 1, op) + body for op, body in REQUESTS[kind][:1])
    for limit, count in ((len(data) - 4, 1), (len(data) - 5, 0)):
        plain = kind(server.rig.prep, limit)
        run, _ = plain.take(server.rig.me, data, 0, len(data), 9)  # type: ignore[attr-defined]
        assert len(run) == count
