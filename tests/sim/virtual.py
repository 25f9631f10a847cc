"""Virtual time for tests of programs: no real time passes."""

from __future__ import annotations

import asyncio


async def wait(seconds: float) -> None:
    """So many seconds of the world's time."""
    await asyncio.sleep(seconds)
