"""Our recipes beside kazoo's and Apache Curator's on the same znodes: one fleet, one rule.

Each test runs with either library, ours in the layout that the other one knows. What is guarded is
a number in the service that everybody raises by reading and writing it: an overlap makes it short.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import fleets, harness
from tests.interop.fleets import FLEETS, Fleet, expect, obey
from tests.interop.harness import Server, running, wait_until
from zoo.client.blocking import Client
from zoo.recipes import blocking

pytestmark = [pytest.mark.interop]

ROUNDS = 15


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if reason := harness.missing("zoo"):
        pytest.skip(reason)
    with running("zoo", tmp_path_factory.mktemp("mixed")) as server:
        yield server


@pytest.fixture(scope="module", params=FLEETS)
def fleet(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    if reason := fleets.missing(request.param):
        pytest.skip(reason)
    directory: Path = tmp_path_factory.mktemp(request.param)
    found = FLEETS[request.param](server.address, directory)
    yield found
    found.end()


@pytest.fixture
def zk(server: Server) -> Iterator[Client[bytes]]:
    with Client(server.address) as client:
        yield client


@pytest.fixture
def path(fleet: Fleet, request: pytest.FixtureRequest) -> str:
    """Of this test alone."""
    words = "".join(each if each.isalnum() else "-" for each in request.node.name)
    return f"/{words}"


def contender(zk: Client[bytes], kind: str, path: str, limit: int, layout: Any) -> Any:
    """One of ours; `with` acquires and releases it."""
    if kind == "semaphore":
        return blocking.Semaphore(zk, path, limit, layout=layout)
    if kind == "latch":
        return blocking.Election(zk, path, layout=layout)
    if kind == "lock":
        return blocking.Lock(zk, path, layout=layout)
    rw = blocking.RWLock(zk, path, layout=layout)
    return rw.read if kind == "read" else rw.write


def started(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("kind", ["lock", "latch", "write", "semaphore"])
def test_one_at_a_time(zk: Client[bytes], fleet: Fleet, path: str, kind: str) -> None:
    number = f"{path}-number"
    zk.create(number, b"0")

    def race() -> None:
        ours = contender(zk, kind, path, 1, fleet.layout)
        for _ in range(ROUNDS):
            with ours:
                value = int(zk.get(number).data)
                zk.set(number, b"%d" % (value + 1))

    theirs = [fleet.begin(f"race {kind} {path} 1 {number} {ROUNDS}") for _ in range(2)]
    threads = [started(race) for _ in range(2)]
    for each in theirs:
        expect(fleet, each, "done")
    for thread in threads:
        thread.join(fleets.DEADLINE)
    assert int(zk.get(number).data) == 4 * ROUNDS


@pytest.mark.parametrize("kind", ["lock", "latch", "write"])
def test_each_waits_for_the_other(zk: Client[bytes], fleet: Fleet, path: str, kind: str) -> None:
    with contender(zk, kind, path, 1, fleet.layout) as place:
        waiting = fleet.begin(f"acquire {kind} {path} 1")
        wait_until(lambda: len(zk.children(path)) == 2, fleets.DEADLINE, "both are in line")
        zk.sync()
        assert fleet.answer(waiting) is None
        assert place.is_held
    expect(fleet, waiting, "held")
    ours = contender(zk, kind, path, 1, fleet.layout)
    thread = started(ours.lead if kind == "latch" else ours.acquire)
    wait_until(lambda: len(zk.children(path)) == 2, fleets.DEADLINE, "both are in line")
    zk.sync()
    assert thread.is_alive()
    obey(fleet, f"release {waiting}", "released")
    thread.join(fleets.DEADLINE)
    assert ours.is_leader if kind == "latch" else ours.is_held


def test_readers_share_and_a_writer_waits(zk: Client[bytes], fleet: Fleet, path: str) -> None:
    reading = obey(fleet, f"acquire read {path} 1", "held")
    rw = blocking.RWLock(zk, path, layout=fleet.layout)
    with rw.read:
        writing = fleet.begin(f"acquire write {path} 1")
        wait_until(lambda: len(zk.children(path)) == 3, fleets.DEADLINE, "all are in line")
        obey(fleet, f"release {reading}", "released")
        zk.sync()
        assert fleet.answer(writing) is None
    expect(fleet, writing, "held")
    late = started(rw.read.acquire)
    wait_until(lambda: len(zk.children(path)) == 2, fleets.DEADLINE, "both are in line")
    assert late.is_alive()
    obey(fleet, f"release {writing}", "released")
    late.join(fleets.DEADLINE)
    assert rw.read.is_held


def test_leases_are_counted_together(zk: Client[bytes], fleet: Fleet, path: str) -> None:
    ours = blocking.Semaphore(zk, path, 2, layout=fleet.layout)
    first = ours.acquire(fleets.DEADLINE)
    second = obey(fleet, f"acquire semaphore {path} 2", "held")
    third = fleet.begin(f"acquire semaphore {path} 2")
    fourth = blocking.Semaphore(zk, path, 2, layout=fleet.layout)
    turns = fleet.layout.turns.format(path)
    wait_until(lambda: len(zk.children(turns)) == 1, fleets.DEADLINE, "the third is in line")
    thread = started(fourth.acquire)
    wait_until(lambda: len(zk.children(turns)) == 2, fleets.DEADLINE, "the fourth is in line")
    assert fleet.answer(third) is None
    first.leave()
    expect(fleet, third, "held")
    assert thread.is_alive()
    obey(fleet, f"release {second}", "released")
    thread.join(fleets.DEADLINE)
    assert ours.holders() == 2


def test_all_begin_and_end_together(zk: Client[bytes], fleet: Fleet, path: str) -> None:
    for _ in range(3):
        ours = [blocking.DoubleBarrier(zk, path, 4) for _ in range(2)]
        entering = [started(barrier.enter) for barrier in ours]
        first = fleet.begin(f"enter {path} 4")
        wait_until(
            lambda: zk.exists(path) is not None and len(zk.children(path)) == 3,
            fleets.DEADLINE,
            "three have come",
        )
        assert fleet.answer(first) is None
        assert all(thread.is_alive() for thread in entering)
        second = obey(fleet, f"enter {path} 4", "inside")
        expect(fleet, first, "inside")
        for thread in entering:
            thread.join(fleets.DEADLINE)
            assert not thread.is_alive()
        leaving = [started(barrier.leave) for barrier in ours]
        leaves = fleet.begin(f"release {first}")
        wait_until(lambda: len(zk.children(path)) < 5, fleets.DEADLINE, "some leave")
        assert fleet.answer(leaves) is None
        obey(fleet, f"release {second}", "released")
        expect(fleet, leaves, "released")
        for thread in leaving:
            thread.join(fleets.DEADLINE)
            assert not thread.is_alive()
        assert zk.children(path) == []


def test_members_of_a_group_see_each_other(zk: Client[bytes], fleet: Fleet, path: str) -> None:
    with blocking.Group(zk, path, "ours", b"data") as group:
        joined = obey(fleet, f"join {path} theirs", "joined")
        wait_until(lambda: len(group.members()) == 2, fleets.DEADLINE, "we see both")
        assert group.members()["ours"] == b"data"
        listed = f"[{', '.join(sorted(group.members()))}]"

        def is_listed() -> bool:
            number = fleet.begin(f"members {path}")
            return wait_until(lambda: fleet.answer(number), fleets.DEADLINE, "answered") == listed

        wait_until(is_listed, fleets.DEADLINE, "they see both")
        obey(fleet, f"release {joined}", "released")
        wait_until(lambda: list(group.members()) == ["ours"], fleets.DEADLINE, "they left")
