"""Simulated learner links: in order, cut anywhere, and when they break their tail is lost."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from zoo.sim.learner_links import CONNECT_TIMEOUT, WINDOW, End, Links
from zoo.sim.reach import Reach
from zoo.sim.schedule import Schedule
from zoo.zab.link import PeerLink


class Server:
    """A host that notes what its links say."""

    def __init__(self, schedule: Schedule, sid: int) -> None:
        self.schedule, self.sid, self.life = schedule, sid, 0
        self.is_up = self.has_power = True
        self.is_stalled = False
        self.accepted_ends: list[End] = []
        self.dirty: list[PeerLink] = []
        self.links: Links

    def later(self, delay: int, action: Callable[[], None]) -> None:
        life = self.life

        def run() -> None:
            if self.is_stalled:
                self.schedule.after(1_000, run)
            elif life == self.life:
                action()

        self.schedule.after(delay, run)

    def new_link(self, sid: int) -> PeerLink:
        return PeerLink(f"server {sid}", self.dirty)

    def accepted(self, end: End) -> None:
        end.link.owner = Notes()
        self.accepted_ends.append(end)

    def begin_turn(self) -> None:
        """Its links do not want to know the time."""

    def settle(self) -> None:
        dirty, self.dirty[:] = list(self.dirty), []
        for link in dirty:
            end = self.links.end_of(link)
            if end is not None:
                end.flush()


class Notes:
    def __init__(self) -> None:
        self.data = b""
        self.pieces = 0
        self.broken = 0

    def link_received(self, data: bytes) -> bytes:
        self.data += data
        self.pieces += 1
        return b""

    def link_broken(self) -> None:
        self.broken += 1


class Stage:
    def __init__(self) -> None:
        self.schedule, self.reach = Schedule(), Reach(Random(1))
        self.links = Links(self.schedule, Random(2), self.reach)
        self.one, self.two = Server(self.schedule, 1), Server(self.schedule, 2)
        self.one.links = self.two.links = self.links
        self.results: list[PeerLink | None] = []

    def run(self, us: int = 100_000) -> None:
        self.schedule.run_until(self.schedule.now + us)

    def dial(self) -> None:
        self.links.dial(self.one, self.two, self.results.append)

    def connected(self) -> tuple[PeerLink, Notes, Notes]:
        """The dialler's link, its notes, the other side's."""
        self.dial()
        self.run()
        (link,) = self.results
        assert link is not None
        near = link.owner = Notes()
        far = self.two.accepted_ends[0].link.owner
        assert isinstance(far, Notes)
        return link, near, far

    def send(self, link: PeerLink, data: bytes) -> None:
        link.send(data)
        self.one.settle()


def test_bytes_arrive_in_order_in_pieces_cut_anywhere() -> None:
    stage = Stage()
    stage.links.cuts = 0.5
    link, _, far = stage.connected()
    sent = b""
    for i in range(100):
        data = b"%05d" % i
        stage.send(link, data)
        stage.run(200)
        sent += data
    stage.run()
    assert far.data == sent
    assert far.pieces > 20
    assert link.out_size == 0


def test_both_ways_and_closing_behind_the_last_byte() -> None:
    stage = Stage()
    link, near, far = stage.connected()
    back = stage.two.accepted_ends[0].link
    back.send(b"hello")
    back.close()
    stage.two.settle()
    stage.run()
    assert (near.data, near.broken, far.broken) == (b"hello", 1, 1)
    assert len(stage.links) == 0
    stage.send(link, b"late")
    stage.run()
    assert far.data == b""


@pytest.mark.parametrize(
    ("break_it", "delay"),
    [("down", 0), ("unpowered", CONNECT_TIMEOUT), ("blocked", CONNECT_TIMEOUT)],
)
def test_a_dial_that_comes_to_nothing(break_it: str, delay: int) -> None:
    stage = Stage()
    if break_it == "blocked":
        stage.reach.block([2], [1])
    else:
        stage.two.is_up = False
        stage.two.has_power = break_it == "down"
    stage.dial()
    stage.run(delay)
    assert stage.results == []
    stage.run(5_000)
    assert stage.results == [None]


def test_a_broken_wire_loses_a_tail_and_both_sides_learn_of_it() -> None:
    lengths = set()
    for seed in range(30):
        stage = Stage()
        stage.links.rng = Random(seed)
        link, near, far = stage.connected()
        for i in range(5):
            stage.send(link, b"%d" % i)
        assert stage.links.break_some(1.0) == 1
        stage.send(link, b"x")
        stage.run()
        assert b"01234".startswith(far.data)
        assert (near.broken, far.broken) == (1, 1)
        lengths.add(len(far.data))
    assert len(lengths) > 3


def test_a_killed_process_closes_its_sockets() -> None:
    stage = Stage()
    _, near, _ = stage.connected()
    stage.two.is_up = False
    stage.two.life += 1
    stage.links.process_died(stage.two, power=False)
    stage.run()
    assert near.broken == 1


def test_a_machine_without_power_says_nothing_until_it_is_back() -> None:
    stage = Stage()
    link, near, _ = stage.connected()
    stage.two.is_up = stage.two.has_power = False
    stage.two.life += 1
    stage.links.process_died(stage.two, power=True)
    stage.send(link, b"is anybody there?")
    stage.run()
    assert near.broken == 0
    stage.two.is_up = stage.two.has_power = True
    stage.send(link, b"hello?")
    stage.run()
    assert near.broken == 1


def test_what_a_partition_holds_up_arrives_when_it_is_over() -> None:
    stage = Stage()
    link, near, far = stage.connected()
    stage.reach.block([1], [2])
    stage.send(link, b"one")
    stage.run()
    stage.send(link, b"two")
    stage.run()
    assert far.data == b""
    stage.reach.heal()
    stage.run()
    assert far.data == b"onetwo"
    assert near.broken == 0


def test_who_does_not_read_fills_the_window_and_then_the_sender() -> None:
    stage = Stage()
    link, _, far = stage.connected()
    stage.two.is_stalled = True
    stage.send(link, bytes(WINDOW))
    stage.send(link, bytes(1000))
    stage.run()
    assert link.out_size == 1000
    drained: list[int] = []
    link.on_drained = lambda: drained.append(link.out_size)
    stage.two.is_stalled = False
    stage.run()
    assert len(far.data) == WINDOW + 1000
    assert drained == [0]


def test_the_tap_hears_what_leaves() -> None:
    stage = Stage()
    heard: list[tuple[int, bytes]] = []
    stage.links.tap = lambda end, data: heard.append((end.host.sid, data))
    link, _, _ = stage.connected()
    stage.send(link, b"abc")
    assert heard == [(1, b"abc")]


def test_a_leader_is_reached_over_living_ends_only_and_over_one_other() -> None:
    stage = Stage()
    three = Server(stage.schedule, 3)
    three.links = stage.links
    stage.links.dial(three, stage.one, stage.results.append)
    stage.run()
    assert stage.links.reaches(3, 1)
    assert not stage.links.reaches(3, 2)
    assert not stage.links.reaches(1, 3), "only who has dialled learns"
    stage.dial()
    stage.run()
    assert stage.links.reaches(1, 2)
    assert stage.links.reaches(3, 2)
    stage.one.is_up = False
    assert not stage.links.reaches(3, 2)
    assert not stage.links.reaches(3, 1)
