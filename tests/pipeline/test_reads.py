"""What each read answers, whom it refuses, and what it leaves watched."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.rig import ADMIN_ONLY, OPEN, Requester, Rig
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.codec import JuteError
from zoo.jute.constants import AddWatchMode, EventType, WatcherType
from zoo.jute.multi import encode_request
from zoo.jute.operations import Op
from zoo.jute.records import ACL, Id
from zoo.jute.schema import encode
from zoo.pipeline.reads import READS

SECRET = [ACL(31, "digest", "joe:hash"), ACL(1, "ip", "127.0.0.1")]


@pytest.fixture
def rig() -> Rig:
    """/a with /a/1, /a/2, /a/2/3; /guarded, where only ADMIN is granted; /eph; /ttl."""
    rig = Rig()
    for path, flags in ((b"/a", 0), (b"/a/1", 0), (b"/a/2", 0), (b"/a/2/3", 0), (b"/eph", 1)):
        rig.do(Op.create, c.CreateRequest(path, b"at " + path, OPEN, flags))
    rig.do(Op.create, c.CreateRequest(b"/guarded", b"secret", ADMIN_ONLY, 0))
    rig.do(Op.createTTL, c.CreateTTLRequest(b"/ttl", b"", OPEN, 5, 50))
    return rig


def test_get_data_and_exists(rig: Rig) -> None:
    found = rig.read(Op.getData, c.GetDataRequest(b"/a", False))
    assert found.data == b"at /a"
    assert (found.stat.num_children, found.stat.data_length) == (2, 5)
    assert rig.read(Op.exists, c.ExistsRequest(b"/a", False)).stat == found.stat
    assert rig.read(Op.getData, c.GetDataRequest(b"", False)) == rig.read(
        Op.getData, c.GetDataRequest(b"/", False)
    )


@pytest.mark.parametrize(
    ("op", "record"),
    [
        (Op.getData, c.GetDataRequest),
        (Op.exists, c.ExistsRequest),
        (Op.getChildren, c.GetChildrenRequest),
        (Op.getChildren2, c.GetChildren2Request),
    ],
)
def test_missing_and_guarded_znodes(rig: Rig, op: Op, record: Any) -> None:
    assert rig.read(op, record(b"/none", False)) == Code.NONODE
    refused = rig.read(op, record(b"/guarded", False))
    assert refused == Code.NOAUTH
    rig.me.identities.append(Id("super", ""))
    assert not isinstance(rig.read(op, record(b"/guarded", False)), int)


def test_what_marks_ttls_and_containers_is_not_shown(rig: Rig) -> None:
    for op, record in ((Op.getData, c.GetDataRequest), (Op.exists, c.ExistsRequest)):
        assert rig.read(op, record(b"/ttl", False)).stat.ephemeral_owner == 0
        assert rig.read(op, record(b"/eph", False)).stat.ephemeral_owner == rig.me.session_id


@pytest.mark.parametrize("op", [Op.getData, Op.exists])
def test_plain_reads_are_answered_without_looking_twice(rig: Rig, op: Op) -> None:
    rig.do(Op.create, c.CreateRequest(b"/plain", b"data", OPEN, 0))
    rig.do(Op.create, c.CreateRequest(b"/guarded", b"", ADMIN_ONLY, 0))
    rig.do(Op.createContainer, c.CreateRequest(b"/box", b"", OPEN, 4))
    for path in (b"/plain", b"/", b"/zookeeper/quota"):
        payload = encode(c.GetDataRequest(path, False))
        assert rig.reads.plain(op, payload) == READS[op](rig.reads, rig.me, payload)
    plain = encode(c.GetDataRequest(b"/plain", False))
    others = [encode(c.GetDataRequest(path, False)) for path in (b"/guarded", b"/box", b"/no", b"")]
    others += [
        plain[:-1] + b"\1",
        b"",
        plain[:3],
        plain[:5],
        b"\0\0\0\7" + plain[4:],
        plain + b"\0",
    ]
    assert [rig.reads.plain(op, payload) for payload in others] == [None] * len(others)


def test_children(rig: Rig) -> None:
    assert rig.read(Op.getChildren, c.GetChildrenRequest(b"/a", False)).children == [b"1", b"2"]
    assert rig.read(Op.getChildren, c.GetChildrenRequest(b"/a/1", False)).children == []
    below = rig.read(Op.getChildren2, c.GetChildren2Request(b"/", False))
    assert set(below.children) == {b"a", b"eph", b"guarded", b"ttl", b"zookeeper"}
    assert below.stat.num_children == 5


def test_all_children_number(rig: Rig) -> None:
    def count(path: bytes) -> Any:
        return rig.read(Op.getAllChildrenNumber, c.GetAllChildrenNumberRequest(path))

    assert count(b"/a").total_number == 3
    assert count(b"/").total_number == len(rig.tree.nodes) - 1
    assert count(b"/guarded") == Code.NOAUTH
    assert count(b"/none") == Code.NONODE


def test_ephemerals(rig: Rig) -> None:
    def mine(prefix: bytes, who: Requester | None = None) -> Any:
        return rig.read(Op.getEphemerals, c.GetEphemeralsRequest(prefix), who).ephemerals

    assert mine(b"/") == mine(b"") == mine(b"/e") == [b"/eph"]
    assert mine(b"/x") == []
    assert mine(b"/", Requester(0x77)) == []


def test_get_acl_masks_digests_for_those_who_are_no_admins(rig: Rig) -> None:
    rig.do(Op.setACL, c.SetACLRequest(b"/a", SECRET, -1))
    shown = rig.read(Op.getACL, c.GetACLRequest(b"/a"))
    assert shown.acl == [ACL(31, "digest", "joe:x"), SECRET[1]]
    assert shown.stat.aversion == 1
    joe = Requester()
    joe.identities.append(Id("digest", "joe:hash"))
    assert rig.read(Op.getACL, c.GetACLRequest(b"/a"), joe).acl == SECRET
    stranger = Requester()
    stranger.identities[:] = [Id("ip", "10.0.0.9")]
    assert rig.read(Op.getACL, c.GetACLRequest(b"/a"), stranger) == Code.NOAUTH


def test_get_acl_needs_read_or_admin(rig: Rig) -> None:
    assert rig.read(Op.getACL, c.GetACLRequest(b"/guarded")).acl == ADMIN_ONLY
    rig.me.identities.append(Id("super", ""))
    rig.do(Op.setACL, c.SetACLRequest(b"/guarded", [ACL(4, "world", "anyone")], -1))
    rig.me.identities.pop()
    assert rig.read(Op.getACL, c.GetACLRequest(b"/guarded")) == Code.NOAUTH
    assert rig.read(Op.getACL, c.GetACLRequest(b"/a")).acl == OPEN


def change(rig: Rig, path: bytes) -> None:
    assert rig.do(Op.setData, c.SetDataRequest(path, b"", -1)).err == 0


def test_a_watch_is_left_only_where_the_read_was_answered(rig: Rig) -> None:
    watches = rig.tree.watches
    for path in (b"/a", b"/guarded", b"/none"):
        rig.read(Op.getData, c.GetDataRequest(path, True))
        rig.read(Op.getChildren, c.GetChildrenRequest(path, True))
    assert set(watches.data.paths) == set(watches.children.paths) == {b"/a"}
    rig.read(Op.exists, c.ExistsRequest(b"/none", True))
    rig.read(Op.exists, c.ExistsRequest(b"/guarded", True))
    assert set(watches.data.paths) == {b"/a", b"/none"}
    rig.do(Op.create, c.CreateRequest(b"/none", b"", OPEN, 0))
    change(rig, b"/a")
    change(rig, b"/a")
    assert rig.me.events == [
        (EventType.NODE_CREATED, b"/none"),
        (EventType.NODE_DATA_CHANGED, b"/a"),
    ]


def test_add_check_and_remove_watches(rig: Rig) -> None:
    def check(kind: WatcherType) -> Any:
        return rig.read(Op.checkWatches, c.CheckWatchesRequest(b"/a", kind))

    assert rig.read(Op.addWatch, c.AddWatchRequest(b"/a", AddWatchMode.PERSISTENT)).err == 0
    assert check(WatcherType.PERSISTENT) == b""
    assert check(WatcherType.PERSISTENT_RECURSIVE) == Code.NOWATCHER
    change(rig, b"/a")
    change(rig, b"/a")
    assert len(rig.me.events) == 2
    remove = c.RemoveWatchesRequest(b"/a", WatcherType.ANY)
    assert rig.read(Op.removeWatches, remove) == b""
    assert rig.read(Op.removeWatches, remove) == Code.NOWATCHER
    assert rig.read(Op.addWatch, c.AddWatchRequest(b"/a", 7)) == Code.MARSHALLINGERROR
    assert rig.read(Op.checkWatches, c.CheckWatchesRequest(b"/a", 9)) == Code.MARSHALLINGERROR


@pytest.mark.parametrize("op", [Op.setWatches, Op.setWatches2])
def test_set_watches_tells_what_was_missed_and_keeps_the_rest(rig: Rig, op: Op) -> None:
    seen = rig.tree.last_zxid
    change(rig, b"/a/1")
    rig.do(Op.create, c.CreateRequest(b"/a/2/new", b"", OPEN, 0))
    lists: list[list[bytes]] = [[b"/a", b"/a/1", b"/gone"], [b"/eph", b"/later"], [b"/a", b"/a/2"]]
    if op == Op.setWatches:
        rig.read(op, c.SetWatches(seen, *lists))
    else:
        data, exist, child = lists
        rig.read(op, c.SetWatches2(seen, data, exist, child, [b"/a"], [b"/a/2"]))
    assert sorted(rig.me.events) == [
        (EventType.NODE_CREATED, b"/eph"),
        (EventType.NODE_DELETED, b"/gone"),
        (EventType.NODE_DATA_CHANGED, b"/a/1"),
        (EventType.NODE_CHILDREN_CHANGED, b"/a/2"),
    ]
    assert {b"/a", b"/later"} <= set(rig.tree.watches.data.paths)
    assert bool(rig.tree.watches.data.recursive) is (op == Op.setWatches2)


def test_multi_read_answers_part_by_part(rig: Rig) -> None:
    results = rig.read(
        Op.multiRead,
        [
            (Op.getData, c.GetDataRequest(b"/a", False)),
            (Op.getData, c.GetDataRequest(b"/none", False)),
            (Op.getChildren, c.GetChildrenRequest(b"/a", False)),
            (Op.getChildren, c.GetChildrenRequest(b"/guarded", False)),
            (Op.getData, c.GetDataRequest(b"/ttl", False)),
        ],
    )
    assert [op for op, _ in results] == [
        Op.getData,
        Op.error,
        Op.getChildren,
        Op.error,
        Op.getData,
    ]
    assert results[0][1].data == b"at /a"
    assert (results[1][1].err, results[3][1].err) == (Code.NONODE, Code.NOAUTH)
    assert results[2][1].children == [b"1", b"2"]
    assert results[4][1].stat.ephemeral_owner == 0


def test_sync_and_who_am_i(rig: Rig) -> None:
    assert rig.read(Op.sync, c.SyncRequest(b"/any")).path == b"/any"
    rig.me.identities.append(Id("digest", "joe:hash"))
    infos = rig.read(Op.whoAmI, None).client_info
    assert [(info.auth_scheme, info.user) for info in infos] == [
        ("ip", "127.0.0.1"),
        ("digest", "joe"),
    ]


@pytest.mark.parametrize("op", [op for op in READS if op not in (Op.whoAmI,)])
def test_short_bodies_are_jute_errors(rig: Rig, op: int) -> None:
    with pytest.raises(JuteError):
        READS[op](rig.reads, rig.me, b"\0\0")


# --- bytes


def body(rig: Rig, op: Op, record: Any) -> bytes:
    return READS[op](rig.reads, rig.me, encode(record))


def test_reply_bodies_to_the_byte(rig: Rig) -> None:
    record = rig.tree.nodes[b"/a"]
    names = b"\0\0\0\2" + b"\0\0\0\x011" + b"\0\0\0\x012"
    stat = record[-68:]
    assert body(rig, Op.getData, c.GetDataRequest(b"/a", False)) == record
    assert record[:9] == b"\0\0\0\5at /a"
    assert body(rig, Op.exists, c.ExistsRequest(b"/a", False)) == stat
    assert body(rig, Op.getChildren, c.GetChildrenRequest(b"/a", False)) == names
    assert body(rig, Op.getChildren2, c.GetChildren2Request(b"/a", False)) == names + stat
    assert body(rig, Op.getACL, c.GetACLRequest(b"/a")) == (
        b"\0\0\0\1" + b"\0\0\0\x1f" + b"\0\0\0\5world" + b"\0\0\0\6anyone" + stat
    )
    assert body(rig, Op.getAllChildrenNumber, c.GetAllChildrenNumberRequest(b"/a")) == b"\0\0\0\3"
    assert body(rig, Op.getEphemerals, c.GetEphemeralsRequest(b"/")) == b"\0\0\0\1\0\0\0\4/eph"
    assert body(rig, Op.sync, c.SyncRequest(b"/a")) == b"\0\0\0\2/a"
    assert body(rig, Op.sync, c.SyncRequest(None)) == b"\xff\xff\xff\xff"
    assert body(rig, Op.addWatch, c.AddWatchRequest(b"/a", 1)) == bytes(4)
    assert body(rig, Op.setWatches, c.SetWatches(0, [], [], [])) == b""


def test_a_multi_read_to_the_byte(rig: Rig) -> None:
    items = [
        (Op.getChildren, c.GetChildrenRequest(b"/a/1", False)),
        (Op.getData, c.GetDataRequest(b"/none", False)),
        (Op.getData, c.GetDataRequest(b"/a", False)),
    ]
    no_node = b"\xff\xff\xff\x9b"
    assert READS[Op.multiRead](rig.reads, rig.me, encode_request(items)) == (
        b"\0\0\0\x08" + b"\0" + bytes(4) + bytes(4)  # no children
        + b"\xff\xff\xff\xff" + b"\0" + no_node + no_node
        + b"\0\0\0\x04" + b"\0" + bytes(4) + rig.tree.nodes[b"/a"]
        + b"\xff\xff\xff\xff" + b"\1" + b"\xff\xff\xff\xff"
    )  # fmt: skip


def test_null_data_stays_null(rig: Rig) -> None:
    rig.do(Op.setData, c.SetDataRequest(b"/a", None, -1))
    found = rig.read(Op.getData, c.GetDataRequest(b"/a", False))
    assert found.data is None
    assert found.stat.data_length == 0


# --- corners


def test_paths_that_no_znode_can_have(rig: Rig) -> None:
    assert rig.read(Op.exists, c.ExistsRequest(b"/a\0", True)) == Code.BADARGUMENTS
    assert rig.read(Op.exists, c.ExistsRequest(b"bad", False)) == Code.NONODE
    assert rig.read(Op.getData, c.GetDataRequest(b"/a/", False)) == Code.NONODE
    assert not rig.tree.watches.data.paths


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        (None, [b"/eph", b"/e", b"/a/eph"]),
        (b"", [b"/eph", b"/e", b"/a/eph"]),
        (b"  ", [b"/eph", b"/e", b"/a/eph"]),
        (b" / ", [b"/eph", b"/e", b"/a/eph"]),
        (b"/e", [b"/eph", b"/e"]),
        (b"/ep", [b"/eph"]),
        (b"/a", [b"/a/eph"]),
        (b"/a/", [b"/a/eph"]),
        (b"eph", []),
    ],
)
def test_the_prefix_of_ephemerals_is_one_of_text(
    rig: Rig, prefix: bytes | None, found: list[bytes]
) -> None:
    for path in (b"/e", b"/a/eph"):
        rig.do(Op.create, c.CreateRequest(path, b"", OPEN, 1))
    assert rig.read(Op.getEphemerals, c.GetEphemeralsRequest(prefix)).ephemerals == found


def test_a_watch_on_children_fires_once(rig: Rig) -> None:
    for _ in range(2):
        rig.read(Op.getChildren, c.GetChildrenRequest(b"/a", True))
        rig.read(Op.getChildren2, c.GetChildren2Request(b"/a", True))
    for name in (b"/a/3", b"/a/4"):
        rig.do(Op.create, c.CreateRequest(name, b"", OPEN, 0))
    assert rig.me.events == [(EventType.NODE_CHILDREN_CHANGED, b"/a")]


def test_a_recursive_watch_hears_of_everything_below(rig: Rig) -> None:
    rig.read(Op.addWatch, c.AddWatchRequest(b"/a", AddWatchMode.PERSISTENT_RECURSIVE))
    change(rig, b"/a/2/3")
    rig.do(Op.delete, c.DeleteRequest(b"/a/2/3", -1))
    change(rig, b"/eph")
    assert rig.me.events == [
        (EventType.NODE_DATA_CHANGED, b"/a/2/3"),
        (EventType.NODE_DELETED, b"/a/2/3"),
    ]


def test_what_set_watches_armed_fires(rig: Rig) -> None:
    seen = rig.tree.last_zxid
    rig.read(
        Op.setWatches2,
        c.SetWatches2(seen, [b"/a/1"], [b"/later"], [b"/a"], [b"/eph"], [b"/a/2"]),
    )
    assert rig.me.events == []
    for path in (b"/a/1", b"/a/1", b"/eph", b"/eph", b"/a/2/3"):
        change(rig, path)
    rig.do(Op.create, c.CreateRequest(b"/later", b"", OPEN, 0))
    rig.do(Op.delete, c.DeleteRequest(b"/a/1", -1))
    assert rig.me.events == [
        (EventType.NODE_DATA_CHANGED, b"/a/1"),
        (EventType.NODE_DATA_CHANGED, b"/eph"),
        (EventType.NODE_DATA_CHANGED, b"/eph"),
        (EventType.NODE_DATA_CHANGED, b"/a/2/3"),
        (EventType.NODE_CREATED, b"/later"),
        (EventType.NODE_CHILDREN_CHANGED, b"/a"),
    ]


@pytest.mark.parametrize("mode", [-1, 2, 7])
def test_unknown_modes_and_types_of_watches(rig: Rig, mode: int) -> None:
    assert rig.read(Op.addWatch, c.AddWatchRequest(b"/a", mode)) == Code.MARSHALLINGERROR
    for op, record in (
        (Op.checkWatches, c.CheckWatchesRequest(b"/a", mode + 10)),
        (Op.removeWatches, c.RemoveWatchesRequest(b"/a", mode + 10)),
    ):
        assert rig.read(op, record) == Code.MARSHALLINGERROR
    assert len(rig.tree.watches) == 0


def test_the_root_has_two_names(rig: Rig) -> None:
    """Java keeps it as "" and as "/"."""
    rig.do(Op.setACL, c.SetACLRequest(b"/", [ACL(31, "ip", "127.0.0.1")], -1))
    for op, record in (
        (Op.getData, lambda path: c.GetDataRequest(path, False)),
        (Op.exists, lambda path: c.ExistsRequest(path, False)),
        (Op.getACL, c.GetACLRequest),
        (Op.getChildren, lambda path: c.GetChildrenRequest(path, False)),
        (Op.getChildren2, lambda path: c.GetChildren2Request(path, False)),
        (Op.getAllChildrenNumber, c.GetAllChildrenNumberRequest),
    ):
        assert body(rig, op, record(b"")) == body(rig, op, record(b"/"))
    body(rig, Op.setWatches, c.SetWatches(rig.tree.last_zxid, [b""], [], []))
    assert rig.me.events == []


def test_get_acl_and_children2_do_not_show_the_mark_either(rig: Rig) -> None:
    assert rig.read(Op.getACL, c.GetACLRequest(b"/ttl")).stat.ephemeral_owner == 0
    children = rig.read(Op.getChildren2, c.GetChildren2Request(b"/ttl", False))
    assert children.stat.ephemeral_owner == 0
