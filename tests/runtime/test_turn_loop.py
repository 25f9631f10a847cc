from __future__ import annotations

import asyncio
import os
import select
import socket
import time
from collections.abc import Iterator

import pytest

from zoo.runtime.turn_loop import Events, TurnLoop, running_loop


@pytest.fixture
def loop() -> Iterator[TurnLoop]:
    made = TurnLoop()
    yield made
    made.close()


def test_serves_its_own_sockets_and_leaves_asyncio_those_that_it_knows(loop: TurnLoop) -> None:
    ours, far = socket.socketpair()
    other, other_far = socket.socketpair()
    read: list[str] = []
    with ours, far, other, other_far:

        def serve(events: Events) -> Events:
            rest = [each for each in events if each[0] != ours.fileno()]
            if rest != events:
                read.append(f"ours {ours.recv(9)!r}")
            return rest

        def of_asyncio() -> None:
            read.append(f"asyncio {other.recv(9)!r}")
            loop.stop()

        loop.readiness.epoll.register(ours.fileno(), select.EPOLLIN)
        loop.readiness.serve = serve
        loop.add_reader(other.fileno(), of_asyncio)
        far.send(b"a")
        other_far.send(b"b")
        loop.run_forever()
        assert loop.remove_reader(other.fileno())
    assert read == ["ours b'a'", "asyncio b'b'"]


def test_is_a_whole_event_loop(loop: TurnLoop) -> None:
    async def talk() -> bytes:
        assert running_loop() is loop

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(1 << 20))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(bytes(1 << 20))  # more than fits: waits for room, too
        data = await reader.read(-1)
        writer.close()
        server.close()
        return data + await loop.run_in_executor(None, lambda: b"!")

    assert loop.run_until_complete(talk()) == bytes(1 << 20) + b"!"


def test_timers_are_not_early_and_poll_for_nothing(loop: TurnLoop) -> None:
    began = time.monotonic()
    loop.call_later(0.0123, loop.stop)
    loop.run_forever()
    assert time.monotonic() - began >= 0.0123


def test_a_selector_knows_what_is_registered(loop: TurnLoop) -> None:
    readiness = loop.readiness
    read, write = os.pipe()
    try:
        key = readiness.register(write, 2, "data")
        assert readiness.get_map()[write] is readiness.get_key(write) is key
        assert readiness.select(0) == [(key, 2)]
        with pytest.raises(KeyError, match="already"):
            readiness.register(write, 2)
        key = readiness.modify(write, 1, "other")
        assert (key.events, key.data) == (1, "other")
        assert readiness.select(0) == []
        assert readiness.unregister(write) == key
        with pytest.raises(KeyError):
            readiness.get_key(write)
    finally:
        os.close(read)
        os.close(write)


def test_a_server_needs_this_loop() -> None:
    async def wrong() -> None:
        running_loop()

    with pytest.raises(AssertionError, match="TurnLoop"):
        asyncio.run(wrong())
