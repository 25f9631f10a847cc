"""Production parts that note what passes: the queue's history, what was replayed."""

from __future__ import annotations

from struct import Struct

from zoo.jute.operations import Op
from zoo.sim.member_parts import NotedHistory, NotedLog
from zoo.sim.prefixes import Prefix, Prefixes
from zoo.zab.ready import Install

_HEADER = Struct(">qiqqi")


def entry(zxid: int, kind: int = Op.setData, session: int = 7) -> bytes:
    return _HEADER.pack(session, 1, zxid, 0, kind)


class Stage:
    def __init__(self) -> None:
        self.prefixes = Prefixes()
        self.snapshots: dict[int, Prefix] = {0: self.prefixes.root}
        self.closing: list[tuple[int, int]] = []
        self.log = NotedLog(
            self.prefixes,
            self.prefixes.root,
            self.snapshots.__getitem__,
            lambda session, zxid: self.closing.append((session, zxid)),
        )


def test_the_queue_knows_its_history() -> None:
    stage = Stage()
    log = stage.log
    log.append(1, entry(1))
    log.append_run(2, [entry(2), entry(3)])
    assert log.end.zxid == log.appended == 3
    assert log.up_to(2).zxid == 2
    cut = log.end.parent
    log.truncate(2)
    assert log.end is cut
    log.append(3, b"another" + entry(3)[7:])
    assert log.up_to(3) is log.end
    assert log.end.parent is cut


def test_an_installed_snapshot_is_the_history_that_it_was_sent_for() -> None:
    stage = Stage()
    other = stage.prefixes.after(stage.prefixes.root, 9, entry(9))
    stage.snapshots[9] = other
    stage.log.install(Install(9, [b"x"], is_first=True, is_last=False))
    assert stage.log.end is stage.prefixes.root
    stage.log.install(Install(9, [b"x"], is_first=False, is_last=True))
    assert stage.log.end is other


def test_ends_of_sessions_are_told() -> None:
    stage = Stage()
    stage.log.append(1, entry(1, Op.closeSession, -5))
    stage.log.append_run(2, [entry(2), entry(3, Op.closeSession)])
    assert stage.closing == [(-5, 1), (7, 3)]


def test_the_history_that_recovery_replays() -> None:
    stage = Stage()
    stage.snapshots[2] = base = stage.prefixes.after(stage.prefixes.root, 2, entry(2))
    history = NotedHistory(stage.prefixes, stage.snapshots.__getitem__, 100)
    history.reset(2)
    history.load(3, entry(3))
    history.load(4, entry(4))
    end = history.loaded()
    assert end.contains(base)
    assert (end.zxid, history.last_zxid) == (4, 4)
    history.reset(9)  # a leader's snapshot is nothing to it
    assert history.end is end
