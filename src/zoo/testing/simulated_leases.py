"""A study of Lease, which is bound to time and not to a session.

Checked, as long as the clocks of the servers are equal: of those whose machines were awake one at
most believes to have it; a restarted holder has it back at once, unless another took it meanwhile;
nobody waits for ever. Whatever the clocks do: guarded writes come in the order of the tokens, and
`lost` is set when it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from zoo.client.async_client import AsyncClient
from zoo.recipes import Lease
from zoo.recipes.lock import NotHeldError
from zoo.testing.simulated import Process, Program, Run
from zoo.testing.simulated_locks import patiently, take_turns
from zoo.testing.simulated_study import (
    LEDGER,
    Operator,
    check_ledger,
    slept_lately,
    still_held,
)

PATH = "/lease"
_LONGEST = 20.0  # a clock an hour ahead makes a lease that long


class LeaseStudy:
    NAME: ClassVar[str] = "Lease"
    processes = 4

    def __init__(self) -> None:
        self.tenants: dict[str, tuple[Process, Lease]] = {}
        self.tokens: dict[int, str] = {}
        self.lives: dict[str, int] = {}
        self.operator = Operator(PATH)

    def programs(self) -> Sequence[Program]:
        return [self.program] * self.processes + [self.operator.program]

    async def program(self, process: Process) -> None:
        self.tenants.pop(process.name, None)
        await take_turns(process, self.turn)
        async with process.connect() as zk:
            lease = self.make(process, zk)
            if process.sight.were_clocks_well():
                await zk.retrying(lease.acquire)
                await lease.release()
        process.note("had it at last")

    def make(self, process: Process, zk: AsyncClient[bytes]) -> Lease:
        duration = process.rng.choice((1.0, 3.0, 8.0))
        return Lease(zk, PATH, duration, holder=process.name, skew=0.05)

    async def turn(self, process: Process, zk: AsyncClient[bytes]) -> None:
        lease = self.make(process, zk)
        how, last_life = process.rng.random(), self.lives.get(process.name, 0)
        if how < 0.2 or last_life < process.life:
            await self.come_back(lease)
            self.lives[process.name] = process.life
        elif how < 0.6:
            await asyncio.wait_for(lease.acquire(), _LONGEST)
        else:
            await patiently(process, lambda limit=_LONGEST: lease.acquire(limit))
        if lease.is_held:
            await self.live_in(process, zk, lease)
        await asyncio.sleep(process.rng.uniform(0, 0.5))

    async def come_back(self, lease: Lease) -> None:
        """To what was ours, and may still be."""
        before = await lease.current_holder()
        if not await lease.try_acquire() and before == lease.holder:
            now = await lease.current_holder()
            assert now != lease.holder, f"{now} has the lease, and does not get it"

    async def live_in(self, process: Process, zk: AsyncClient[bytes], lease: Lease) -> None:
        """Some renew by hand, some in the background, some not at all; and some just go."""
        former = self.tokens.setdefault(lease.token, process.name)
        assert former == process.name, f"token {lease.token} is {former}'s and {process.name}'s"
        self.tenants[process.name] = process, lease
        how = process.rng.choice(("by hand", "kept", "left"))
        if how == "kept":
            lease.keep()
        try:
            for _ in range(process.rng.randint(1, 12)):
                self.judge(process)
                await asyncio.sleep(process.rng.uniform(0, 0.5))
                if not lease.is_held:
                    assert lease.lost.is_set(), f"{process.name} is not told of its end"
                # One that was paused may not know it yet: the servers must.
                if not await self.write(zk, lease) or not lease.is_held:
                    break
                if how == "by hand":
                    await lease.renew()
        except NotHeldError:
            assert not lease.is_held, f"{process.name} has it no more, and believes so"
        finally:
            del self.tenants[process.name]
            if process.rng.random() < 0.7:
                await lease.release()
            else:
                self.abandon(lease)

    def abandon(self, lease: Lease) -> None:
        """As a process that forgot it: nobody renews it, and it ends by time."""
        if lease._keeper is not None:
            lease._keeper.cancel()

    def judge(self, process: Process) -> None:
        """Does anybody else believe to have it?"""
        if not process.sight.were_clocks_well():
            return
        holders = [name for name, tenant in self.tenants.items() if self.believes(*tenant)]
        if process.name in holders:
            holders.remove(process.name)
            assert not holders, f"{process.name} has it at {process.now:.6f}, and so do {holders}"

    def believes(self, process: Process, lease: Lease) -> bool:
        """By the clock of its machine, which may have stood still. Whose beat the operator has
        deleted learns that when it renews it, or writes."""
        if slept_lately(process) or lease._tenure is None:
            return False
        return lease._ends > process.clock and lease._tenure.beat not in self.operator.struck

    async def write(self, zk: AsyncClient[bytes], lease: Lease) -> bool:
        transaction = lease.guarded()
        transaction.set(LEDGER, b"%d" % lease.token)
        return await still_held(transaction)

    def check(self, run: Run) -> None:
        check_ledger(run)


LEASES = (LeaseStudy,)
