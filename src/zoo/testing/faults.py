"""Faults of one client: its connection breaks, or its session expires while it looks away."""

from __future__ import annotations

from random import Random
from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.blocking import Client
from zoo.client.portal import portal
from zoo.client.session import Options, Session


async def expire_session(client: AsyncClient[Any]) -> None:
    """End the client's session at the server, as if it had timed out.

    The client learns of it when it connects again: LOST, then CONNECTED with a new session.
    """
    mine = client._session
    session_id, password = mine.core.session_id, mine.core.password
    while True:
        twin = Session(mine.hosts.servers, Options(ssl=mine.options.ssl), Random(0))
        twin.core.take_over(session_id, password, mine.core.last_zxid)
        twin.start()
        await twin.wait_for_server(15.0)
        is_gone = twin.core.session_id != session_id
        await twin.close(5.0)
        # The client may have taken its session back before we could end it: then once more.
        if is_gone or twin.core.has_ended_session:
            return


def drop_connection(client: AsyncClient[Any]) -> None:
    """Break the client's connection; its session lives on."""
    client._session.drop_connection("dropped by a test")


def expire_session_of(client: Client[Any]) -> None:
    """`expire_session` for a blocking client."""
    portal().run(expire_session(client._client))


def drop_connection_of(client: Client[Any]) -> None:
    """`drop_connection` for a blocking client."""

    async def drop() -> None:
        drop_connection(client._client)

    portal().run(drop())
