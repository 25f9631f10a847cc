"""A study of two-phase commit: tellers, and participants whose disks outlive their processes.

Checked: everybody who is ever told an outcome is told the same; each participant applies its part
of a committed transaction once, and nothing of another; a decision is written once and stays; what
was begun ends, with nothing reserved and nothing left in the tree.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from zoo.client.async_client import AsyncClient
from zoo.client.errors import ClientError, NoNodeError
from zoo.recipes import Coordinator, Decision, InDoubtError, Participant, Refused
from zoo.testing.simulated import Process, Program, Run

PATH = "/commits"
TRANSACTIONS = f"{PATH}/transactions/"


class Disk:
    """What a participant has written, and how long that takes."""

    def __init__(self, process: Process) -> None:
        self.process = process
        """Whoever has it now."""
        self.noted: dict[str, bytes] = {}
        self.applied: Counter[str] = Counter()

    async def _takes_time(self) -> None:
        await asyncio.sleep(self.process.rng.expovariate(20))

    async def prepare(self, txid: str, part: bytes) -> None:
        await self._takes_time()
        if part == b"too much":
            raise Refused("too much")
        self.noted[txid] = part
        await self._takes_time()

    async def commit(self, txid: str) -> None:
        await self._takes_time()
        if self.noted.pop(txid, None) is not None:
            self.applied[txid] += 1
        await self._takes_time()

    async def rollback(self, txid: str) -> None:
        await self._takes_time()
        self.noted.pop(txid, None)
        await self._takes_time()


class CommitStudy:
    NAME: ClassVar[str] = "Coordinator"
    tellers = 2
    participants = ("a", "b", "c")

    def __init__(self) -> None:
        self.disks: dict[str, Disk] = {}
        self.told: dict[str, bool] = {}
        self.tellers_done = 0

    def programs(self) -> Sequence[Program]:
        return [self.tell] * self.tellers + [self.take_part] * len(self.participants)

    # --- a teller

    async def tell(self, process: Process) -> None:
        async with process.connect() as zk:
            coordinator = Coordinator(zk, PATH, process.name)
            await self.recover(coordinator)
            number = 0
            while not process.is_ending:
                number += 1
                await self.transact(process, coordinator, f"{process.name}-{process.life}-{number}")
                await asyncio.sleep(process.rng.uniform(0, 0.5))
            await self.recover(coordinator)
        self.tellers_done += 1
        process.note("ended")

    async def transact(self, process: Process, coordinator: Coordinator, txid: str) -> None:
        rng = process.rng
        chosen = rng.sample(self.participants, rng.choice((1, 2, 3)))
        parts = {name: b"too much" if rng.random() < 0.1 else b"some" for name in chosen}
        timeout = rng.choice((0.3, 2.0, 10.0))
        while True:
            try:
                self.learn(await coordinator.execute(parts, txid=txid, timeout=timeout))
                await coordinator.forget(txid)
                return
            except InDoubtError:
                continue
            except ClientError:
                return  # it is not forgotten yet: `recover` will

    async def recover(self, coordinator: Coordinator) -> None:
        while True:
            try:
                for decision in await coordinator.recover():
                    self.learn(decision)
                    await coordinator.forget(decision.txid)
                return
            except ClientError:
                await asyncio.sleep(0.2)

    def learn(self, decision: Decision) -> None:
        told = self.told.setdefault(decision.txid, decision.committed)
        assert told == decision.committed, f"{decision} was told otherwise before"

    # --- a participant

    def disk(self, process: Process) -> Disk:
        name = self.participants[process.number - self.tellers]
        disk = self.disks.setdefault(name, self.new_disk(process))
        disk.process = process
        return disk

    def new_disk(self, process: Process) -> Disk:
        return Disk(process)

    async def take_part(self, process: Process) -> None:
        name = self.participants[process.number - self.tellers]
        async with (
            process.connect() as zk,
            Participant(zk, PATH, name, self.disk(process)),
        ):
            while not await self.is_over(zk):
                await asyncio.sleep(0.3)
        process.note("ended")

    async def is_over(self, zk: AsyncClient[bytes]) -> bool:
        if self.tellers_done < self.tellers:
            return False
        try:
            await zk.sync(PATH)
            return not await zk.children(f"{PATH}/transactions")
        except NoNodeError:
            return True  # none was ever begun
        except ClientError:
            return False

    # --- the judgement

    def check(self, run: Run) -> None:
        for path in run.paths():
            txid = path.removeprefix(TRANSACTIONS)
            if path.startswith(TRANSACTIONS) and "/" not in txid:
                self.check_transaction(run, txid)
        for name, disk in self.disks.items():
            assert not disk.noted, f"{name} still reserves {disk.noted}"

    def check_transaction(self, run: Run, txid: str) -> None:
        states = [
            json.loads(state.data or b"{}")
            for _, state in run.versions(TRANSACTIONS + txid)
            if state is not None
        ]
        decided = {each["state"] for each in states[1:]}
        assert len(decided) == 1, f"{txid} was {decided}"
        is_committed = decided == {"committed"}
        assert self.told.get(txid, is_committed) == is_committed, f"{txid}: another was told"
        for name, disk in self.disks.items():
            due = int(is_committed and name in states[0]["participants"])
            applied = disk.applied[txid]
            assert applied == due, f"{name} applied {txid} {applied} times, not {due}"


COMMITS = (CommitStudy,)
