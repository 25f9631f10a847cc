from __future__ import annotations

import pickle

import pytest

from zoo.client.errors import (
    ClientClosedError,
    ClientError,
    ConnectionLossError,
    InvalidPathError,
    NoNodeError,
    Outcome,
    TransactionFailedError,
    error_for,
)
from zoo.errors import Code, KeeperError


def test_an_error_names_operation_path_and_what_is_known() -> None:
    error = error_for(Code.NONODE, "getData", "/a")
    assert isinstance(error, NoNodeError)
    assert str(error) == "get /a: The znode does not exist."
    lost = ConnectionLossError("reset", operation="setData", path="/a", outcome=Outcome.UNKNOWN)
    assert "(reset) [the request was sent" in str(lost)
    assert repr(lost).startswith("ConnectionLossError(set /a: ")
    assert str(ClientClosedError(operation="get", path="/a")) == "get /a the client is closed"


@pytest.mark.parametrize(
    ("operation", "path", "missing"),
    [
        ("create2", "/a/b", "create /a/b: The znode does not exist. (its parent /a)"),
        ("createTTL", "/a", "create /a: The znode does not exist. (the chroot; ensure_path"),
        ("setData", "/a/b", "set /a/b: The znode does not exist."),
    ],
)
def test_a_create_says_what_it_has_missed(operation: str, path: str, missing: str) -> None:
    assert str(error_for(Code.NONODE, operation, path)).startswith(missing)


def test_a_code_without_a_class_is_kept() -> None:
    error = error_for(Code.RECONFIGINPROGRESS)
    assert type(error) is ClientError
    assert error.code is Code.RECONFIGINPROGRESS


def test_all_are_keeper_errors_and_some_are_pythons() -> None:
    assert issubclass(NoNodeError, KeeperError)
    assert issubclass(InvalidPathError, ValueError)
    assert issubclass(error_for(Code.OPERATIONTIMEOUT).__class__, TimeoutError)


@pytest.mark.parametrize(
    "error",
    [
        error_for(Code.BADVERSION, "setData", "/a", "d"),
        TransactionFailedError(code=Code.NONODE, failed=1, results=[Code.OK, Code.NONODE]),
    ],
)
def test_pickling(error: ClientError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert copy.__dict__ == error.__dict__
    assert str(copy) == str(error)
