from __future__ import annotations

import asyncio

import pytest

from tests.client.live import poll_until, run
from tests.recipes.two_phase_parts import PATH, Disk, Fuse, Process, Store
from zoo.client.async_client import connect
from zoo.recipes.participant import Participant
from zoo.recipes.two_phase import Coordinator

PARTS = {"a": b"-5", "b": b"+5"}


@pytest.mark.parametrize("refuses", [False, True])
def test_a_participant_that_crashes_after_any_step(hosts: str, refuses: bool) -> None:
    """Its next process finds out, and both sides end alike."""

    async def crash_after(steps: int, a: Disk) -> bool:
        txid = f"order-{steps}"
        async with connect(hosts) as zk:
            coordinator = Coordinator(zk, PATH, "teller")
            async with Process(hosts, "a", a, steps) as process:
                work = asyncio.create_task(coordinator.execute(PARTS, txid=txid, timeout=5.0))
                blown = asyncio.create_task(process.fuse.blown.wait())
                await asyncio.wait((blown, work), return_when=asyncio.FIRST_COMPLETED)
                if not blown.done():

                    async def is_dealt_with() -> bool:
                        return process.fuse.blown.is_set() or not await zk.children(
                            f"{PATH}/parties/a"
                        )

                    await poll_until(is_dealt_with, "dealt with, or crashed later")
                has_crashed = process.fuse.blown.is_set()
                blown.cancel()
            async with Process(hosts, "a", a):
                decision = await work
                await coordinator.forget(txid)

                async def is_settled() -> bool:
                    return not await zk.children(f"{PATH}/transactions")

                await poll_until(is_settled, "settled")
            assert decision.committed is not refuses
            assert a.outcome(txid) == b.outcome(txid) == decision.committed
            assert a.prepared == b.prepared == {}
            return has_crashed

    b = Disk()

    async def main() -> None:
        a = Disk(refuses)
        async with Process(hosts, "b", b):
            steps = 1
            while await crash_after(steps, a):
                steps += 1
            assert steps > 10, "there were steps to crash after"
            assert len({txid for txid, _ in a.done}) == len(a.done), "nothing twice"

    run(main())


def test_what_fails_is_a_no_or_tried_again(hosts: str, caplog: pytest.LogCaptureFixture) -> None:
    class Awkward(Store):
        fails = 2

        async def prepare(self, txid: str, part: bytes) -> None:
            if part == b"bad":
                raise RuntimeError("broken")
            await super().prepare(txid, part)

        async def commit(self, txid: str) -> None:
            self.fails -= 1
            if self.fails >= 0:
                raise OSError("disk full")
            await super().commit(txid)

    async def main() -> None:
        disk = Disk()
        async with connect(hosts) as zk, connect(hosts) as other:
            coordinator = Coordinator(other, PATH, "teller")
            async with Participant(zk, PATH, "a", Awkward(disk, Fuse())) as participant:
                assert not (await coordinator.execute({"a": b"bad"})).committed
                assert (await coordinator.execute({"a": b"good"})).committed

                async def is_done() -> bool:
                    return not participant.under_way and bool(disk.done)

                await poll_until(is_done, "committed at the third attempt")
            assert "a" in repr(participant)

    run(main())
    assert "disk full" in caplog.text
    assert "broken" in caplog.text
