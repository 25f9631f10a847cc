"""Config: typed settings that many processes share, and that change while they run.

Guarantee: `value` is always an instance of the dataclass that the class, its `__post_init__` and
`validate` accept: what is written is checked first, and what others wrote and does not fit is
never shown: the last good value stays, `problem` says what is wrong. Every change is one revision
with its number, author, reason and time, written in one transaction with the settings themselves; a
change computed from an older revision is refused, so none is lost unseen.

On SUSPENDED the value may be outdated, `is_current` says so; on LOST nothing more is to be done: it
catches up with the next session.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Generic, NamedTuple, Self, TypeVar

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import (
    BadVersionError,
    ConnectionLossError,
    NoNodeError,
    TransactionFailedError,
)
from zoo.client.outside import outside
from zoo.client.results import Node
from zoo.client.transaction import Get
from zoo.recipes.cache import NodeCache
from zoo.recipes.typed import BadSettingsError, decode, encode, reason

C = TypeVar("C")
log = logging.getLogger("zoo.recipes")
_FORMAT = "{}/history/{:010}"


class Revision(NamedTuple):
    """One state of the settings. `changed` has field -> (before, after), as in JSON."""

    number: int
    settings: dict[str, Any]
    by: str
    why: str
    at: datetime
    changed: dict[str, tuple[Any, Any]]


class _Document(NamedTuple):
    """What the znode holds, as JSON; each revision has a copy in the history."""

    revision: int
    settings: dict[str, Any]
    by: str = ""
    why: str = ""
    id: str = ""

    @classmethod
    def of(cls, data: bytes) -> _Document:
        """Raises BadSettingsError."""
        try:
            document = cls(**json.loads(data))
        except (TypeError, ValueError, RecursionError) as error:
            raise BadSettingsError(f"not what Config writes: {error}") from error
        if type(document.revision) is not int or not isinstance(document.settings, dict):
            raise BadSettingsError("not what Config writes: a number, and settings, are needed")
        return document

    def stored(self) -> bytes:
        return json.dumps(self._asdict(), ensure_ascii=False).encode()


def whoami() -> str:
    """user@host"""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "?"
    return f"{user}@{socket.gethostname()}"


_NOTHING = _Document(0, {})


class Config(Generic[C]):
    """`async with Config(zk, "/config/limits", Limits) as config: config.value.max_orders`"""

    def __init__(
        self,
        zk: AsyncClient[Any],
        path: str,
        kind: type[C],
        *,
        validate: Callable[[C], object] | None = None,
        by: str = "",
        keep: int = 100,
    ) -> None:
        """`kind` is a dataclass; while nothing was set yet its defaults hold. `validate(value)`
        raises ValueError for what must not be (any other exception means no, too). `by` signs our
        changes (user@host unless given); of the history `keep` revisions stay."""
        if not dataclasses.is_dataclass(kind):
            raise TypeError(f"{kind!r} is no dataclass")
        if keep < 1:
            raise ValueError(f"at least one revision is kept, not {keep}")
        self.path = path
        self.problem = ""
        """Why the newest settings are not shown; empty when they are."""
        self.revision = 0
        """Of `value`; 0 while nothing was set."""
        self._zk = zk.with_data(BYTES)
        self._kind = kind
        self._fields = {field.name for field in dataclasses.fields(kind)}
        self._validate = validate
        self._by = by or whoami()
        self._keep = keep
        self._value: C | None = None
        self._mzxid = 0
        self._cache: NodeCache[bytes] = NodeCache(self._zk, path, self._on_node)

    def __repr__(self) -> str:
        return f"<Config {self.path} revision {self.revision}{' stale' * (not self.is_current)}>"

    # --- reading

    @property
    def value(self) -> C:
        """The newest good settings."""
        if self._value is None:
            raise RuntimeError(f"{self!r} is not started")
        return self._value

    @property
    def is_current(self) -> bool:
        """Connected, and nothing known of is still to be read."""
        return self._cache.is_current

    async def changes(self) -> AsyncIterator[C]:
        """The value now, and again after each change; values that did not last may be skipped."""
        while self._cache.is_following:
            seen = self.value
            yield seen

            def is_over(seen: C = seen) -> bool:
                return not self._cache.is_following or self._value is not seen

            await self._cache.wait_for(is_over)

    async def start(self, timeout: float | None = 30.0) -> None:
        """Returns once there is a value. Raises BadSettingsError when what is set is no good, or
        nothing is and the class has fields without a default."""
        await self._cache.start(timeout)
        if self._value is None and not self.problem:
            self._on_node(self.path, None)
        if self._value is None:
            await self.stop()
            raise BadSettingsError(f"{self.path}: {self.problem}")

    async def stop(self) -> None:
        """The value stays as it is."""
        await self._cache.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _on_node(self, _: str, node: Node[bytes] | None) -> None:
        try:
            if node is not None and node.data:
                self._adopt(_Document.of(node.data), node.stat.mzxid)
            elif self.revision:
                raise BadSettingsError("the settings were deleted")
            elif self._value is None:
                self._adopt(_NOTHING, 0)
        except BadSettingsError as error:
            self.problem = str(error)
            log.error("%s: kept at revision %d: %s", self.path, self.revision, error)

    def _adopt(self, document: _Document, mzxid: int) -> None:
        if self._value is None or mzxid > self._mzxid:
            self._value = self._checked(document.settings)
            self.revision, self._mzxid, self.problem = document.revision, mzxid, ""

    def _checked(self, settings: dict[str, Any]) -> C:
        try:
            value: C = decode(self._kind, settings)
            if self._validate is not None:
                self._validate(value)
        except BadSettingsError:
            raise
        except Exception as error:  # whatever a validator chokes on must not end the copy
            raise BadSettingsError(reason(error)) from error
        return value

    # --- changing

    async def set(self, value: C, *, why: str = "", revision: int | None = None) -> int:
        """Replace them all; the number of the new revision. With `revision`: only if that is the
        newest one. Raises BadSettingsError, and BadVersionError. ConnectionLossError: it may have
        been made, and the history does not reach back to it any more."""

        def replace(now: _Document | None) -> dict[str, Any]:
            newest = now.revision if now else None
            if revision not in (None, newest):
                raise BadVersionError(
                    f"the newest revision is {newest}", operation="set", path=self.path
                )
            return self._encoded(value)

        return await self._commit(replace, why)

    async def update(self, *, why: str = "", **fields: Any) -> int:
        """Change some fields of whatever they are now; the number of the new revision."""
        if unknown := sorted(fields.keys() - self._fields):
            raise BadSettingsError(f"{self._kind.__name__} has no field {', '.join(unknown)}")

        def change(now: _Document | None) -> dict[str, Any]:
            if now is None:
                raise BadSettingsError(f"{self.path}: {self.problem}")
            current: Any = self._checked(now.settings)
            return self._encoded(dataclasses.replace(current, **fields))

        return await self._commit(change, why)

    async def rollback(self, revision: int, *, why: str = "") -> int:
        """The settings of an earlier revision as a new one; its number. Raises NoNodeError when
        the history does not have it (any more), and BadSettingsError when it is no good today."""
        then = _Document.of((await self._zk.get(_FORMAT.format(self.path, revision))).data)
        return await self._commit(lambda _: then.settings, why or f"back to revision {revision}")

    async def history(self, limit: int = 20) -> list[Revision]:
        """The newest revisions, the newest first; without what Config has not written."""
        numbers = await self._numbers()
        wanted = numbers[-limit - 1 :]
        reads = [Get(_FORMAT.format(self.path, number)) for number in wanted]
        nodes = [node for node in await self._zk.multi_read(reads) if isinstance(node, Node)]
        found, before = [], dict[str, Any]()
        for node in nodes:
            try:
                each = _Document.of(node.data)
            except BadSettingsError as error:
                log.warning("%s is left out: %s", node.path, error)
                continue
            found.append(_revision(each, node, before))
            before = each.settings
        return found[::-1][:limit]

    def _encoded(self, value: C) -> dict[str, Any]:
        """Raises BadSettingsError for a value that would not be read as what it is."""
        try:
            settings: dict[str, Any] = json.loads(json.dumps(encode(value)))
        except (TypeError, ValueError) as error:
            raise BadSettingsError(str(error)) from error
        if self._checked(settings) != value:
            raise BadSettingsError(f"{value!r} would be read differently")
        return settings

    async def _numbers(self) -> list[int]:
        try:
            return sorted(map(int, await self._zk.children(f"{self.path}/history")))
        except NoNodeError:
            return []

    async def _commit(self, change: Callable[[_Document | None], dict[str, Any]], why: str) -> int:
        """One more revision; computed anew until nobody came between.

        `change` is given the newest, or None when that is not readable.
        """
        await self._zk.ensure_path(f"{self.path}/history")
        while True:
            node = await self._zk.get(self.path)
            now = _newest(node)
            settings = change(now)
            self._checked(settings)
            now = now or _NOTHING
            numbers = await self._numbers()
            number = max([now.revision, *numbers]) + 1
            # Fields that only a newer release knows stay as they are.
            foreign = {key: now.settings[key] for key in now.settings.keys() - self._fields}
            settings = foreign | settings
            document = _Document(number, settings, self._by, why, outside().unique_name())
            mzxid = await self._write(
                node, document, numbers[: max(0, len(numbers) + 1 - self._keep)]
            )
            if mzxid:
                self._adopt(document, mzxid)
                return number

    async def _write(self, node: Node[bytes], document: _Document, forgotten: list[int]) -> int:
        """The transaction's zxid; 0 when another was faster."""
        copy = _FORMAT.format(self.path, document.revision)
        transaction = self._zk.transaction()
        transaction.set(self.path, document.stored(), version=node.version)
        transaction.create(copy, document.stored())
        for number in forgotten:
            transaction.delete(_FORMAT.format(self.path, number))
        try:
            stat = (await transaction.commit())[0]
            return int(stat.mzxid)
        except TransactionFailedError:
            return 0
        except ConnectionLossError as error:
            await self._zk.sync(self.path)
            try:
                written = await self._zk.get(copy)
            except NoNodeError:
                if min(await self._numbers(), default=0) > document.revision:
                    raise error from None  # made or not, others have forgotten it since
                return 0
            return written.stat.czxid if written.data == document.stored() else 0


def _newest(node: Node[bytes]) -> _Document | None:
    if not node.data:
        return _NOTHING
    try:
        return _Document.of(node.data)
    except BadSettingsError:
        return None


def _revision(document: _Document, node: Node[bytes], before: dict[str, Any]) -> Revision:
    settings = document.settings
    changed = {
        name: (before.get(name), settings.get(name))
        for name in sorted(before.keys() | settings.keys())
        if before.get(name) != settings.get(name)
    }
    return Revision(document.revision, settings, document.by, document.why, node.created, changed)
