"""The simulated driver: the steps of a Ready, crashes between them, stalls, failing disks."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from zoo.jute.client_records import CreateRequest
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.operations import Op
from zoo.sim.client import SimClient, State
from zoo.sim.client_port import ServerLink
from zoo.sim.disk import Faults
from zoo.sim.network import Link
from zoo.sim.schedule import Schedule
from zoo.sim.server import SimServer
from zoo.sim.world import Scenario, config_of


class Notes:
    """Observer of the server and of its client."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.names.append(name)


class Stage:
    def __init__(self, **scenario: int) -> None:
        self.schedule, self.notes, self.lines = Schedule(), Notes(), list[str]()
        config = config_of(Scenario(**{"purge_every_ms": 0, **scenario}))  # type: ignore[arg-type]
        self.server = SimServer(
            self.schedule, Random(1), config, self.notes, self.lines.append, (5_000, 5_000)
        )
        self.client = SimClient(
            "c", self.schedule, Random(2), self.notes, self._dial, 4_000, self.lines.append
        )

    def _dial(self, client: SimClient) -> Link:
        end = ServerLink(self.server)
        link = Link(self.schedule, Random(3), client, end, (10, 20))
        self.server.accept(end, link, "c:1")
        return link

    def run(self, ms: int) -> None:
        self.schedule.run_until(self.schedule.now + ms * 1000)

    def serving(self) -> Stage:
        self.server.start()
        self.client.connect()
        self.run(100)
        assert self.client.state is State.CONNECTED
        self.notes.names.clear()
        return self

    def create(self, path: bytes) -> None:
        record = CreateRequest(path, b"x", list(OPEN_ACL_UNSAFE), 0)
        self.client.submit(Op.create, record)


def test_the_steps_of_a_ready_come_in_the_contracts_order() -> None:
    stage = Stage().serving()
    stage.create(b"/a")
    stage.run(1)
    assert stage.notes.names == ["sent", "heard", "handed"]
    log = stage.server.disk.files["log.1"]
    assert log.data.endswith(b"B")
    assert len(log.durable) < len(log.data)
    stage.run(50)
    assert stage.notes.names == ["sent", "heard", "handed", "durable", "replied"]
    assert bytes(log.data) == log.durable


@pytest.mark.parametrize("power", [True, False])
def test_a_crash_in_mid_write_acknowledges_nothing(power: bool) -> None:
    stage = Stage().serving()
    stage.create(b"/a")
    stage.run(2)
    stage.server.crash(power=power)
    stage.run(100)
    assert "durable" not in stage.notes.names
    assert "replied" not in stage.notes.names
    stage.server.start()
    assert (b"/a" in stage.server.core.tree.nodes) or power
    stage.run(1_000)
    assert stage.client.state is State.CONNECTED


def test_a_stalled_server_does_nothing_and_then_everything() -> None:
    stage = Stage().serving()
    stage.server.stall(500_000)
    stage.create(b"/a")
    stage.run(490)
    assert "heard" not in stage.notes.names
    stage.run(100)
    assert "replied" in stage.notes.names


def test_a_failing_disk_stops_the_server_before_anything_is_acknowledged() -> None:
    stage = Stage().serving()
    stopped: list[bool] = []
    stage.server.on_stop = lambda: stopped.append(True)
    stage.server.disk.faults = Faults(syncs_until_failure=1)
    stage.create(b"/a")
    stage.run(100)
    assert stopped == [True]
    assert not stage.server.is_up
    assert "replied" not in stage.notes.names
    assert any("stops: cannot fsync log.1" in line for line in stage.lines)


def test_snapshots_are_taken_while_it_serves_and_old_ones_purged() -> None:
    stage = Stage(snap_count=10, purge_every_ms=100).serving()
    for i in range(100):
        stage.create(b"/n%d" % i)
        stage.run(20)
    assert stage.server.snapshots >= 8
    assert stage.server.purges >= 1
    assert len(stage.server.storage.snapshots()) < stage.server.snapshots
    stage.server.crash(power=True)
    stage.server.start()
    assert len(stage.server.core.tree.nodes) == 104


def test_nobody_is_served_while_it_is_down() -> None:
    stage = Stage()
    stage.client.connect()
    stage.run(50)
    assert stage.client.state is State.IDLE
