from __future__ import annotations

from rich.console import Console

from zoo.shell.display import table
from zoo.shell.top import HEADS


def test_a_row_for_each_member() -> None:
    leader = ("h:1", "leader", "0x10", "0", *[""] * (len(HEADS) - 4))
    down = ("h:2", "no connection", *[""] * (len(HEADS) - 2))
    console = Console(width=150, force_terminal=True)
    with console.capture() as captured:
        console.print(table([leader, down]))
    text = captured.get()
    assert "server" in text
    assert "leader" in text
    assert "\x1b[31m" in text  # who is down is red
