"""Zoo: Apache ZooKeeper's coordination service in pure Python."""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from zoo.client.async_client import AsyncClient, connect
    from zoo.client.blocking import Client
    from zoo.client.converters import BYTES, JSON, TEXT, Converter
    from zoo.client.results import Node
    from zoo.client.retry import RetryPolicy
    from zoo.client.states import State
    from zoo.client.transaction import Get, ListChildren
    from zoo.client.watches import Event
    from zoo.errors import Code, KeeperError
    from zoo.jute.constants import EventType
    from zoo.jute.records import ACL, Stat
    from zoo.zookeeper import ZooKeeper

__version__ = "0.1.0"
__all__ = [
    "ACL",
    "BYTES",
    "JSON",
    "TEXT",
    "AsyncClient",
    "Client",
    "Code",
    "Converter",
    "Event",
    "EventType",
    "Get",
    "KeeperError",
    "ListChildren",
    "Node",
    "RetryPolicy",
    "Stat",
    "State",
    "ZooKeeper",
    "__version__",
    "connect",
]
# Found when they are first asked for: a server needs no client, and a client no server.
_HOMES = {
    "zoo.client.async_client": ("AsyncClient", "connect"),
    "zoo.client.blocking": ("Client",),
    "zoo.client.converters": ("BYTES", "JSON", "TEXT", "Converter"),
    "zoo.client.results": ("Node",),
    "zoo.client.retry": ("RetryPolicy",),
    "zoo.client.states": ("State",),
    "zoo.client.transaction": ("Get", "ListChildren"),
    "zoo.client.watches": ("Event",),
    "zoo.errors": ("Code", "KeeperError"),
    "zoo.jute.constants": ("EventType",),
    "zoo.jute.records": ("ACL", "Stat"),
    "zoo.zookeeper": ("ZooKeeper",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(_importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
