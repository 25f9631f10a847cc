"""Locks in the simulated world: they are taken in turns, and two holders are seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.entries import SESSION, created, deleted, opened
from tests.sim.test_cluster import CALM, ROUGH
from zoo.sim.checking import Violation
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import SECOND
from zoo.sim.history import History
from zoo.sim.locking import Locks, token_of
from zoo.sim.schedule import Schedule

ONE, TWO = b"51-0000000000", b"52-0000000001"


def stage() -> tuple[History, Locks]:
    """Two wait for the lock; the first goes with transaction 5."""
    history = History()
    for entry in (
        opened(1, SESSION),
        created(2, b"/lock", 1),
        created(3, b"/lock/" + ONE, 1, ephemeral=True),
        created(4, b"/lock/" + TWO, 2, ephemeral=True),
        deleted(5, b"/lock/" + ONE),
    ):
        history.append(entry)
    return history, Locks(history, Schedule())


def test_the_lock_goes_from_one_to_the_next() -> None:
    _, locks = stage()
    locks.has_lock("a", ONE, 4)
    locks.has_lock("b", TWO, 5)
    locks.has_lock("a", ONE, 3)  # told late, by a member that lags
    assert locks.taken == 3
    assert token_of(TWO) == 1


@pytest.mark.parametrize(("who", "name", "zxid"), [("b", TWO, 4), ("a", ONE, 5), ("a", ONE, 2)])
def test_who_is_not_the_first_has_no_lock(who: str, name: bytes, zxid: int) -> None:
    _, locks = stage()
    with pytest.raises(Violation, match=f"{who} has the lock"):
        locks.has_lock(who, name, zxid)


def test_a_token_belongs_to_one() -> None:
    _, locks = stage()
    locks.has_lock("a", ONE, 3)
    with pytest.raises(Violation, match="the lock goes from"):
        locks.has_lock("b", ONE, 4)


def locks_of(world: ClusterWorld) -> Locks:
    return next(checker for checker in world.service.all if isinstance(checker, Locks))


def test_lockers_take_turns() -> None:
    world = ClusterWorld(1, scenario=replace(CALM, clients=1, lockers=3))
    world.run(4 * SECOND)
    assert locks_of(world).taken > 10


def test_they_do_so_when_much_goes_wrong() -> None:
    taken = 0
    for seed in range(4):
        world = ClusterWorld(seed, scenario=replace(ROUGH, clients=1, lockers=3))
        world.run(5 * SECOND)
        taken += locks_of(world).taken
    assert taken > 10
