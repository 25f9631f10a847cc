"""What all operations of the asyncio client stand on: paths, data, and one way to ask."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any, Generic, TypeVar

from zoo import paths
from zoo.client.converters import Converter
from zoo.client.errors import InvalidPathError
from zoo.client.session import Session
from zoo.client.streams import OneShot, WatchCallback, strip_prefix
from zoo.client.watches import Kind, Removal, Watching
from zoo.jute import schema
from zoo.jute.codec import Reader
from zoo.jute.operations import OPERATIONS, Op
from zoo.jute.records import ACL

T = TypeVar("T")


class ClientBase(Generic[T]):
    """A view of a session: below a chroot, with a converter. Views are cheap."""

    def __init__(self, session: Session, converter: Converter[T], prefix: str = "") -> None:
        self._session = session
        self._converter = converter
        self._prefix = prefix
        self._wire_prefix = prefix.encode()

    async def _ask(
        self,
        op: Op,
        record: Any,
        path: str | None,
        timeout: float | None,
        watch: Watching | Removal | None = None,
    ) -> Any:
        """The record of the answer, or None for an operation that answers nothing."""
        body, _ = await self._session.request(op, record, path, watch, timeout)
        reply = OPERATIONS[op].reply
        return None if reply is None else schema.decode(reply, body)

    async def _ask_raw(
        self, op: Op, record: Any, path: str | None, timeout: float | None
    ) -> Reader:
        body, _ = await self._session.request(op, record, path, None, timeout)
        return body

    def _wire(self, path: str, operation: str, sequential: bool = False) -> bytes:
        """The path on the wire. Raises InvalidPathError, which names the path and the rule."""
        if not isinstance(path, str):
            raise InvalidPathError(
                f"a path is a str, not {type(path).__name__}", operation=operation, path=repr(path)
            )
        try:
            wire = path.encode()
        except UnicodeEncodeError as error:
            raise InvalidPathError(str(error), operation=operation, path=repr(path)) from None
        if reason := paths.invalid_reason(wire, sequential):
            raise InvalidPathError(reason, operation=operation, path=repr(path))
        if not self._wire_prefix:
            return wire
        if wire == paths.ROOT and not sequential:
            return self._wire_prefix
        return self._wire_prefix + wire  # a number after the chroot's own name would leave it

    def _path(self, wire: bytes) -> str:
        return strip_prefix(wire, self._prefix)

    def _bytes(self, value: T | None, path: str) -> bytes | None:
        """What is stored for a value; None is no data. Errors name the path."""
        if value is None:
            return b""
        try:
            return self._converter.to_bytes(value)
        except (TypeError, ValueError) as error:
            # Not type(error): UnicodeEncodeError, for one, is not made of a text.
            plain = TypeError if isinstance(error, TypeError) else ValueError
            raise plain(f"{path}: {error}") from error

    def _value(self, data: bytes | None, path: str) -> T:
        try:
            return self._converter.from_bytes(data)
        except ValueError as error:
            raise ValueError(f"{path}: its data is not {self._converter.name}: {error}") from error

    def _watcher(self, kind: Kind, wire: bytes, callback: WatchCallback | None) -> Any:
        if callback is None:
            return None
        check_watch(callback, self._path(wire))
        return kind, wire, OneShot(callback, self._prefix, self._session.tasks)


def check_watch(callback: object, path: str) -> None:
    """TypeError now, and not when the event comes."""
    if not callable(callback):
        raise TypeError(f"{path}: watch must be a function that takes the event, not {callback!r}")


def check_version(version: int, path: str, bits: int = 32) -> int:
    """The version as it can be sent. Raises TypeError and ValueError, which name the path."""
    if not isinstance(version, int):
        try:
            version = index(version)
        except TypeError:
            raise TypeError(f"{path}: version must be an int, not {version!r}") from None
    if not -(1 << bits - 1) <= version < 1 << bits - 1:
        raise ValueError(f"{path}: version must be of {bits} bits, not {version}")
    return version


def acl_list(acl: Iterable[ACL], path: str = "") -> list[ACL]:
    """Raises TypeError for what is no access control list, ValueError for an empty one."""
    try:
        entries = list(acl)
    except TypeError as error:
        raise TypeError(_about_acl(path, "a list of ACL(perms, scheme, id)", acl)) from error
    if not entries:
        raise ValueError(_about_acl(path, "one entry at least", acl))
    for entry in entries:
        if not isinstance(entry, ACL):
            raise TypeError(_about_acl(path, "ACL(perms, scheme, id) in a list", entry))
    return entries


def _about_acl(path: str, wanted: str, given: object) -> str:
    return f"{path}: acl must be {wanted}, not {given!r}".removeprefix(": ")
