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

import queue
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from zoo.client.blocking import Client
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
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._client: Client[bytes] | None = None
        self._new_client()  # complain about the hosts now

    def _new_client(self) -> Client[bytes]:
        return Client(self._hosts, session_timeout=self._timeout)

    def __repr__(self) -> str:
        client = self._client
        return f"<ZooKeeper {self._hosts} {client.state.value if client else 'not connected'}>"

    # --- the connection

    @property
    def client(self) -> Client[bytes]:
        """The client behind it, connected."""
        with self._lock:
            if self._client is None or self._client.state is State.CLOSED:
                client = self._new_client()
                client.start()
                self._client = client
            return self._client

    def start(self) -> ZooKeeper:
        """Connect now. Raises OperationTimeoutError when there is no server."""
        assert self.client.state is not State.CLOSED
        return self

    def stop(self) -> None:
        """Close: ephemerals go, `events` ends. A later call connects again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        self._events.put(None)

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
        node = self.client.get(path, watch=self._watch(watch))
        return Got(node.version, node.data, node.stat)

    def set(self, path: str, data: Data, version: int = -1) -> Stat:
        """Raises BadVersionError when somebody else was faster, and changes nothing then."""
        return self.client.set(path, _bytes(data, path), version=version)

    def delete(self, path: str, version: int = -1) -> None:
        self.client.delete(path, version=version)

    def exists(self, path: str, watch: bool = False) -> Stat | None:
        return self.client.exists(path, watch=self._watch(watch))

    def children(self, path: str = "/", watch: bool = False) -> list[str]:
        """The names of the children, sorted."""
        return self.client.children(path, watch=self._watch(watch))

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """The events of all watches, as they come.

        Ends with `stop`, or when none has come for `timeout` seconds.
        """
        while True:
            try:
                event = self._events.get(timeout=timeout)
            except queue.Empty:
                return
            if event is None:
                return
            yield event

    def _watch(self, wanted: bool) -> Callable[[Event], None] | None:
        return self._events.put if wanted else None


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
