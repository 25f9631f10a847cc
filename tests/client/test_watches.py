from __future__ import annotations

import pytest

from zoo.client.watches import MAX_REARM_BYTES, Kind, WatchTable
from zoo.jute.client_records import SetWatches, SetWatches2
from zoo.jute.constants import EventType, KeeperState


class Recorder:
    def __init__(self) -> None:
        self.log: list[tuple[str, object]] = []

    def notify(self, kind: EventType, path: bytes, zxid: int) -> None:
        self.log.append((kind.name, path))

    def missed(self, path: bytes, why: str) -> None:
        self.log.append(("missed", path))

    def ended(self, path: bytes, state: KeeperState, why: str) -> None:
        self.log.append(("ended", path))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (EventType.NODE_CREATED, {Kind.DATA, Kind.EXIST}),
        (EventType.NODE_DATA_CHANGED, {Kind.DATA, Kind.EXIST}),
        (EventType.NODE_DELETED, {Kind.DATA, Kind.EXIST, Kind.CHILD}),
        (EventType.NODE_CHILDREN_CHANGED, {Kind.CHILD}),
    ],
)
def test_one_shot_watches_leave_with_their_event(kind: EventType, told: set[Kind]) -> None:
    table = WatchTable()
    one_shot = {each: Recorder() for each in (Kind.DATA, Kind.EXIST, Kind.CHILD)}
    for each, watcher in one_shot.items():
        table.add(each, b"/a", watcher)
    for _ in range(2):
        table.dispatch(kind, b"/a", 1)
    assert {each for each, watcher in one_shot.items() if watcher.log} == told
    assert all(len(one_shot[each].log) == 1 for each in told)
    assert len(table) == 3 - len(told)


def test_persistent_watches_stay_and_recursive_ones_hear_of_all_below() -> None:
    table, persistent, recursive = WatchTable(), Recorder(), Recorder()
    table.add(Kind.PERSISTENT, b"/a", persistent)
    table.add(Kind.RECURSIVE, b"/a", recursive)
    table.add(Kind.RECURSIVE, b"/", recursive)
    for kind, path in [
        (EventType.NODE_CHILDREN_CHANGED, b"/a"),
        (EventType.NODE_CREATED, b"/a/b"),
        (EventType.NODE_CREATED, b"/ab"),
        (EventType.NODE_DELETED, b"/a"),
    ]:
        table.dispatch(kind, path, 1)
    assert persistent.log == [("NODE_CHILDREN_CHANGED", b"/a"), ("NODE_DELETED", b"/a")]
    assert recursive.log == [
        ("NODE_CREATED", b"/a/b"),
        ("NODE_CREATED", b"/ab"),
        ("NODE_DELETED", b"/a"),
    ]


def test_a_watcher_is_told_once_per_event() -> None:
    table, watcher = WatchTable(), Recorder()
    for kind in Kind:
        table.add(kind, b"/a", watcher)
    table.dispatch(EventType.NODE_DELETED, b"/a", 1)
    assert watcher.log == [("NODE_DELETED", b"/a")]


def test_removed_at_the_server() -> None:
    table, watcher = WatchTable(), Recorder()
    table.add(Kind.CHILD, b"/a", watcher)
    table.add(Kind.DATA, b"/a", watcher)
    table.dispatch(EventType.CHILD_WATCH_REMOVED, b"/a", 1)
    assert watcher.log == [("ended", b"/a")]
    assert table.has(b"/a")


def test_discard_tells_when_the_last_one_left() -> None:
    table, one, two = WatchTable(), Recorder(), Recorder()
    table.add(Kind.DATA, b"/a", one)
    table.add(Kind.DATA, b"/a", two)
    assert not table.discard(Kind.DATA, b"/a", one)
    assert table.discard(Kind.DATA, b"/a", two)
    assert table.discard(Kind.DATA, b"/a")
    assert not table.has(b"/a")


def test_rearming_is_bounded_and_complete() -> None:
    table, watcher = WatchTable(), Recorder()
    paths = [b"/%d/" % n + b"x" * 1000 for n in range(300)]
    for path in paths:
        table.add(Kind.DATA, path, watcher)
    table.add(Kind.RECURSIVE, b"/r", watcher)
    requests = list(table.rearm(77))
    assert len(requests) == 3
    assert [type(r) for r in requests] == [SetWatches, SetWatches, SetWatches2]
    assert all(r.relative_zxid == 77 for r in requests)
    assert all(sum(len(p) + 4 for p in r.data_watches) <= MAX_REARM_BYTES for r in requests)
    assert [p for r in requests for p in r.data_watches] == paths
    last = requests[-1]
    assert isinstance(last, SetWatches2)
    assert last.persistent_recursive_watches == [b"/r"]
    assert list(WatchTable().rearm(1)) == []


def test_gaps_and_ends() -> None:
    table, one_shot, stream = WatchTable(), Recorder(), Recorder()
    table.add(Kind.EXIST, b"/a", one_shot)
    table.add(Kind.PERSISTENT, b"/b", stream)
    table.tell_gap("broken")
    table.drop_persistent("old server")
    assert stream.log == [("missed", b"/b"), ("ended", b"/b")]
    assert one_shot.log == []
    table.expire(KeeperState.EXPIRED, "expired")
    assert one_shot.log == [("ended", b"/a")]
    assert len(table) == 0
