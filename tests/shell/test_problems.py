from __future__ import annotations

import click
import pytest

from zoo.client.errors import (
    BadVersionError,
    ClientClosedError,
    ConnectionLossError,
    InvalidPathError,
    Outcome,
    TransactionFailedError,
)
from zoo.errors import Code
from zoo.shell.problems import Problem, explain


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (Problem("no quota"), "no quota", 1),
        (click.UsageError("what?"), "what?", 2),
        (BadVersionError(operation="set", path="/a"), "set /a: The version in", 1),
        (InvalidPathError("path is empty", operation="get", path="''"), "path is empty", 2),
        (ConnectionLossError(operation="set", outcome=Outcome.UNKNOWN), "may have been", 3),
        (ClientClosedError(), "not connected", 3),
        (TransactionFailedError(code=Code.NONODE, path="/a"), "/a: The znode does", 1),
        (TimeoutError(), "no answer in time", 3),
        (ValueError("ttl 0 s"), "ttl 0 s", 2),
        (FileNotFoundError(2, "No such file or directory", "x"), "x: No such file", 1),
        (OSError("odd"), "odd", 1),
    ],
)
def test_one_line_and_a_code(error: Exception, text: str, code: int) -> None:
    line, its_code = explain(error)
    assert text in line
    assert its_code == code
    assert "\n" not in line


def test_a_usage_error_names_the_command() -> None:
    context = click.Context(click.Command("get"), info_name="get")
    assert explain(click.UsageError("no path", context))[0] == "get: no path"
