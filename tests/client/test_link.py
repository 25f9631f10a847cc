"""A connection whose server does not do its part; the rest is in test_session."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.client.live import run
from zoo.client.errors import OperationTimeoutError
from zoo.client.hosts import Server
from zoo.client.session import Options, Session


def test_a_server_that_greets_nobody_is_given_up_and_said_so() -> None:
    async def main() -> None:
        writers: list[asyncio.StreamWriter] = []

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            them = Session((Server("127.0.0.1", port),), Options(session_timeout=0.3), Random(1))
            them.start()
            with pytest.raises(OperationTimeoutError, match=r"handshake|silent"):
                await them.wait_for_server(1)
            await them.close(0.1)
            assert len(writers) > 1
            for writer in writers:
                writer.close()

    run(main())
