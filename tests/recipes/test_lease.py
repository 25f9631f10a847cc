from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import poll_until, run
from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import OperationTimeoutError, TransactionFailedError
from zoo.recipes import lease
from zoo.recipes.lease import Lease
from zoo.recipes.lock import NotHeldError
from zoo.testing import drop_connection, expire_session


def test_one_holder_until_it_is_released_or_over(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            mine = Lease(zk, "/l", 60, holder="me")
            theirs = Lease(other, "/l", 0.3, holder="they", skew=0)
            assert await mine.current_holder() is None
            assert await mine.try_acquire()
            assert await mine.try_acquire(), "once more: it is renewed"
            assert 50 < mine.expires_in <= 60
            assert not await theirs.try_acquire()
            assert (theirs.is_held, await theirs.current_holder()) == (False, "me")
            with pytest.raises(OperationTimeoutError, match="others had it"):
                await theirs.acquire(timeout=0.05)
            waiting = asyncio.ensure_future(theirs.acquire())
            token = mine.token
            await mine.release()
            await waiting
            assert theirs.token > token
            await mine.acquire(timeout=10)  # theirs ends by itself
            assert not theirs.is_held
            assert theirs.lost.is_set()
            with pytest.raises(NotHeldError, match="another has it"):
                await theirs.renew()
            await theirs.release()
            assert mine.is_held

    run(main())


def test_it_outlives_sessions_and_processes(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            mine = Lease(zk, "/l", 60, holder="me")
            await mine.acquire()
            drop_connection(zk)
            await expire_session(zk)
            assert mine.is_held
            assert not await Lease(other, "/l", 60).try_acquire()
            restarted = Lease(other, "/l", 60, holder="me")
            assert await restarted.try_acquire()
            assert restarted.token > mine.token
            late = mine.guarded()
            late.create("/too-late")
            with pytest.raises(TransactionFailedError):
                await late.commit()
            async with restarted.guarded() as t:
                t.create("/in-time")

    run(main())


def test_kept_in_the_background(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_RENEWALS", 600)

    async def main() -> None:
        async with connect(hosts) as zk:
            async with Lease(zk, "/l", 60) as kept:
                token = kept.token

                async def is_renewed() -> bool:
                    (beat,) = [each for each in await zk.children("/l") if "beat" in each]
                    return (await zk.get(f"/l/{beat}")).version >= 3

                await poll_until(is_renewed, "three renewals")
                assert kept.token == token
            with pytest.raises(NotHeldError, match="is not held"):
                kept.guarded()
            assert "0.0 s left" in repr(kept)

    run(main())


def test_lost_when_it_cannot_be_renewed(hosts: str) -> None:
    async def main() -> None:
        async with (
            connect(hosts) as zk,
            connect(hosts) as other,
            Lease(zk, "/l", 0.5, skew=0) as mine,
        ):
            zk.set_hosts("127.0.0.1:1")
            drop_connection(zk)
            await mine.lost.wait()
            assert mine.expires_in == 0
            await Lease(other, "/l", 60, skew=0).acquire(timeout=10)
            zk.set_hosts(hosts.partition("/")[0])

    run(main())
    with pytest.raises(ValueError, match="must be positive"):
        Lease(None, "/l", 0)  # type: ignore[arg-type]


def test_a_lease_that_was_deleted_and_made_anew_is_not_the_former_holders(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            former, holder = Lease(zk, "/l", 60, holder="a"), Lease(other, "/l", 60, holder="b")
            await former.acquire()
            await other.delete_all("/l")
            assert await holder.try_acquire()
            late = former.guarded()
            late.create("/too-late")
            with pytest.raises(TransactionFailedError):
                await late.commit()
            former_tenure = former._tenure
            with pytest.raises(NotHeldError, match="another has it"):
                await former.renew()
            former._tenure = former_tenure
            await former.release()
            assert await holder.current_holder() == "b"
            await holder.renew()
            assert len(await zk.children("/l")) == 1, "one beat"
            await holder.release()
            assert await zk.children("/l") == []

    run(main())


def hold_answers(zk: AsyncClient[Any], monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Transactions are sent, and the answer waits for the event."""
    answer, request = asyncio.Event(), zk._session.request

    async def delayed(op: Any, *more: Any) -> Any:
        reply = await request(op, *more)
        if op.name == "multi":
            await answer.wait()
        return reply

    monkeypatch.setattr(zk._session, "request", delayed)
    return answer


def test_an_acquire_that_was_given_up_leaves_the_lease_to_others(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            answer = hold_answers(zk, monkeypatch)
            lease = Lease(zk, "/l", 3600)
            with pytest.raises(OperationTimeoutError, match="no answer"):
                await lease.acquire(timeout=0.3)
            answer.set()
            assert not lease.is_held
            await Lease(other, "/l", 3600).acquire(timeout=10)

    run(main())


def test_a_release_that_was_cancelled_goes_on(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            lease = Lease(zk, "/l", 3600)
            await lease.acquire()
            zk.set_hosts("127.0.0.1:1")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await lease.release()
            zk.set_hosts(hosts.partition("/")[0])
            await Lease(other, "/l", 3600).acquire(timeout=10)

    run(main())
