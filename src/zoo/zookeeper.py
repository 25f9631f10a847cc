"""The small blocking class that tutorials on ZooKeeper in Python show.

    zk = ZooKeeper('localhost:2181')
    zk.create('/greeting', 'hello', ZooKeeper.EPHEMERAL)
    got = zk.get('/greeting', watch=True)
    zk.set('/greeting', 'hi', version=got[0])
    print(next(zk.events()))
    zk.stop()

For everything else there is `zoo.Client`, which `zk.client` is.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from zoo.client.blocking import Client
from zoo.client.portal import portal
from zoo.client.states import State
from zoo.client.watches import Event
from zoo.jute.constants import CreateMode
from zoo.jute.records import Stat

Data = str | bytes | None


class Got(NamedTuple):
    """What `get` returns; `got[0]` is what `set` and `delete` take as the version."""

    version: int
    data: bytes
    stat: Stat


class _Events:
    """What the watches of one connection tell. None is its end, for all who read."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.put: Callable[[Event | None], None] = self._queue.put
        self.will_end = False

    def end(self) -> None:
        self.will_end = True
        self.put(None)

    def read(self, timeout: float | None) -> Iterator[Event]:
        while True:
            try:
                event = self._queue.get(timeout=timeout)
            except queue.Empty:
                return
            if event is None:
                self.put(None)  # whoever else reads ends too
                return
            yield event


class _Connection:
    """A client that is started once, for all threads that want it meanwhile.

    That goes on in the portal, in no thread of the application: a signal's handler may interrupt
    one that waits, and stop the connection or wait for it too.
    """

    def __init__(self, client: Client[bytes], events: _Events) -> None:
        self.client = client
        self.events = events
        self.is_started = False
        self._start: asyncio.Task[None] | None = None
        self._waiting = 0
        self._is_given_up = False

    @property
    def is_usable(self) -> bool:
        return self.is_started and self.client.state is not State.CLOSED

    @property
    def is_over(self) -> bool:
        return self._is_given_up or self.client.state is State.CLOSED

    async def start(self) -> bool:
        """On the portal's loop. Raises what the one start does; False: it has been given up."""
        if self._is_given_up:
            return False
        if self._start is None:
            self._start = asyncio.create_task(self.client._client.start())
        self._waiting += 1
        try:
            await asyncio.shield(self._start)
            self.is_started = True
            return True
        finally:
            self._waiting -= 1
            if not self._waiting:  # all that wanted it were interrupted, unless it is done
                self._is_given_up = self._start.cancel()

    def watch(self, wanted: bool) -> Callable[[Event], None] | None:
        return self.events.put if wanted else None

    def close(self) -> None:
        self.client._end(5.0, self.events.end)


class ZooKeeper:
    """A connection that is made when it is first needed, and closed by `stop`. Thread-safe."""

    PERSISTENT = int(CreateMode.PERSISTENT)
    EPHEMERAL = int(CreateMode.EPHEMERAL)
    PERSISTENT_SEQUENTIAL = int(CreateMode.PERSISTENT_SEQUENTIAL)
    EPHEMERAL_SEQUENTIAL = int(CreateMode.EPHEMERAL_SEQUENTIAL)
    CONTAINER = int(CreateMode.CONTAINER)

    def __init__(self, hosts: str = "localhost:2181", timeout: float = 10.0) -> None:
        """`timeout` of the session, in seconds. ValueError for hosts that are none."""
        self._hosts = hosts
        self._timeout = timeout
        # A signal's handler may come back to it while its thread holds it.
        self._lock = threading.RLock()
        self._events = _Events()
        self._connection: _Connection | None = None
        self._new_client()  # complain about the hosts now

    def _new_client(self) -> Client[bytes]:
        return Client(self._hosts, session_timeout=self._timeout)

    def __repr__(self) -> str:
        connection = self._connection
        state = connection.client.state.value if connection else "not connected"
        return f"<ZooKeeper {self._hosts} {state}>"

    # --- the connection

    @property
    def client(self) -> Client[bytes]:
        """The client behind it, connected."""
        return self._connected().client

    def _connected(self) -> _Connection:
        connection = self._connection
        if connection is not None and connection.is_usable:
            return connection
        while True:
            with self._lock:
                connection = self._connection
                if connection is None or connection.is_over:
                    connection = self._connection = self._new_connection(connection)
            if connection.events.will_end:  # stopped by a signal's handler before it was there
                connection.close()
            if portal().run(connection.start()):
                return connection

    def _new_connection(self, old: _Connection | None) -> _Connection:
        if old is not None and old.is_started:  # the application has closed the client itself
            self._events.end()
        if self._events.will_end:
            self._events = _Events()
        return _Connection(self._new_client(), self._events)

    def start(self) -> ZooKeeper:
        """Connect now. Raises OperationTimeoutError when there is no server, ClientClosedError
        when `stop` is called meanwhile."""
        self._connected()
        return self

    def stop(self) -> None:
        """Close: ephemerals go, `events` ends. A later call connects again."""
        with self._lock:
            connection, self._connection = self._connection, None
            self._events.will_end = True  # whoever connects from now on has others
        if connection is not None:
            connection.close()
        else:
            self._events.end()

    def __enter__(self) -> ZooKeeper:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- znodes

    def create(self, path: str, data: Data = b"", flags: int = PERSISTENT) -> str:
        """The path of the new znode, with its number if the flags say sequential."""
        mode = _mode(flags, path)
        node = self.client.create(
            path,
            _bytes(data, path),
            ephemeral=mode.is_ephemeral,
            sequence=mode.is_sequential,
            container=mode.is_container,
        )
        return node.path

    def get(self, path: str, watch: bool = False) -> Got:
        """(version, data, stat). With `watch` the next change becomes an event."""
        connection = self._connected()
        node = connection.client.get(path, watch=connection.watch(watch))
        return Got(node.version, node.data, node.stat)

    def set(self, path: str, data: Data, version: int = -1) -> Stat:
        """Raises BadVersionError when somebody else was faster, and changes nothing then."""
        return self.client.set(path, _bytes(data, path), version=version)

    def delete(self, path: str, version: int = -1) -> None:
        self.client.delete(path, version=version)

    def exists(self, path: str, watch: bool = False) -> Stat | None:
        connection = self._connected()
        return connection.client.exists(path, watch=connection.watch(watch))

    def children(self, path: str = "/", watch: bool = False) -> list[str]:
        """The names of the children, sorted."""
        connection = self._connected()
        return connection.client.children(path, watch=connection.watch(watch))

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """The events of all watches, as they come.

        Ends with `stop`, for every thread that reads, or when none has come for `timeout` seconds.
        A connection that is made later has events of its own.
        """
        yield from self._events.read(timeout)


def _mode(flags: int, path: str) -> CreateMode:
    try:
        mode = CreateMode(flags)
    except ValueError:
        known = ", ".join(f"{mode.value} {mode.name}" for mode in CreateMode if not mode.is_ttl)
        raise ValueError(f"{path}: flags must be one of {known}; not {flags!r}") from None
    if mode.is_ttl:
        hint = "use client.create(..., ttl=seconds)"
        raise ValueError(f"{path}: flags {flags} need a ttl: {hint}")
    return mode


def _bytes(data: Data, path: str) -> bytes | None:
    if data is None or isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise TypeError(f"{path}: data must be str or bytes, not {type(data).__name__}")
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: {error}") from error
