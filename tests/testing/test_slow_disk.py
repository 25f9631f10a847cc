from __future__ import annotations

import time
from pathlib import Path

from zoo.testing.slow_disk import SlowStorage, read_delay, write_delay


def test_the_delay_is_what_was_written_last(tmp_path: Path) -> None:
    file = tmp_path / "delay"
    assert read_delay(file) == 0
    for seconds in (0.25, 0.0):
        write_delay(file, seconds)
        assert read_delay(file) == seconds
    assert list(tmp_path.iterdir()) == [file]


def test_each_sync_takes_so_much_longer(tmp_path: Path) -> None:
    asked: list[float] = []

    def delay() -> float:
        asked.append(0.05)
        return 0.05

    storage = SlowStorage(tmp_path, tmp_path, preallocation=0, delay=delay)
    began = time.monotonic()
    storage.sync()
    storage.sync()
    assert time.monotonic() - began >= 0.1
    assert len(asked) == 2
    storage.close()
