"""Work that may block for as long as it likes, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], name: str, *held: object) -> T:
    """What `work` returns or raises; when the caller is cancelled nobody waits for it.

    In a daemon thread, not in the loop's executor: the loop waits for that at its end, and it may
    be full of what hangs. The thread keeps what is `held` alive.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def main(*_held: object) -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=main, args=held, name=name, daemon=True).start()
    return await future
