"""Where results go: text for people, or JSON lines for programs; colours only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click


def wants_colour() -> bool:
    """On a terminal that can, unless NO_COLOR is set (no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


class Output:
    def __init__(self, as_json: bool = False, colour: bool | None = None) -> None:
        self.as_json = as_json
        self.colour = wants_colour() if colour is None else colour
        self.is_terminal = sys.stdout.isatty()

    def show(self, value: Any, *lines: str) -> None:
        """A result: `value` as one line of JSON, or else the lines."""
        if self.as_json:
            click.echo(json.dumps(value, ensure_ascii=False))
        else:
            for line in lines:
                click.echo(line, color=self.colour)

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """About the work, not its result."""
        click.echo(text, err=True)

    def error(self, text: str) -> None:
        """One line."""
        line = " ".join(text.split())
        click.echo(self.paint(f"zoo: {line}", fg="red"), err=True)

    def paint(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self.colour else text
