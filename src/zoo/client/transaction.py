"""Transactions (multi) and reads of one moment (multiRead)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from zoo.client.base import ClientBase, acl_list, check_version
from zoo.client.creating import CreateSpec
from zoo.client.errors import ClientError, TransactionFailedError, error_for
from zoo.client.results import Node
from zoo.errors import Code, code_of
from zoo.jute import client_records as c
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.multi import decode_reply
from zoo.jute.operations import Op
from zoo.jute.records import ACL, Stat

T = TypeVar("T")
Result = Any
"""Of one operation: Node of a create, Stat of a set, None of a delete or check."""


class TransactionParts(Generic[T]):
    """The operations a transaction collects, the same in both clients; each returns its index."""

    def __init__(self, client: ClientBase[T]) -> None:
        self._client = client
        self._items: list[tuple[Op, Any]] = []
        self._paths: list[tuple[str, bytes | None]] = []
        self._is_done = False
        self.results: list[Result] = []
        """One per operation, once committed."""

    def __repr__(self) -> str:
        state = "committed" if self.results else "collecting"
        return f"<Transaction {state}: {[op.name for op, _ in self._items]}>"

    def __len__(self) -> int:
        return len(self._items)

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
    ) -> int:
        client = self._client
        spec = CreateSpec(ephemeral, sequence, container, ttl, acl_list(acl, path))
        stored = client._bytes(data, path)
        op, request = spec.request(client._wire(path, "create", sequence), stored)
        return self._add(op, request, path, stored)

    def set(self, path: str, data: T | None, *, version: int = -1) -> int:
        wire, stored = self._client._wire(path, "set"), self._client._bytes(data, path)
        request = c.SetDataRequest(wire, stored, check_version(version, path))
        return self._add(Op.setData, request, path)

    def delete(self, path: str, *, version: int = -1) -> int:
        wire = self._client._wire(path, "delete")
        request = c.DeleteRequest(wire, check_version(version, path))
        return self._add(Op.delete, request, path)

    def check(self, path: str, *, version: int = -1) -> int:
        """Fail the transaction unless the znode exists and has this version (-1: any)."""
        wire = self._client._wire(path, "check")
        request = c.CheckVersionRequest(wire, check_version(version, path))
        return self._add(Op.check, request, path)

    def _add(self, op: Op, request: Any, path: str, stored: bytes | None = None) -> int:
        if self._is_done:
            raise ValueError("the transaction was committed already")
        self._items.append((op, request))
        self._paths.append((path, stored))
        return len(self._items) - 1

    def _result(self, index: int, reply: Any) -> Result:
        if isinstance(reply, c.Create2Response):
            path = self._client._path(reply.path)
            value = self._client._value(self._paths[index][1], path)
            return Node(path, value, reply.stat)
        return reply.stat if isinstance(reply, c.SetDataResponse) else None

    def _refused(self, codes: Sequence[Code]) -> TransactionFailedError:
        # Those before the one at fault are OK, those after it RUNTIMEINCONSISTENCY.
        at_fault = (
            index
            for index, code in enumerate(codes)
            if code not in (Code.OK, Code.RUNTIMEINCONSISTENCY)
        )
        failed = next(at_fault, 0)
        code, op, path = codes[failed], self._items[failed][0], self._paths[failed][0]
        cause = error_for(code, op.name, path)
        missing = f"{cause.detail}; " if cause.detail else ""
        return TransactionFailedError(
            f"{missing}operation {failed} of {len(codes)}; nothing was applied",
            code=code,
            operation=f"transaction: {cause.operation}",
            path=path,
            failed=failed,
            results=codes,
        )


class Transaction(TransactionParts[T]):
    """All of its operations or none, in order.

    `async with client.transaction() as t: t.check(...); t.set(...)` commits at the end of the
    block, unless it raises; `t.results` then has one result per operation. TransactionFailedError
    says which operation was refused. After a ConnectionLossError the outcome is unknown.
    """

    async def __aenter__(self) -> Transaction[T]:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and not self._is_done:
            await self.commit()

    async def commit(self, *, timeout: float | None = None) -> list[Result]:
        if self._is_done:
            raise ValueError("the transaction was committed already")
        self._is_done = True
        if not self._items:
            return self.results
        path = self._paths[0][0]
        body = await self._client._ask_raw(Op.multi, self._items, path, timeout)
        replies = decode_reply(body)
        if any(op is Op.error for op, _ in replies):
            raise self._refused([code_of(getattr(reply, "err", 0)) for _, reply in replies])
        self.results = [self._result(n, reply) for n, (_, reply) in enumerate(replies)]
        return self.results


@dataclass(frozen=True)
class Get:
    """One read of a multi_read: a Node."""

    path: str


@dataclass(frozen=True)
class ListChildren:
    """One read of a multi_read: the sorted names of the children."""

    path: str


class TransactionOperations(ClientBase[T]):
    def transaction(self) -> Transaction[T]:
        return Transaction(self)

    async def multi_read(
        self, reads: Iterable[Get | ListChildren], *, timeout: float | None = None
    ) -> list[Node[T] | list[str] | ClientError]:
        """Several reads in one request, each with its result or its error in its place."""
        wanted = list(reads)
        items: list[tuple[Op, Any]] = []
        for number, read in enumerate(wanted):
            if not isinstance(read, Get | ListChildren):
                raise TypeError(
                    f"multi_read: reads[{number}] must be Get(path) or ListChildren(path), "
                    f"not {read!r}"
                )
            wire = self._wire(read.path, "multi_read")
            if isinstance(read, Get):
                items.append((Op.getData, c.GetDataRequest(wire, False)))
            else:
                items.append((Op.getChildren, c.GetChildrenRequest(wire, False)))
        if not items:
            return []
        body = await self._ask_raw(Op.multiRead, items, wanted[0].path, timeout)
        replies = decode_reply(body)
        return [self._read_result(read, reply) for read, (_, reply) in zip(wanted, replies)]

    def _read_result(self, read: Get | ListChildren, reply: Any) -> Any:
        if isinstance(reply, c.GetDataResponse):
            assert isinstance(reply.stat, Stat)
            return Node(read.path, self._value(reply.data, read.path), reply.stat)
        if isinstance(reply, c.GetChildrenResponse):
            return sorted(str(name, "utf-8", "replace") for name in reply.children)
        return error_for(code_of(reply.err), "multi_read", read.path)
