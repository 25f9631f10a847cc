"""The live table of `zoo top`, by rich."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zoo.shell.top import HEADS, Row, columns_for, style_of

_GAP = 2  # what rich leaves between columns


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
        self._live.update(Group(title, table(rows, self._live.console.width)), refresh=True)


def table(rows: Sequence[Row], width: int) -> Table:
    """As many columns as a screen so wide has room for."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    shown = columns_for(rows, width, _GAP)
    for name in (HEADS[n] for n in shown):
        drawn.add_column(name, no_wrap=name != "role")
    for each in rows:
        drawn.add_row(*(Text(each[n]) for n in shown), style=style_of(each))
    return drawn
