"""A program in a terminal of its own, driven by a test: keys in, and what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

DEADLINE = 30.0
TAB, ENTER, UP, CTRL_C, CTRL_D = "\t", "\r", "\x1b[A", "\x03", "\x04"
_WIDTH = 150
_token = re.compile(r"\x1b\[([0-9;?]*)[ -/]*([@-~])|\x1b[()=>][A-Z0-9]?|([\r\n\b\a])|(.)", re.S)


class Screen:
    """A terminal without a top: what scrolled away is still there. Only the control sequences of
    line editors, no positions on the screen.
    """

    def __init__(self) -> None:
        self._rows: list[list[str]] = [[]]
        self._y = self._x = 0

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self._rows)

    def feed(self, text: str) -> None:
        for parameters, final, control, char in _token.findall(text):
            if final:
                self._sequence(parameters, final)
            elif control == "\r":
                self._x = 0
            elif control == "\n":
                self._go(self._y + 1)
            elif control == "\b":
                self._x = max(0, self._x - 1)
            elif char:
                self._put(char)

    def _put(self, char: str) -> None:
        if self._x >= _WIDTH:
            self._x = 0
            self._go(self._y + 1)
        row = self._rows[self._y]
        row.extend(" " * (self._x + 1 - len(row)))
        row[self._x] = char
        self._x += 1

    def _go(self, y: int) -> None:
        self._y = max(0, y)
        self._rows.extend([] for _ in range(self._y + 1 - len(self._rows)))

    def _sequence(self, parameters: str, final: str) -> None:
        count = int(parameters) if parameters.isdecimal() else 0
        if final in "AB":
            self._go(self._y + (-1 if final == "A" else 1) * max(1, count))
        elif final in "CD":
            self._x = max(0, self._x + (1 if final == "C" else -1) * max(1, count))
        elif final == "G":
            self._x = max(1, count) - 1
        elif final in "JK" and count == 0:
            del self._rows[self._y][self._x :]
            if final == "J":
                del self._rows[self._y + 1 :]


class Terminal:
    """`with Terminal(command, env) as terminal`: killed at the end if it still runs."""

    def __init__(self, command: Sequence[str | Path], env: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, _WIDTH, 0, 0))
        self._process = subprocess.Popen(
            list(map(str, command)),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._screen = Screen()
        self._rest = b""
        self.raw = ""
        """All that came, control sequences too."""

    @property
    def text(self) -> str:
        return self._screen.text

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, wanted: str, times: int = 1, deadline: float = DEADLINE) -> str:
        """The screen, once `wanted` is on it so many times."""
        end = time.monotonic() + deadline
        while self.text.count(wanted) < times:
            assert time.monotonic() < end, f"no {wanted!r} within {deadline} s in:\n{self.text}"
            assert self._read(), f"it ended without {wanted!r}:\n{self.text}"
        return self.text

    def _read(self) -> bool:
        """A little more; False at the end of the program."""
        ready, _, _ = select.select([self._master], [], [], 0.2)
        if not ready:
            return True
        try:
            part = os.read(self._master, 65536)
        except OSError:
            return False  # how Linux says that nobody holds the other side any more
        whole, tail = _split_utf8(self._rest + part)
        self._rest = tail
        self.raw += whole
        # A sequence that came in half would be taken for text: draw anew.
        self._screen = Screen()
        self._screen.feed(self.raw)
        return bool(part)

    def wait(self, deadline: float = DEADLINE) -> int:
        """Its exit code; what it still says is read meanwhile."""
        end = time.monotonic() + deadline
        while self._read():
            assert time.monotonic() < end, f"it did not end within {deadline} s:\n{self.text}"
        return self._process.wait(max(1.0, end - time.monotonic()))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)


def _split_utf8(data: bytes) -> tuple[str, bytes]:
    """Text, and the bytes of a character that is not complete."""
    for cut in range(min(4, len(data) + 1)):
        try:
            end = len(data) - cut
            return data[:end].decode(), data[end:]
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace"), b""
