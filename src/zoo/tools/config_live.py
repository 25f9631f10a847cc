"""The configuration that an ensemble has: read from any member, shown, watched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import click

from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import ClientError, OperationTimeoutError
from zoo.client.hosts import parse
from zoo.config_ensemble import Ensemble, parse_ensemble_text
from zoo.config_properties import ConfigError
from zoo.shell.access import Access
from zoo.tools.config_show import as_json, connect_string, now, table
from zoo.tools.config_survey import Known, look, survey

_SESSION_SECONDS = 10.0
R = TypeVar("R")


class Wish(NamedTuple):
    """How `zoo config` shows it."""

    watch: bool = False
    json: bool = False
    clients: bool = False


class NoEnsemble(Exception):
    """The server has no configuration that it could show; says why."""


def known(access: Access) -> Known:
    """Raises ValueError, and click's errors."""
    return Known(parse(access.hosts).servers, access.ssl())


@asynccontextmanager
async def connected(access: Access, timeout: float) -> AsyncIterator[AsyncClient[bytes]]:
    """Raises ClientError, NoEnsemble, ValueError, and click's errors for `access`."""
    servers, ssl = known(access)
    credentials = access.credentials()
    client = connect(
        ",".join(map(str, servers)),  # a chroot would only be in the way
        session_timeout=_SESSION_SECONDS,
        operation_timeout=timeout,
        ssl=ssl,
    )
    try:
        await client.start(timeout=timeout)
    except OperationTimeoutError as error:
        raise NoEnsemble(await _why_not(known(access), timeout, error)) from error
    try:
        for scheme, proof in credentials:
            await client.add_auth(scheme, proof)
        yield client
    finally:
        await client.close(timeout=1.0)


async def _why_not(known: Known, timeout: float, error: OperationTimeoutError) -> str:
    servers = known.servers
    answers = await asyncio.gather(*(look(server, known.ssl) for server in servers))
    said = "; ".join(f"{server}: {now(answer, None)}" for server, answer in zip(servers, answers))
    hint = "; without a quorum of voters no server serves" if len(servers) > 1 else ""
    if known.ssl is not None:
        hint += f" ({error.detail})"  # it may be a certificate
    return f"no server took a session within {timeout:g} s: {said}{hint}"


def run(work: Coroutine[Any, Any, R]) -> R:
    """Do it; what goes wrong is one line, and exit code 1 or, for what was asked wrongly, 2."""
    try:
        return asyncio.run(work)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (ClientError, NoEnsemble) as error:
        click.echo(f"zoo: {error}", err=True)
        raise SystemExit(1) from error


def parsed(text: str) -> Ensemble:
    """Raises NoEnsemble."""
    if not text.strip():
        raise NoEnsemble("this server stands alone: there is no configuration of an ensemble")
    try:
        return parse_ensemble_text(text, "/zookeeper/config")
    except ConfigError as error:
        raise NoEnsemble(f"the configuration cannot be read: {error}") from error


async def read(client: AsyncClient[bytes]) -> Ensemble:
    """Raises ClientError, NoEnsemble."""
    return parsed((await client.retrying(client.get_config)).data)


async def show(access: Access, timeout: float, wish: Wish, out: Callable[[str], None]) -> None:
    """The configuration, and with `wish.watch` every later one. Raises ClientError, NoEnsemble."""
    changed = asyncio.Event()
    reach = known(access)
    shown: Ensemble | None = None
    async with connected(access, timeout) as client:
        client.add_listener(lambda state: changed.set() if state.is_usable else None)
        while True:
            changed.clear()
            node = await client.retrying(lambda: client.get_config(watch=lambda _: changed.set()))
            ensemble = parsed(node.data)
            if ensemble != shown:
                if shown is not None and not wish.json:
                    out("")
                for line in await _lines(ensemble, reach, wish):
                    out(line)
                shown = ensemble
            if not wish.watch:
                return
            await changed.wait()


async def _lines(ensemble: Ensemble, known: Known, wish: Wish) -> list[str]:
    if wish.clients:
        if not connect_string(ensemble):
            raise NoEnsemble("no member's address for clients stands in the configuration")
        return [connect_string(ensemble)]
    answers = await survey(ensemble, known)
    if wish.json:
        return [json.dumps(as_json(ensemble, answers), ensure_ascii=False)]
    return table(ensemble, answers)
