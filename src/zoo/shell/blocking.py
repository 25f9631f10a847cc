"""Reads that may block for as long as somebody takes to write: standard input, pipes.

They go to threads: the session must be kept alive meanwhile. To daemon threads, not to the event
loop's: at its end the loop waits for those, and Ctrl-C would do nothing until the read has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """What `work` returns or raises; when the caller is cancelled nobody waits for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def main(_stdin: object) -> None:  # held, or the end of Python would close it under a read
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=main, args=(sys.stdin,), name="zoo reads", daemon=True).start()
    return await future


async def content(file: str) -> bytes:
    """All of a file, or of standard input when it is "-"."""
    return await aside(lambda: sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())


async def read_stdin(_prompt: str) -> str | None:
    """A line of a script; None at the end."""
    line = await aside(lambda: sys.stdin.readline())
    return line.rstrip("\n") if line else None
