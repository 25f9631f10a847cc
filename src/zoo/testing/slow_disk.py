"""`zoo serve` on a disk that can be made slow while it runs.

    python -m zoo.testing.slow_disk FILE serve CONFIG

Each sync of the transaction log takes as many seconds longer as FILE says; none without that file.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from zoo.runtime import main as runtime
from zoo.runtime.file_storage import FileStorage


class SlowStorage(FileStorage):
    """A disk that takes its time: `delay()` seconds for each sync of the transaction log."""

    def __init__(self, *arguments: Any, delay: Callable[[], float], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._delay = delay

    def sync(self) -> None:
        time.sleep(self._delay())
        super().sync()


def write_delay(file: Path, seconds: float) -> None:
    """Tell the server that was given this file."""
    new = file.with_suffix(".new")
    new.write_text(f"{seconds}")
    os.replace(new, file)


def read_delay(file: Path) -> float:
    try:
        return float(file.read_text())
    except FileNotFoundError:
        return 0.0


def main() -> None:
    file = Path(sys.argv.pop(1))
    slow = partial(SlowStorage, delay=lambda: read_delay(file))
    with patch.object(runtime, "FileStorage", slow):
        runpy.run_module("zoo", run_name="__main__")


if __name__ == "__main__":
    main()
