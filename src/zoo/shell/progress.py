"""A progress bar on stderr: on a terminal, and when rich is installed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Advance = Callable[[int], object]


@contextlib.contextmanager
def bar(label: str, total: int | None) -> Iterator[Advance]:
    """`advance(n)`: n more of `total` are done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ModuleNotFoundError:
        yield lambda _: None  # the work is the same without
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda count: progress.advance(task, count)
