from __future__ import annotations

import asyncio

import pytest

from tests.client.live import run
from zoo.client.streams import OneShot, WatchStream, strip_prefix
from zoo.client.watches import Event
from zoo.jute.constants import EventType, KeeperState

CHANGED = EventType.NODE_DATA_CHANGED


async def unwatch(stream: WatchStream) -> None:
    closed.append(stream)


closed: list[WatchStream] = []


def test_strip_prefix() -> None:
    assert strip_prefix(b"/app/a", "/app") == "/a"
    assert strip_prefix(b"/app", "/app") == "/"
    assert strip_prefix(b"/", "") == "/"


def test_a_stream_gives_events_in_order_until_it_is_closed() -> None:
    async def main() -> None:
        stream = WatchStream("/a", "/app", 10, unwatch)
        stream.notify(CHANGED, b"/app/a", 1)
        stream.notify(CHANGED, b"/app/a", 2)
        assert await anext(stream) == Event(CHANGED, "/a", 1)
        assert (await anext(stream)).zxid == 2
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await stream.close()
        await stream.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert closed == [stream]

    run(main())


def test_an_overflow_is_told_and_the_stream_goes_on() -> None:
    async def main() -> None:
        stream = WatchStream("/a", "", 3, unwatch)
        for zxid in range(5):
            stream.notify(CHANGED, b"/a", zxid)
        gap, last = await anext(stream), await anext(stream)
        assert gap.is_gap
        assert "buffer of 3 events overflowed" in gap.gap
        assert last.zxid == 4
        assert stream.dropped == 4
        for zxid in range(7):
            stream.notify(CHANGED, b"/a", zxid)
        assert (await anext(stream)).is_gap
        assert stream.dropped + stream.waiting == 4 + 7, "the gap itself is no event"

    run(main())


def test_the_end_of_the_session_is_the_last_event() -> None:
    async def main() -> None:
        stream = WatchStream("/a", "", 3, unwatch)
        stream.missed(b"/a", "broken")
        stream.ended(b"/a", KeeperState.EXPIRED, "expired")
        stream.notify(CHANGED, b"/a", 1)
        events = [event async for event in stream]
        assert [event.gap for event in events] == ["broken", "expired"]
        assert events[-1].state is KeeperState.EXPIRED
        assert stream.is_ended

    run(main())


def test_a_buffer_has_room() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        WatchStream("/a", "", 0, unwatch)


def test_one_shot_callbacks_of_both_kinds() -> None:
    async def main() -> None:
        seen: list[Event] = []
        tasks: set[asyncio.Task[None]] = set()

        async def later(event: Event) -> None:
            await asyncio.sleep(0)
            seen.append(event)

        OneShot(seen.append, "/app", tasks).notify(CHANGED, b"/app/a", 3)
        assert seen == [], "not from within the core"
        OneShot(later, "", tasks).ended(b"/b", KeeperState.EXPIRED, "expired")
        OneShot(seen.append, "", tasks).missed(b"/c", "the server makes up for it")
        await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert seen[0] == Event(CHANGED, "/a", 3)
        assert seen[1].path == "/b"
        assert len(seen) == 2

    run(main())


def test_a_callback_is_one_watcher_however_often_it_is_asked_for() -> None:
    async def main() -> None:
        seen: list[Event] = []
        one, same = (OneShot(seen.append, "/app", set()) for _ in range(2))
        assert one == same
        assert len({one: None, same: None}) == 1
        assert one != OneShot(seen.append, "", set())
        assert one != OneShot(seen.remove, "/app", set())

    run(main())


def test_gaps_do_not_pile_up() -> None:
    async def main() -> None:
        stream = WatchStream("/a", "", 3, unwatch)
        for zxid in range(2):
            stream.notify(CHANGED, b"/a", zxid)
        for _ in range(20):
            stream.missed(b"/a", "the connection was broken")
        assert stream.waiting == 3
        assert stream.dropped == 0
        stream.notify(CHANGED, b"/a", 2)
        assert stream.waiting == 1
        for zxid in range(2):
            stream.notify(CHANGED, b"/a", zxid)
        stream.missed(b"/a", "the connection was broken")
        assert [(await anext(stream)).is_gap for _ in range(stream.waiting)] == [True]
        assert stream.dropped == 5

    run(main())


def test_a_callback_may_be_of_a_kind_that_has_no_hash() -> None:
    class Log(list[Event]):
        def __call__(self, event: Event) -> None:
            self.append(event)

    async def main() -> None:
        log = Log()
        one, two = (OneShot(log, "", set()) for _ in range(2))
        assert one == two
        assert hash(one) == hash(two)
        assert one != OneShot(Log(), "", set())

    run(main())
