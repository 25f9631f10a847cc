"""The blocking client: the asyncio client's methods, called through the portal thread.

Names, arguments, results and errors are those of `AsyncClient`; a test compares them. Callbacks of
watches and listeners run one after the other in a thread of the client's own, where blocking calls
are allowed.
"""

from __future__ import annotations

import asyncio
import logging
import ssl as ssl_module
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic, sleep
from typing import Any, Generic, TypeVar, overload

from zoo.client.async_client import AsyncClient, connect
from zoo.client.base import check_watch
from zoo.client.blocking_parts import BlockingTransaction, BlockingWatchStream
from zoo.client.converters import BYTES, Converter
from zoo.client.direct import direct, finish
from zoo.client.errors import ClientError
from zoo.client.following import CONFIG_PATH
from zoo.client.portal import Dispatcher, Forward, portal
from zoo.client.results import Children, Node, Transferred
from zoo.client.retry import Retries, RetryPolicy
from zoo.client.states import State
from zoo.client.streams import DEFAULT_BUFFER
from zoo.client.transaction import Get, ListChildren
from zoo.client.watches import Event
from zoo.jute.constants import OPEN_ACL_UNSAFE, WatcherType
from zoo.jute.records import ACL, ClientInfo, Stat

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")
Callback = Callable[[Event], object]
log = logging.getLogger("zoo.client")


class Client(Generic[T]):
    """A blocking client; any number of threads may share it.

    `with zoo.Client("127.0.0.1:2181/app") as zk: ...`, or `start` and `close` by hand.
    """

    @overload
    def __init__(
        self: Client[bytes],
        hosts: str = ...,
        *,
        session_timeout: float = ...,
        operation_timeout: float = ...,
        read_only: bool = ...,
        follow_config: bool = ...,
        ssl: ssl_module.SSLContext | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        hosts: str = ...,
        *,
        data: Converter[T],
        session_timeout: float = ...,
        operation_timeout: float = ...,
        read_only: bool = ...,
        follow_config: bool = ...,
        ssl: ssl_module.SSLContext | None = ...,
    ) -> None: ...

    def __init__(
        self,
        hosts: str = "127.0.0.1:2181",
        *,
        data: Converter[Any] = BYTES,
        session_timeout: float = 10.0,
        operation_timeout: float = 30.0,
        read_only: bool = False,
        follow_config: bool = False,
        ssl: ssl_module.SSLContext | None = None,
        **more: Any,
    ) -> None:
        """See `zoo.connect`. Raises ValueError for a connect string that is none."""
        self._client: AsyncClient[T] = connect(
            hosts,
            data=data,
            session_timeout=session_timeout,
            operation_timeout=operation_timeout,
            read_only=read_only,
            follow_config=follow_config,
            ssl=ssl,
            **more,
        )
        self._client._session.lends_wires = True
        self._direct = direct(self._client)
        self._dispatcher = Dispatcher(_report)

    def __repr__(self) -> str:
        return repr(self._client).replace("AsyncClient", type(self).__name__, 1)

    def _view(self, client: AsyncClient[U]) -> Client[U]:
        view: Client[U] = Client.__new__(Client)
        view._client = client
        view._direct = direct(client)
        view._dispatcher = self._dispatcher
        return view

    def _run(self, work: Coroutine[Any, Any, R]) -> R:
        return portal().run(work)

    def _callback(self, callback: Callback | None, path: str) -> Callable[[Event], None] | None:
        if callback is None:
            return None
        check_watch(callback, path)
        return Forward(self._dispatcher, callback)

    # --- the session

    def start(self, *, timeout: float = 15.0) -> None:
        self._run(self._client.start(timeout=timeout))

    def close(self, *, timeout: float = 5.0) -> None:
        self._end(timeout)

    def _end(self, timeout: float, last: Callable[[], object] | None = None) -> None:
        """Close; `last` is called after all callbacks."""

        async def close() -> None:
            await self._client.close(timeout=timeout)
            await asyncio.sleep(0)  # in this turn the last callbacks are handed to the dispatcher

        try:
            self._run(close())
        finally:
            self._dispatcher.stop(last)

    def __enter__(self) -> Client[T]:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> State:
        return self._client.state

    @property
    def session_id(self) -> int:
        return self._client.session_id

    @property
    def session_timeout(self) -> float:
        return self._client.session_timeout

    @property
    def session_expires_in(self) -> float:
        return self._client.session_expires_in

    @property
    def last_zxid(self) -> int:
        return self._client.last_zxid

    @property
    def chroot(self) -> str:
        return self._client.chroot

    def add_listener(self, listener: Callable[[State], object]) -> None:
        self._client.add_listener(Forward(self._dispatcher, listener))

    def remove_listener(self, listener: Callable[[State], object]) -> None:
        self._client.remove_listener(Forward(self._dispatcher, listener))

    def wait_until_connected(self, timeout: float = 15.0) -> None:
        self._run(self._client.wait_until_connected(timeout))

    def set_hosts(self, hosts: str) -> None:
        async def change() -> None:
            self._client.set_hosts(hosts)

        self._run(change())

    def with_data(self, data: Converter[U]) -> Client[U]:
        return self._view(self._client.with_data(data))

    def below(self, path: str) -> Client[T]:
        return self._view(self._client.below(path))

    def retrying(self, operation: Callable[[], R], policy: RetryPolicy | None = None) -> R:
        # In the caller's thread: the loop's executor has to stay free for names to be resolved.
        retries = Retries(policy, self._client._session.rng, monotonic)
        while True:
            try:
                return operation()
            except Exception as error:
                pause = retries.pause_after(error)
                if pause is None or self.state.is_final:
                    raise
            sleep(pause)

    # --- znodes

    def get(
        self, path: str, *, watch: Callback | None = None, timeout: float | None = None
    ) -> Node[T]:
        if watch is None:
            return finish(self._direct.get(path, timeout=timeout))
        callback = self._callback(watch, path)
        return self._run(self._client.get(path, watch=callback, timeout=timeout))

    def exists(
        self, path: str, *, watch: Callback | None = None, timeout: float | None = None
    ) -> Stat | None:
        if watch is None:
            return finish(self._direct.exists(path, timeout=timeout))
        callback = self._callback(watch, path)
        return self._run(self._client.exists(path, watch=callback, timeout=timeout))

    def children(
        self, path: str = "/", *, watch: Callback | None = None, timeout: float | None = None
    ) -> list[str]:
        return self.children_stat(path, watch=watch, timeout=timeout).names

    def children_stat(
        self, path: str = "/", *, watch: Callback | None = None, timeout: float | None = None
    ) -> Children:
        if watch is None:
            return finish(self._direct.children_stat(path, timeout=timeout))
        callback = self._callback(watch, path)
        return self._run(self._client.children_stat(path, watch=callback, timeout=timeout))

    def create(
        self,
        path: str,
        data: T | None = None,
        *,
        ephemeral: bool = False,
        sequence: bool = False,
        container: bool = False,
        ttl: float | None = None,
        acl: Iterable[ACL] = OPEN_ACL_UNSAFE,
        make_parents: bool = False,
        protected: bool = False,
        timeout: float | None = None,
    ) -> Node[T]:
        return self._run(
            self._client.create(
                path,
                data,
                ephemeral=ephemeral,
                sequence=sequence,
                container=container,
                ttl=ttl,
                acl=acl,
                make_parents=make_parents,
                protected=protected,
                timeout=timeout,
            )
        )

    def ensure_path(self, path: str, *, timeout: float | None = None) -> None:
        self._run(self._client.ensure_path(path, timeout=timeout))

    def set(
        self, path: str, data: T | None, *, version: int = -1, timeout: float | None = None
    ) -> Stat:
        return finish(self._direct.set(path, data, version=version, timeout=timeout))

    def delete(self, path: str, *, version: int = -1, timeout: float | None = None) -> None:
        finish(self._direct.delete(path, version=version, timeout=timeout))

    def delete_all(self, path: str, *, timeout: float | None = None) -> int:
        return finish(self._direct.delete_all(path, timeout=timeout))

    def get_acl(self, path: str, *, timeout: float | None = None) -> tuple[list[ACL], Stat]:
        return finish(self._direct.get_acl(path, timeout=timeout))

    def set_acl(
        self, path: str, acl: Iterable[ACL], *, version: int = -1, timeout: float | None = None
    ) -> Stat:
        return finish(self._direct.set_acl(path, acl, version=version, timeout=timeout))

    def sync(self, path: str = "/", *, timeout: float | None = None) -> None:
        finish(self._direct.sync(path, timeout=timeout))

    def count_descendants(self, path: str = "/", *, timeout: float | None = None) -> int:
        return finish(self._direct.count_descendants(path, timeout=timeout))

    def ephemerals(self, prefix: str = "/", *, timeout: float | None = None) -> list[str]:
        return finish(self._direct.ephemerals(prefix, timeout=timeout))

    # --- several at once, watches, administration

    def transaction(self) -> BlockingTransaction[T]:
        return BlockingTransaction(self._client)

    def multi_read(
        self, reads: Iterable[Get | ListChildren], *, timeout: float | None = None
    ) -> list[Node[T] | list[str] | ClientError]:
        return self._run(self._client.multi_read(reads, timeout=timeout))

    def watch(
        self,
        path: str,
        *,
        recursive: bool = False,
        buffer: int = DEFAULT_BUFFER,
        timeout: float | None = None,
    ) -> BlockingWatchStream:
        stream = self._run(
            self._client.watch(path, recursive=recursive, buffer=buffer, timeout=timeout)
        )
        return BlockingWatchStream(stream)

    def remove_watches(
        self, path: str, kind: WatcherType = WatcherType.ANY, *, timeout: float | None = None
    ) -> None:
        self._run(self._client.remove_watches(path, kind, timeout=timeout))

    def add_auth(self, scheme: str, auth: str | bytes, *, timeout: float | None = None) -> None:
        self._run(self._client.add_auth(scheme, auth, timeout=timeout))

    def who_am_i(self, *, timeout: float | None = None) -> list[ClientInfo]:
        return self._run(self._client.who_am_i(timeout=timeout))

    def get_config(
        self, *, watch: Callback | None = None, timeout: float | None = None
    ) -> Node[str]:
        callback = self._callback(watch, CONFIG_PATH)
        return self._run(self._client.get_config(watch=callback, timeout=timeout))

    def transfer_leader(
        self, server: int, *, within: float = 5.0, timeout: float | None = None
    ) -> Transferred:
        return self._run(self._client.transfer_leader(server, within=within, timeout=timeout))

    def reconfig(
        self,
        *,
        joining: str | None = None,
        leaving: str | None = None,
        members: str | None = None,
        version: int = -1,
        timeout: float | None = None,
    ) -> Node[str]:
        return self._run(
            self._client.reconfig(
                joining=joining,
                leaving=leaving,
                members=members,
                version=version,
                timeout=timeout,
            )
        )


def _report(error: BaseException) -> None:
    log.error("a callback raised", exc_info=error)


def _copy_docs() -> None:
    """The asyncio client's docstrings describe these methods too."""
    for name, method in vars(Client).items():
        original = getattr(AsyncClient, name, None)
        if not name.startswith("_") and callable(method) and method.__doc__ is None:
            method.__doc__ = getattr(original, "__doc__", None)


_copy_docs()
