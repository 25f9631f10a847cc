"""What went wrong, in one line, and the exit code for it."""

from __future__ import annotations

from enum import IntEnum

import click

from zoo.client.errors import ClientClosedError, ClientError
from zoo.errors import Code


class Exit(IntEnum):
    OK = 0
    REFUSED = 1
    """The server or the state of the tree said no."""
    USAGE = 2
    NO_SERVER = 3
    """None answered in time, or the connection broke: the line says what is known of a write."""
    INTERRUPTED = 130


_NO_SERVER = (Code.CONNECTIONLOSS, Code.OPERATIONTIMEOUT, Code.SESSIONEXPIRED)
EXPECTED = (click.ClickException, ClientError, ValueError, OSError, TimeoutError)


class Problem(click.ClickException):
    """Ours: a line for people, exit code 1."""


def explain(error: BaseException) -> tuple[str, int]:
    """For the EXPECTED ones."""
    if isinstance(error, click.ClickException):
        return _usage(error), error.exit_code
    if isinstance(error, ClientClosedError):
        return "not connected", Exit.NO_SERVER
    if isinstance(error, ClientError) and not isinstance(error, ValueError):
        return str(error), Exit.NO_SERVER if error.code in _NO_SERVER else Exit.REFUSED
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time", Exit.NO_SERVER
    if isinstance(error, ValueError):
        # The client names its own option.
        return str(error).replace(" max_request_bytes", " --max-request-bytes"), Exit.USAGE
    return _file(error), Exit.REFUSED


def _usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    name = f"{context.info_name}: " if context is not None and context.info_name else ""
    return f"{name}{error.format_message()}"


def _file(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
