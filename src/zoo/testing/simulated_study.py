"""What a study of a recipe is: programs that use it hard, and its guarantee as a check.

Theory of operation. A study lives as long as one run. Its programs share it: what a program tells
it at the very moment is judged there and then (`Holders`: who has the lock now?), the rest at the
end from the notes and from the versions of znodes that the servers agreed on. `broken` studies the
checkers: a study with a recipe that is wrong on purpose must fail.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Container, Sequence
from typing import ClassVar, Protocol

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, TransactionFailedError
from zoo.client.transaction import Transaction
from zoo.errors import Code
from zoo.recipes.places import Place
from zoo.testing.simulated import Process, Program, Run

_SLEPT_LATELY = 60.0
LEDGER = "/ledger"


class Study(Protocol):
    """`NAME` is the recipe's, as `zoo simulate --recipes NAME` takes it."""

    NAME: ClassVar[str]

    def programs(self) -> Sequence[Program]: ...

    def check(self, run: Run) -> None:
        """Raises AssertionError when the guarantee was broken."""
        ...


class Operator:
    """A program that deletes what others count on, as one does to what seems to hang; in half of
    the runs."""

    def __init__(self, *folders: str) -> None:
        self._folders = folders
        self.struck: set[str] = set()
        """The paths that it meant to delete: before it was told that they are gone."""

    async def program(self, process: Process) -> None:
        if process.rng.random() < 0.5:
            async with process.connect() as zk:
                while not process.is_ending:
                    await asyncio.sleep(process.rng.expovariate(1.0))
                    with contextlib.suppress(ClientError):
                        await self._strike(process, zk)
        process.note("ended")

    async def _strike(self, process: Process, zk: AsyncClient[bytes]) -> None:
        folder = process.rng.choice(self._folders)
        names = await zk.children(folder)
        if names:
            path = f"{folder}/{process.rng.choice(sorted(names))}"
            self.struck.add(path)
            await zk.delete(path)


class Holders:
    """Who believes to hold something, judged at the moment when one more begins to.

    Whose znode an operator `struck` is told by a watch, so it may believe a moment too long. Three
    more cases are left out, in which `is_held` may be wrong and tokens are what one needs. A
    machine whose clock stood still believes too long. A member that is cut off from its leader
    answers its clients for a while, yet the leader hears nothing of them and ends their sessions.
    And it tells the leader of its clients once in a while only: for a session on the brink, of a
    process that was stopped or cut off, that may be too late.
    """

    def __init__(self, most: int = 1, struck: Container[str] = ()) -> None:
        self._most = most
        self._struck = struck
        self._inside: dict[Place, tuple[Process, str]] = {}
        self._tokens: dict[int, str] = {}

    def enter(self, process: Process, place: Place, mode: str = "") -> None:
        """`mode` "shared" is compatible with itself."""
        owner = f"{process.name}.{process.life}"
        before = self._tokens.setdefault(place.token, owner)
        assert before == owner, f"token {place.token} was {before}'s and is {owner}'s"
        self._inside[place] = process, mode
        if slept_lately(process) or place.path in self._struck:
            return
        others = [
            (who, kind)
            for held, (who, kind) in self._inside.items()
            if held is not place
            and held.is_held
            and held.path not in self._struck
            and not may_be_wrong(who, held)
        ]
        if place.is_held and (mode != "shared" or any(kind != "shared" for _, kind in others)):
            names = [who.name for who, _ in others]
            assert len(others) < self._most, (
                f"{process.name} holds {place.path} at {process.now:.6f}, and so do {names}"
            )

    def leave(self, place: Place) -> None:
        self._inside.pop(place, None)


def may_be_wrong(process: Process, place: Place) -> bool:
    on_the_brink = process.now < process.troubled_until + process.session_timeout
    may_have_ended = on_the_brink or not process.sight.were_servers_well()
    return slept_lately(process) or (may_have_ended and process.sight.has_ended(place.session_id))


def slept_lately(process: Process) -> bool:
    return process.now - process.woke_at < _SLEPT_LATELY


async def write_guarded(zk: AsyncClient[bytes], places: Sequence[Place]) -> bool:
    """The places' largest token into the ledger, while all are held; False: they were lost."""
    transaction = zk.transaction()
    for place in places:
        transaction.check(place.path)
    transaction.set(LEDGER, b"%d" % max(place.token for place in places))
    return await still_held(transaction)


async def still_held(guarded: Transaction[bytes]) -> bool:
    """Commit a guarded write; False: what guards it is gone. Nothing else may refuse it."""
    try:
        await guarded.commit()
    except TransactionFailedError as error:
        if error.code is not Code.NONODE:
            raise AssertionError(f"a guarded write fails with {error!r}") from error
        return False
    return True


def check_ledger(run: Run) -> None:
    """Whoever came later has the larger token: no write of an earlier holder after that."""
    last = 0
    for zxid, state in run.versions(LEDGER):
        token = int(state.data or b"0") if state is not None else last
        assert token >= last, f"the holder {token} writes at 0x{zxid:x}, after the holder {last}"
        last = token


async def keep_trying(process: Process, zk: AsyncClient[bytes], path: str) -> None:
    """Make a znode; whoever made it, it is there then."""
    while True:
        try:
            await zk.ensure_path(path)
            return
        except ClientError:
            await asyncio.sleep(process.rng.uniform(0, 0.2))
