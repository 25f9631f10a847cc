"""A simulated machine: its process plans only for its own life, pauses, and has two clocks."""

from __future__ import annotations

import pytest

from zoo.persistence.storage import StorageFailed
from zoo.sim.disk import Interrupted
from zoo.sim.host import Host
from zoo.sim.schedule import Schedule


class Server(Host):
    def __init__(self) -> None:
        self.lines: list[str] = []
        super().__init__(Schedule(), 3, self.lines.append)
        self.done: list[str] = []

    def plan(self, delay: int, name: str) -> None:
        self.later(delay, lambda: self.done.append(name))

    def stopped(self, failure: StorageFailed | Interrupted) -> None:
        self.done.append(str(failure))


def test_what_a_dead_process_had_planned_does_not_happen() -> None:
    server = Server()
    server.plan(10, "old")
    server.end()
    server.plan(20, "new")
    server.schedule.run_until(100)
    assert server.done == ["new"]


def test_a_pause_puts_everything_off_in_order() -> None:
    server = Server()
    server.plan(10, "one")
    server.plan(20, "two")
    server.stall(1_000)
    assert server.is_stalled
    server.schedule.run_until(999)
    assert server.done == []
    server.schedule.run_until(1_001)
    assert server.done == ["one", "two"]


def test_who_sleeps_does_not_notice_the_time() -> None:
    awake, asleep = Server(), Server()
    awake.stall(5_000_000)
    asleep.stall(5_000_000, asleep=True)
    for server in (awake, asleep):
        server.schedule.run_until(6_000_000)
    assert awake.now_ms - asleep.now_ms == 5_000
    assert awake.wall_ms == asleep.wall_ms
    awake.wall_offset_ms = -50
    assert asleep.wall_ms - awake.wall_ms == 50


@pytest.mark.parametrize("failure", [StorageFailed("write to", "log", "EIO"), Interrupted("cut")])
def test_a_failing_disk_ends_the_process(failure: Exception) -> None:
    server = Server()

    def fail() -> None:
        raise failure

    server.later(1, fail)
    server.schedule.run_until(10)
    assert server.done == [str(failure)]


def test_trace_names_the_server() -> None:
    server = Server()
    server.trace("starts")
    assert server.lines == ["s3 starts"]
