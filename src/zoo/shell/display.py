"""The live table of `zoo top`, by rich."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zoo.shell.top import HEADS, Row, style_of


class Display:
    """Drawn over itself until it is left."""

    def __init__(self) -> None:
        self._live = Live(auto_refresh=False)

    def __enter__(self) -> Display:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, rows: Sequence[Row], hosts: str) -> None:
        title = Text(f"{hosts}  {time.strftime('%H:%M:%S')}  Ctrl-C ends", style="dim")
        self._live.update(Group(title, table(rows)), refresh=True)


def table(rows: Sequence[Row]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in HEADS:
        drawn.add_column(name, no_wrap=True)
    for each in rows:
        drawn.add_row(*map(Text, each), style=style_of(each))
    return drawn
