"""A study of Config: some change the settings, one writes what is no good, some read along.

Checked: each revision is one transaction, in the settings and in the history alike, with its own
number; it is made from the one right before it, as its reason says; who was told a number made that
revision. A reader has good values only, of revisions that were, in their order, and comes to the
newest.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import BadVersionError, ClientError, NoNodeError
from zoo.recipes import BadSettingsError, Config
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import take_turns
from zoo.testing.simulated_study import keep_trying

PATH = "/settings"


@dataclass(frozen=True)
class Limits:
    low: int = 0
    high: int = 10
    note: str = ""


def in_order(limits: Limits) -> None:
    if limits.low > limits.high:
        raise ValueError(f"{limits.low} is above {limits.high}")


class ConfigStudy:
    NAME: ClassVar[str] = "Config"
    writers = 2
    readers = 2

    def __init__(self) -> None:
        self.told: dict[int, str] = {}
        """Revision -> its reason, which nothing else has."""
        self.refused: list[str] = []
        self.writing = self.writers + 1
        self.seen: dict[str, list[tuple[int, Limits]]] = {}

    def programs(self) -> Sequence[Program]:
        return [self.writer] * self.writers + [self.vandal] + [self.reader] * self.readers

    def make(self, zk: AsyncClient[bytes], name: str) -> Config[Limits]:
        """Some keep so little that a revision is forgotten before its maker knows of it."""
        keep = 1 if name == "p0" else 5
        return Config(zk, PATH, Limits, validate=in_order, by=name, keep=keep)

    # --- writing

    async def writer(self, process: Process) -> None:
        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            config = self.make(zk, process.name)
            try:
                await config.start(5)
            except BadSettingsError:
                await asyncio.sleep(process.rng.uniform(0, 1))
                await self.mend(zk, process)
                return
            try:
                for _ in range(process.rng.randint(1, 5)):
                    await self.change(process, config)
                    await asyncio.sleep(process.rng.uniform(0, 0.3))
            finally:
                await config.stop()

        await take_turns(process, turn)
        self.writing -= 1

    async def change(self, process: Process, config: Config[Limits]) -> None:
        """The reason says what was asked for, and of which revision."""
        what, number = process.rng.choice(("set", "update", "rollback")), config.revision
        level = process.rng.randint(-5, 15)
        why = f"{what} {number} {level} {process.name} {process.now:.6f}"
        try:
            if what == "set":
                value = Limits(min(level, 10), 10, why)
                made = await config.set(value, why=why, revision=number)
            elif what == "update":
                made = await config.update(why=why, low=level)
            else:
                made = await config.rollback(number, why=why)
        except (BadSettingsError, BadVersionError, NoNodeError):
            self.refused.append(why)
            return
        assert made not in self.told, f"revision {made} is {self.told[made]!r} and {why!r}"
        self.told[made] = why

    async def vandal(self, process: Process) -> None:
        """Settings out of order, and no settings at all, with the number that was there."""

        async def turn(process: Process, zk: AsyncClient[bytes]) -> None:
            await asyncio.sleep(process.rng.expovariate(0.5))
            node = await zk.get(PATH)
            data = b"{"
            if node.data and process.rng.random() < 0.5:
                with contextlib.suppress(ValueError):
                    data = json.dumps(json.loads(node.data) | {"settings": {"low": 11}}).encode()
            with contextlib.suppress(BadVersionError):
                await zk.set(PATH, data, version=node.version)

        await take_turns(process, turn)
        self.writing -= 1

    # --- reading

    async def reader(self, process: Process) -> None:
        seen = self.seen[f"{process.name}.{process.life}"] = []
        async with process.connect() as zk:
            await keep_trying(process, zk, PATH)
            config = self.make(zk, process.name)
            while True:
                try:
                    await config.start(None)
                    break
                except BadSettingsError:
                    await asyncio.sleep(0.3)
                    if not self.writing:
                        await self.mend(zk, process)
            while not (self.writing == 0 and await self.is_equal(zk, config, process)):
                in_order(config.value)
                if not seen or seen[-1][0] != config.revision:
                    seen.append((config.revision, config.value))
                await asyncio.sleep(process.rng.uniform(0, 0.3))
            await config.stop()
        process.note("ended")

    async def mend(self, zk: AsyncClient[bytes], process: Process) -> None:
        with contextlib.suppress(ClientError):
            await self.make(zk, process.name).set(Limits(), why=f"mend - 0 {process.now:.6f}")

    async def is_equal(
        self, zk: AsyncClient[bytes], config: Config[Limits], process: Process
    ) -> bool:
        """Has it come to the newest, which must be good for that?"""
        try:
            await zk.sync(PATH)
            data = (await zk.get(PATH)).data
        except ClientError:
            return False
        document = parsed(data)
        if document is None or document["settings"].get("low", 0) > 10:
            assert data == b"" or not config.is_current or config.problem or not config.revision
            await self.mend(zk, process)
            return False
        return bool(config.revision == document["revision"] and not config.problem)

    # --- the judgement

    def check(self, run: Run) -> None:
        made = self.revisions(run)
        for number, why in self.told.items():
            found = made[number]["why"] if number in made else None
            assert found == why, f"{number} is {found!r}, not {why!r}"
        reasons = {document["why"] for document in made.values()}
        written = sorted(reasons.intersection(self.refused))
        assert not written, f"refused, and made: {written}"
        for who, seen in self.seen.items():
            numbers = [number for number, _ in seen]
            assert numbers == sorted(numbers), f"{who} has seen the revisions {numbers}"
            for number, value in seen:
                assert not number or number in made, f"{who} has seen {number}, which never was"
                of = Limits(**made[number]["settings"]) if number else Limits()
                assert value == of, f"{who} has {value} of revision {number}: {of}"

    def revisions(self, run: Run) -> dict[int, dict[str, Any]]:
        """Each was made from the state before it, and stands in the history as of then."""
        made: dict[int, dict[str, Any]] = {}
        before: dict[str, Any] | None = None
        for zxid, state in run.versions(PATH):
            assert state is not None, f"deleted at 0x{zxid:x}"
            now = parsed(state.data or b"")
            copy = run.at(f"{PATH}/history/{now['revision']:010}", zxid) if now else None
            if now is not None and copy is not None and copy.czxid == zxid:
                number = now["revision"]
                assert number > max(made, default=0), (
                    f"0x{zxid:x} makes {number} after {list(made)}"
                )
                assert copy.data == state.data, f"the history has {copy.data!r}, not {state.data!r}"
                self.check_reason(now, before, made)
                made[number] = now
            before = now
        reasons = [document["why"] for document in made.values()]
        assert len(reasons) == len(set(reasons)), f"made twice: {reasons}"
        return made

    def check_reason(
        self, now: dict[str, Any], before: dict[str, Any] | None, made: dict[int, dict[str, Any]]
    ) -> None:
        what, number, level, *_ = now["why"].split()
        if what == "set":
            last = before["revision"] if before else 0
            assert int(number) == last, f"{now} is made of {last}"
        elif what == "update":
            wanted = {"low": 0, "high": 10, "note": ""} | (before or {"settings": {}})["settings"]
            wanted["low"] = int(level)
            assert now["settings"] == wanted, f"{now}, wanted {wanted}"
        elif what == "rollback":
            assert now["settings"] == made[int(number)]["settings"], f"{now} of {made[int(number)]}"


def parsed(data: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        return dict(json.loads(data))
    return None


CONFIGS = (ConfigStudy,)
