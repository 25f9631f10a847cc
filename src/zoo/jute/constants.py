"""Numbers and names of ZooKeeper's client protocol that are not records and not operations."""

from __future__ import annotations

from enum import IntEnum

from zoo.jute.records import ACL, Id


class Perms(IntEnum):
    """What an ACL entry permits. No IntFlag: `perms & Perms.READ` must stay one int operation."""

    READ = 1
    WRITE = 2
    CREATE = 4
    DELETE = 8
    ADMIN = 16
    ALL = 31


class CreateMode(IntEnum):
    """The `flags` of a create request. `CreateMode(n)` raises ValueError for an unknown number."""

    PERSISTENT = 0
    EPHEMERAL = 1
    PERSISTENT_SEQUENTIAL = 2
    EPHEMERAL_SEQUENTIAL = 3
    CONTAINER = 4
    PERSISTENT_WITH_TTL = 5
    PERSISTENT_SEQUENTIAL_WITH_TTL = 6

    @property
    def is_ephemeral(self) -> bool:
        return self in (CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL)

    @property
    def is_sequential(self) -> bool:
        return self in (
            CreateMode.PERSISTENT_SEQUENTIAL,
            CreateMode.EPHEMERAL_SEQUENTIAL,
            CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
        )

    @property
    def is_container(self) -> bool:
        return self is CreateMode.CONTAINER

    @property
    def is_ttl(self) -> bool:
        return self >= CreateMode.PERSISTENT_WITH_TTL


class EventType(IntEnum):
    """The `type` of a WatcherEvent."""

    NONE = -1
    NODE_CREATED = 1
    NODE_DELETED = 2
    NODE_DATA_CHANGED = 3
    NODE_CHILDREN_CHANGED = 4
    DATA_WATCH_REMOVED = 5
    CHILD_WATCH_REMOVED = 6
    PERSISTENT_WATCH_REMOVED = 7

    def __str__(self) -> str:
        return self.name


class KeeperState(IntEnum):
    """The `state` of a WatcherEvent; CLOSED and below zero never travel."""

    UNKNOWN = -1
    DISCONNECTED = 0
    NO_SYNC_CONNECTED = 1
    SYNC_CONNECTED = 3
    AUTH_FAILED = 4
    CONNECTED_READ_ONLY = 5
    SASL_AUTHENTICATED = 6
    CLOSED = 7
    EXPIRED = -112


class AddWatchMode(IntEnum):
    """The `mode` of an addWatch request."""

    PERSISTENT = 0
    PERSISTENT_RECURSIVE = 1


class WatcherType(IntEnum):
    """The `type` of a checkWatches or removeWatches request."""

    CHILDREN = 1
    DATA = 2
    ANY = 3
    PERSISTENT = 4
    PERSISTENT_RECURSIVE = 5


NOTIFICATION_XID = -1
PING_XID = -2
AUTH_XID = -4
SET_WATCHES_XID = -8

PROTOCOL_VERSION = 0
PASSWORD_LENGTH = 16
"""Bytes of a session's password."""

DEFAULT_MAX_BUFFER = 0xFFFFF
"""jute.maxbuffer when nobody sets it, in bytes."""

ANYONE_ID_UNSAFE = Id("world", "anyone")
AUTH_IDS = Id("auth", "")

OPEN_ACL_UNSAFE = (ACL(31, "world", "anyone"),)
READ_ACL_UNSAFE = (ACL(1, "world", "anyone"),)
CREATOR_ALL_ACL = (ACL(31, "auth", ""),)
