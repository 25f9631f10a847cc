from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import poll, poll_until, run
from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import (
    ConnectionLossError,
    NoAuthError,
    OperationTimeoutError,
    SessionExpiredError,
    ThrottledError,
    TransactionFailedError,
    error_for,
)
from zoo.client.states import State
from zoo.errors import Code
from zoo.recipes.places import contenders, delete_surely, right_ahead, stand_in_line, take_place
from zoo.testing import drop_connection, expire_session


def test_whose_name_takes_part() -> None:
    names = [
        "_c_3a9be1a2-11aa-4e5f-9b2a-aaaaaaaaaaaa-lock-0000000002",
        "5cbe8b1f6a0d4b7f__lock__0000000001",
        "lock-0000000003",
        "_c_3a9be1a2-11aa-4e5f-9b2a-aaaaaaaaaaaa-__READ__0000000004",
        "ready",
        "lock-12",
    ]
    line = contenders(names, ("lock", "READ"))
    assert [(each.kind, each.number) for each in line] == [
        ("lock", 1),
        ("lock", 2),
        ("lock", 3),
        ("READ", 4),
    ]
    assert contenders(names, ("latch",)) == []


@pytest.mark.parametrize(
    "order",
    [
        ["lock-2147483646", "lock-2147483647", "lock--2147483648"],
        ["lock--2147483648", "lock--2147483647"],
        ["lock--0000000002", "lock--0000000001", "lock-0000000000"],
    ],
)
def test_numbers_wrap_around(order: list[str]) -> None:
    assert [each.name for each in contenders(reversed(order), ("lock",))] == order


def test_a_place_is_lost_with_its_session_and_guards_no_more(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            place = await take_place(zk, "/l", "lock-", b"me")
            assert place.is_held
            async with place.guarded() as t:
                t.create("/while-held")
            drop_connection(zk)
            assert place.is_held, "the session cannot have expired yet"
            await zk.wait_until_connected()
            assert not place.lost.is_set()
            await expire_session(zk)
            await place.lost.wait()
            assert not place.is_held
            late = place.guarded()
            late.create("/too-late")
            with pytest.raises(TransactionFailedError) as failure:
                await late.commit()
            assert failure.value.failed == 0

    run(main())


def test_a_place_is_no_longer_sure_when_the_server_was_silent_too_long(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts, session_timeout=1.0) as zk:
            place = await take_place(zk, "/l", "lock-", b"")
            assert place.take()
            zk.set_hosts("127.0.0.1:1")
            assert place.is_held
            await place.lost.wait()
            assert not place.is_held
            zk.set_hosts(hosts.partition("/")[0])

    run(main())


def be_silent(zk: AsyncClient[Any]) -> None:
    """As if the server had not been heard of for a minute."""
    zk._session.core._vouched -= 60_000
    for listener in list(zk._session.listeners):
        listener(State.SUSPENDED)


def test_who_waits_through_a_silence_that_the_session_survives_holds_when_the_turn_comes(
    hosts: str,
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            first = await take_place(other, "/l", "lock-", b"")
            waiting = asyncio.ensure_future(
                stand_in_line(zk, "/l", "lock-", ("lock",), right_ahead)
            )
            await poll(lambda: len(zk._session.core.watches) > 0, "the second waits")
            be_silent(zk)
            await zk.sync()
            await first.leave()
            second = await waiting
            assert second.is_held
            be_silent(zk)
            await second.lost.wait()

    run(main())


def test_a_turn_is_not_taken_while_the_session_may_be_over(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            place = await take_place(zk, "/l", "lock-", b"")
            be_silent(zk)
            assert not place.take()
            await zk.sync()
            assert place.take()
            lost = await take_place(zk, "/l", "lock-", b"")
            await expire_session(zk)
            await lost.lost.wait()
            with pytest.raises(SessionExpiredError):
                lost.take()

    run(main())


def test_a_holder_is_told_when_somebody_deletes_its_znode(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            waits = ("lock",), right_ahead
            first = await stand_in_line(zk, "/l", "lock-", *waits)
            waiting = asyncio.ensure_future(stand_in_line(other, "/l", "lock-", *waits))
            await poll(lambda: len(zk._session.core.watches) == 1, "it watches its own znode")
            await other.set(first.path, b"touched")
            drop_connection(zk)
            await zk.wait_until_connected()
            await zk.sync()
            assert first.is_held
            await other.delete(first.path)
            await first.lost.wait()
            assert not first.is_held
            second = await waiting
            assert second.is_held
            await poll(lambda: len(other._session.core.watches) == 1, "so does the next")
            await second.leave()
            assert len(zk._session.core.watches) == len(other._session.core.watches) == 0

    run(main())


def test_a_znode_that_is_deleted_at_once_is_missed_as_well(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            place = await stand_in_line(zk, "/l", "lock-", ("lock",), right_ahead)
            await zk.delete(place.path)
            await place.lost.wait()
            assert len(zk._session.core.watches) == 0
            await place.leave()

    run(main())


def test_a_short_holder_watches_nothing(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            asked: list[str] = []
            place = await stand_in_line(zk, "/l", "lock-", ("lock",), right_ahead)
            request = zk._session.request

            async def noted(op: Any, *more: Any) -> Any:
                asked.append(op.name)
                return await request(op, *more)

            zk._session.request = noted  # type: ignore[method-assign]
            await place.leave()
            assert place._is_short is not None
            assert place._is_short.cancelled()
            assert asked == ["delete"]

    run(main())


def test_nothing_stays_behind_a_timeout_or_a_cancellation(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            first = await take_place(zk, "/l", "lock-", b"")
            with pytest.raises(OperationTimeoutError, match="others held it"):
                await stand_in_line(zk, "/l", "lock-", ("lock",), right_ahead, timeout=0.05)
            waiting = asyncio.ensure_future(
                stand_in_line(zk, "/l", "lock-", ("lock",), right_ahead)
            )
            await poll(lambda: len(zk._session.core.watches) > 0, "the second waits")
            waiting.cancel()

            async def is_alone() -> bool:
                return await zk.children("/l") == [first.name]

            await poll_until(is_alone, "the others left")
            await delete_surely(zk, first.path, zk.session_id)
            await delete_surely(zk, first.path, zk.session_id)
            assert await zk.children("/l") == []

    run(main())


def test_what_passes_does_not_keep_a_znode_of_ours(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            place = await take_place(zk, "/l", "lock-", b"")
            request, refusals = (
                zk._session.request,
                [
                    ThrottledError(),
                    error_for(Code.REQUESTTIMEOUT),
                    ConnectionLossError(),
                ],
            )

            async def often_refused(*what: Any) -> Any:
                if refusals:
                    raise refusals.pop(0)
                return await request(*what)

            monkeypatch.setattr(zk._session, "request", often_refused)
            await place.leave()
            assert await zk.children("/l") == []
            refusals.append(NoAuthError())
            with pytest.raises(NoAuthError):
                await place.leave()

    run(main())
