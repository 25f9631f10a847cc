from __future__ import annotations

import asyncio
import threading

import pytest

from tests.client.live import run
from zoo.client.aside import aside


def test_what_it_returns_and_raises_comes_back() -> None:
    def fail() -> int:
        raise LookupError("not there")

    async def main() -> None:
        assert await aside(threading.current_thread, "mine") is not threading.current_thread()
        assert (await aside(threading.current_thread, "mine")).name == "mine"
        with pytest.raises(LookupError, match="not there"):
            await aside(fail, "mine")

    run(main())


def test_nobody_waits_for_what_hangs() -> None:
    release = threading.Event()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await aside(release.wait, "hangs")

    run(main())
    hanging = [thread for thread in threading.enumerate() if thread.name == "hangs"]
    assert [thread.daemon for thread in hanging] == [True]
    release.set()
    hanging[0].join(5)
    assert not hanging[0].is_alive()
