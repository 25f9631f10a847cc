"""A client's list of servers that follows the ensemble's configuration.

Theory of operation. One task reads /zookeeper/config and leaves a watch there; it reads again when
that watch fires and on every new connection, since a server shows what it knows itself, and one
that was taken out of the ensemble knows nothing newer. Hence a configuration counts only if its
version is not below that of the one before. A list of which nobody can say where all its servers
expect clients is not adopted: it would be shorter than the truth.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from zoo.client.errors import ClientError
from zoo.client.hosts import Server
from zoo.client.retry import is_transient
from zoo.client.states import State
from zoo.client.watches import Kind
from zoo.jute import schema
from zoo.jute.client_records import GetDataRequest, GetDataResponse
from zoo.jute.constants import EventType, KeeperState
from zoo.jute.operations import Op

if TYPE_CHECKING:
    from zoo.client.session import Session

CONFIG_PATH = "/zookeeper/config"
_ANY_ADDRESS = ("0.0.0.0", "::", "0:0:0:0:0:0:0:0")
_RETRY_SECONDS = 5.0
log = logging.getLogger("zoo.client")


class Listed(NamedTuple):
    """What a configuration says to clients."""

    version: int
    servers: tuple[Server, ...]
    """Where clients are served; a wildcard stands for the host that the other members know."""
    silent: tuple[str, ...]
    """Servers ("server.3") whose address for clients stands in their own zoo.cfg alone."""


def listed(text: str) -> Listed:
    """The text of /zookeeper/config. Lines that are something else are passed over."""
    version, servers, silent = 0, [], []
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "version":
            version = int(value, 16)
        elif key.startswith("server."):
            members, _, client = value.partition(";")
            if client:
                servers.append(_server(client, members))
            else:
                silent.append(key)
    return Listed(version, tuple(servers), tuple(silent))


def _server(client: str, members: str) -> Server:
    host, _, port = client.rpartition(":")
    host = host.strip("[]")
    if not host or host in _ANY_ADDRESS:
        known = members.partition("|")[0]
        host = known[1:].partition("]")[0] if known[0] == "[" else known.partition(":")[0]
    return Server(host, int(port))


class _Bell:
    """Rung by the watch and by every change of the connection."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def notify(self, kind: EventType, path: bytes, zxid: int) -> None:
        self._rung.set()

    def missed(self, path: bytes, why: str) -> None:
        self._rung.set()

    def ended(self, path: bytes, state: KeeperState, why: str) -> None:
        self._rung.set()

    def on_state(self, state: State) -> None:
        self._rung.set()

    async def wait(self, timeout: float | None) -> None:
        """Until it rings, or has rung since the last time."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()


async def follow_config(session: Session) -> None:
    """Until the session's client is closed."""
    bell = _Bell()
    known = Listed(0, (), ())
    session.listeners[bell.on_state] = None
    while not session.state.is_final:
        pause = None
        try:
            known = _adopt(session, known, listed(await _read(session, bell)))
        except ClientError as error:
            if is_transient(error):
                pause = _RETRY_SECONDS
            else:
                log.warning("the list of servers cannot follow the configuration: %s", error)
        except ValueError as error:
            log.warning("the configuration cannot be read, the list of servers stays: %s", error)
        await bell.wait(pause)


async def _read(session: Session, bell: _Bell) -> str:
    wire = CONFIG_PATH.encode()
    watch = Kind.DATA, wire, bell
    body, _ = await session.request(Op.getData, GetDataRequest(wire, True), CONFIG_PATH, watch)
    return (schema.decode(GetDataResponse, body).data or b"").decode()


def _adopt(session: Session, known: Listed, found: Listed) -> Listed:
    """The newer one of the two, its servers in use."""
    if found == known or found.version < known.version:
        return known
    if found.silent:
        log.warning("the list of servers stays: no client address of %s", ", ".join(found.silent))
    elif found.servers:
        session.update_servers(found.servers)
    return found
