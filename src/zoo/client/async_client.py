"""The asyncio client: all operations, and the life of a session."""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar, overload

from zoo.client.admin import AdminOperations
from zoo.client.converters import BYTES, Converter
from zoo.client.creating import CreateOperations
from zoo.client.hosts import parse
from zoo.client.outside import outside
from zoo.client.retry import Retries, RetryPolicy
from zoo.client.session import Options, Session
from zoo.client.srv import check_resolver
from zoo.client.states import State
from zoo.client.transaction import TransactionOperations
from zoo.client.watching import WatchOperations

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


class AsyncClient(
    CreateOperations[T], TransactionOperations[T], WatchOperations[T], AdminOperations[T]
):
    """A client of a ZooKeeper service on an asyncio event loop.

    `async with zoo.connect("127.0.0.1:2181/app") as zk: ...`, or `start` and `close` by hand.
    Tasks may share it; requests are answered in the order in which they were made. When the
    session is lost a new one is begun at once, without the ephemerals and watches of the old.
    """

    @classmethod
    def at(
        cls,
        hosts: str,
        data: Converter[T],
        options: Options,
        rng: Random | None = None,
    ) -> AsyncClient[T]:
        """Not connected yet. Raises ValueError for a connect string that is none."""
        servers, chroot = parse(hosts)
        check_resolver(servers)
        return cls(Session(servers, options, rng or outside().random()), data, chroot)

    def __repr__(self) -> str:
        session = self._session
        servers = ",".join(map(str, session.hosts.servers))
        number = f" session 0x{self.session_id & (1 << 64) - 1:x}" if self.session_id else ""
        at = f" at {session.server}" if session.server and self.state.is_usable else ""
        return f"<{type(self).__name__} {servers}{self._prefix} {self.state.value}{at}{number}>"

    # --- the session

    async def start(self, *, timeout: float = 15.0) -> None:
        """Connect. Raises OperationTimeoutError, with the reason, after `timeout` s."""
        self._session.start()
        try:
            await self._session.wait_for_server(timeout)
        except BaseException:
            await self._session.close(0)
            raise

    async def close(self, *, timeout: float = 5.0) -> None:
        """End the session: its ephemerals go now. Waits for the server at most `timeout` s."""
        await self._session.close(timeout)

    async def __aenter__(self) -> AsyncClient[T]:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def state(self) -> State:
        return self._session.state

    @property
    def session_id(self) -> int:
        """Signed 64 bits; 0 before the first connection and after the session was lost."""
        return self._session.core.session_id

    @property
    def session_timeout(self) -> float:
        """As the server granted it, in seconds."""
        return self._session.core.timeout_ms / 1000

    @property
    def session_expires_in(self) -> float:
        """Seconds until the server may have declared the session dead, going by its last word."""
        session = self._session
        return session.core.expires_in(session.now_ms()) / 1000 if session.is_started else 0.0

    @property
    def last_zxid(self) -> int:
        """The newest transaction this client has seen."""
        return self._session.core.last_zxid

    def add_listener(self, listener: Callable[[State], None]) -> None:
        """`listener(state)` on every change of state, on the event loop."""
        self._session.listeners[listener] = None

    def remove_listener(self, listener: Callable[[State], None]) -> None:
        self._session.listeners.pop(listener, None)

    async def wait_until_connected(self, timeout: float = 15.0) -> None:
        """Raises OperationTimeoutError after `timeout` s."""
        await self._session.wait_for_server(timeout)

    def set_hosts(self, hosts: str) -> None:
        """Another list of servers, without a chroot, from now on.

        The connection moves when its server is not on it, and sometimes when the list has grown, so
        that the load of all clients evens out; the session stays.
        """
        servers, chroot = parse(hosts)
        if chroot:
            raise ValueError(f"the chroot {chroot!r} cannot be changed while connected")
        check_resolver(servers)
        self._session.update_servers(servers)

    # --- views

    def with_data(self, data: Converter[U]) -> AsyncClient[U]:
        """The same session with another converter."""
        return AsyncClient(self._session, data, self._prefix)

    def below(self, path: str) -> AsyncClient[T]:
        """The same session, with all paths below `path`."""
        prefix = self._wire(path, "below").decode()
        return AsyncClient(self._session, self._converter, "" if prefix == "/" else prefix)

    @property
    def chroot(self) -> str:
        return self._prefix or "/"

    async def retrying(
        self, operation: Callable[[], Awaitable[R]], policy: RetryPolicy | None = None
    ) -> R:
        """Do it again after errors that pass: for operations that may be applied twice.

        The error of the last attempt is raised when the policy ends or its deadline would pass.
        """
        retries = Retries(policy, self._session.rng, asyncio.get_running_loop().time)
        while True:
            try:
                return await operation()
            except Exception as error:
                pause = retries.pause_after(error)
                if pause is None or self.state.is_final:
                    raise
                await asyncio.sleep(pause)


@overload
def connect(
    hosts: str = ...,
    *,
    session_timeout: float = ...,
    operation_timeout: float = ...,
    read_only: bool = ...,
    follow_config: bool = ...,
    ssl: ssl_module.SSLContext | None = ...,
) -> AsyncClient[bytes]: ...


@overload
def connect(
    hosts: str = ...,
    *,
    data: Converter[T],
    session_timeout: float = ...,
    operation_timeout: float = ...,
    read_only: bool = ...,
    follow_config: bool = ...,
    ssl: ssl_module.SSLContext | None = ...,
) -> AsyncClient[T]: ...


def connect(
    hosts: str = "127.0.0.1:2181",
    *,
    data: Converter[Any] = BYTES,
    session_timeout: float = 10.0,
    operation_timeout: float = 30.0,
    read_only: bool = False,
    follow_config: bool = False,
    ssl: ssl_module.SSLContext | None = None,
    **more: Any,
) -> AsyncClient[Any]:
    """A client of `host:port,host:port/chroot`: `async with zoo.connect(...) as zk`.

    `data` says what znodes hold: BYTES, TEXT, JSON or a Converter of yours. `read_only` accepts a
    server that is cut off from its ensemble. `follow_config` replaces `hosts` by the servers of the
    ensemble's configuration, now and whenever it changes. Times in seconds; `more` are other fields
    of Options.
    """
    options = Options(
        session_timeout=session_timeout,
        operation_timeout=operation_timeout,
        read_only=read_only,
        follow_config=follow_config,
        ssl=ssl,
        **more,
    )
    return AsyncClient.at(hosts, data, options)
