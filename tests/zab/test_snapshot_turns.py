from __future__ import annotations

from typing import Any

from zoo.zab.replica import SnapshotStream
from zoo.zab.snapshot_turns import MAX_SNAPSHOTS, SnapshotTurns


class Handler:
    def __init__(self) -> None:
        self.has_snapshot = False

    def send_snapshot(self, snapshot: SnapshotStream) -> None:
        self.has_snapshot = True


class Replica:
    busy = False

    def snapshot(self) -> SnapshotStream | None:
        return None if self.busy else SnapshotStream(7, iter(()))


def test_a_few_at_a_time_in_the_order_of_their_coming() -> None:
    handlers = [Handler() for _ in range(MAX_SNAPSHOTS + 2)]
    anything: Any = handlers
    replica: Any = Replica()
    turns = SnapshotTurns(replica, anything)
    for handler in anything:
        turns.wants(handler)
    assert [each.has_snapshot for each in handlers[-3:]] == [True, False, False]
    turns.gone(anything[-2])
    assert len(turns) == 1
    handlers[0].has_snapshot = False
    turns.go_on()
    assert handlers[-1].has_snapshot
    assert not handlers[-2].has_snapshot


def test_while_the_state_is_being_read_all_wait() -> None:
    handler: Any = Handler()
    replica: Any = Replica()
    replica.busy = True
    turns = SnapshotTurns(replica, [handler])
    turns.wants(handler)
    assert not handler.has_snapshot
    replica.busy = False
    turns.go_on()
    assert handler.has_snapshot
