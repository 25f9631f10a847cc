"""Reads that may block for as long as somebody takes to write: standard input, pipes.

They go to threads: the session must be kept alive meanwhile. To daemon threads, not to the event
loop's: at its end the loop waits for those, and Ctrl-C would do nothing until the read has ended.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from zoo.client.aside import aside as in_daemon

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """See `zoo.client.aside`. Standard input is held: the end of Python would close it under a
    read."""
    return await in_daemon(work, "zoo reads", sys.stdin)


async def content(file: str) -> bytes:
    """All of a file, or of standard input when it is "-"."""
    return await aside(lambda: sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())


async def read_stdin(_prompt: str) -> str | None:
    """A line of a script; None at the end."""
    line = await aside(lambda: sys.stdin.readline())
    return line.rstrip("\n") if line else None
