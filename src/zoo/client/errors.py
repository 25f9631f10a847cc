"""What can go wrong for a client, as one exception class per case.

All are `KeeperError`s with ZooKeeper's code. Each names the operation and the path, and says what
is known: `outcome` is REFUSED when a server said no, NOT_SENT when the request never left this
process, and UNKNOWN when it did and no answer came: a write may then have been applied or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, ClassVar

from zoo.errors import SENTENCES, Code, KeeperError


class Outcome(Enum):
    """What is known of a request that failed."""

    REFUSED = "nothing was changed"
    NOT_SENT = "the request was never sent, so nothing was changed"
    UNKNOWN = "the request was sent and no answer came: a write may have been applied, or not"


_METHODS = {
    "create2": "create",
    "createContainer": "create",
    "createTTL": "create",
    "getData": "get",
    "setData": "set",
    "getChildren2": "children",
    "getACL": "get_acl",
    "setACL": "set_acl",
    "getAllChildrenNumber": "count_descendants",
    "getEphemerals": "ephemerals",
    "multi": "transaction",
    "multiRead": "multi_read",
    "addWatch": "watch",
    "removeWatches": "remove_watches",
    "whoAmI": "who_am_i",
    "transferLeader": "transfer_leader",
}
"""What the client calls the wire's operations, where that is not the same."""


class ClientError(KeeperError):
    """A failed operation. `operation` is the client's method, `path` as the caller gave it, or
    None.
    """

    CODE: ClassVar[Code] = Code.APIERROR

    def __init__(
        self,
        detail: str = "",
        *,
        code: Code | None = None,
        operation: str = "",
        path: str | None = None,
        outcome: Outcome = Outcome.REFUSED,
    ) -> None:
        super().__init__(self.CODE if code is None else code, detail)
        self.operation = _METHODS.get(operation, operation)
        self.path = path
        self.outcome = outcome

    def __str__(self) -> str:
        subject = " ".join(filter(None, (self.operation, self.path)))
        parts = [f"{subject}: {SENTENCES[self.code]}" if subject else SENTENCES[self.code]]
        if self.detail:
            parts.append(f"({self.detail})")
        if self.outcome is not Outcome.REFUSED:
            parts.append(f"[{self.outcome.value}]")
        return " ".join(parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _bare, (type(self),), self.__dict__


def _bare(cls: type[ClientError]) -> ClientError:
    return cls.__new__(cls)


class NoNodeError(ClientError):
    """The znode, or the parent of the one to create, does not exist."""

    CODE = Code.NONODE


class NodeExistsError(ClientError):
    CODE = Code.NODEEXISTS


class BadVersionError(ClientError):
    """The znode changed since the version in the request was read."""

    CODE = Code.BADVERSION


class NotEmptyError(ClientError):
    CODE = Code.NOTEMPTY


class NoChildrenForEphemeralsError(ClientError):
    CODE = Code.NOCHILDRENFOREPHEMERALS


class NoAuthError(ClientError):
    CODE = Code.NOAUTH


class InvalidACLError(ClientError):
    CODE = Code.INVALIDACL


class AuthFailedError(ClientError):
    """The credentials were refused; the client is of no more use."""

    CODE = Code.AUTHFAILED


class BadArgumentsError(ClientError):
    CODE = Code.BADARGUMENTS


class InvalidPathError(BadArgumentsError, ValueError):
    """Not the path of a znode; found here, nothing was sent."""


class RequestTooLargeError(BadArgumentsError, ValueError):
    """More bytes than a server accepts in one request (jute.maxbuffer); nothing was sent."""


class NotReadOnlyError(ClientError):
    """The server is cut off from the ensemble and takes no writes."""

    CODE = Code.NOTREADONLY


class NoWatcherError(ClientError):
    CODE = Code.NOWATCHER


class QuotaExceededError(ClientError):
    CODE = Code.QUOTAEXCEEDED


class UnimplementedError(ClientError):
    """The server is too old for this operation."""

    CODE = Code.UNIMPLEMENTED


class ThrottledError(ClientError):
    CODE = Code.THROTTLEDOP


class ConnectionLossError(ClientError):
    """The connection broke before the answer came; see `outcome`."""

    CODE = Code.CONNECTIONLOSS


class OperationTimeoutError(ClientError, TimeoutError):
    """The deadline of the call passed; see `outcome`."""

    CODE = Code.OPERATIONTIMEOUT


class SessionExpiredError(ClientError):
    """The session is over: its ephemerals and watches are gone."""

    CODE = Code.SESSIONEXPIRED


class SessionMovedError(ClientError):
    CODE = Code.SESSIONMOVED


class ClientClosedError(ClientError):
    """The client was closed, or never started."""

    CODE = Code.CONNECTIONLOSS

    def __str__(self) -> str:
        return " ".join(filter(None, (self.operation, self.path, "the client is closed")))


class TransactionFailedError(ClientError):
    """A transaction was refused as a whole: nothing of it was applied.

    `failed` is the index of the operation at fault, `results` has one error code per operation.
    """

    def __init__(
        self,
        detail: str = "",
        *,
        code: Code | None = None,
        operation: str = "",
        path: str | None = None,
        outcome: Outcome = Outcome.REFUSED,
        failed: int = 0,
        results: Sequence[Code] = (),
    ) -> None:
        super().__init__(detail, code=code, operation=operation, path=path, outcome=outcome)
        self.failed = failed
        self.results = tuple(results)


_BY_CODE: dict[Code, type[ClientError]] = {
    cls.CODE: cls
    for cls in (
        NoNodeError,
        NodeExistsError,
        BadVersionError,
        NotEmptyError,
        NoChildrenForEphemeralsError,
        NoAuthError,
        InvalidACLError,
        AuthFailedError,
        BadArgumentsError,
        NotReadOnlyError,
        NoWatcherError,
        QuotaExceededError,
        UnimplementedError,
        ThrottledError,
        ConnectionLossError,
        OperationTimeoutError,
        SessionExpiredError,
        SessionMovedError,
    )
}


def _what_is_missing(code: Code, operation: str, path: str | None) -> str:
    """Which one a create has missed; "" for all else."""
    if code is not Code.NONODE or path is None or _METHODS.get(operation) != "create":
        return ""
    parent = path.rpartition("/")[0]
    return f"its parent {parent}" if parent else "the chroot; ensure_path('/') creates it"


def error_for(
    code: Code,
    operation: str = "",
    path: str | None = None,
    detail: str = "",
    outcome: Outcome = Outcome.REFUSED,
) -> ClientError:
    """The exception of a code; one without a class of its own is a plain ClientError."""
    cls = _BY_CODE.get(code, ClientError)
    detail = detail or _what_is_missing(code, operation, path)
    return cls(detail, code=code, operation=operation, path=path, outcome=outcome)
