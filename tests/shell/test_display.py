from __future__ import annotations

import pytest
from rich.console import Console

from zoo.shell.display import table
from zoo.shell.top import HEADS, Row


def test_a_row_for_each_member() -> None:
    leader = ("h:1", "leader", "0x10", "0", *[""] * (len(HEADS) - 4))
    down = ("h:2", "no connection", *[""] * (len(HEADS) - 2))
    console = Console(width=150, force_terminal=True)
    with console.capture() as captured:
        console.print(table([leader, down], console.width))
    text = captured.get()
    assert all(head in text for head in HEADS)
    assert "leader" in text
    assert "\x1b[31m" in text  # who is down is red


@pytest.mark.parametrize("width", [60, 80, 100, 130])
def test_what_is_shown_on_a_narrow_screen_is_shown_whole(width: int) -> None:
    down = ("10.0.0.17:2181", "connection refused by peer", *[""] * (len(HEADS) - 2))
    rows: list[Row] = [
        *(("10.0.0.16:2181", "standalone", "0x2000000a1", "0", "18000", "0.4532"),),
        *(("10.0.0.15:2181", "follower", "0x2000000a1", "12", "7", "12.2"),),
    ]
    rows = [*((*row, "270", "1000", "1000", "0", "1000000", "5000") for row in rows), down]
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table(rows, width))
    heads = captured.get().splitlines()[0].split("  ")
    shown = [head.strip() for head in heads if head]
    assert shown == [head for head in HEADS if head in shown]
    assert shown[:2] == ["server", "role"]
    assert {"lag", "req/s", "avg ms"} <= {*shown}
    assert "…" not in captured.get()
    assert "standalone" in captured.get()
    assert (len(shown) == len(HEADS)) is (width == 130)
