"""The syntax of zoo.cfg: Java's properties format, with line numbers.

Theory of operation. ZooKeeper reads zoo.cfg with java.util.Properties, so a file that works there
must mean the same here. Natural lines are joined into logical lines (an odd number of trailing
backslashes continues a line, the indent of the next line is dropped, blank and comment lines are
skipped but cannot be continued); a logical line is cut at its first unescaped ``=``, ``:`` or blank
into key and value; then escapes are resolved in both. Unlike Java we keep every setting in file
order with its place, because an error must name the line and a duplicate is worth a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

BLANK = " \t\f"
# What Java's String.trim removes: every character up to the blank.
TRIMMED = "".join(map(chr, range(33)))
_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_NAMED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a setting was written: a file and line, or (line None) an option or a default."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One ``key=value`` as written, value trimmed as ZooKeeper trims it."""

    key: str
    value: str
    origin: Origin


class ConfigError(Exception):
    """An unusable configuration. ``str()`` is one line: place, key, value, what is allowed."""

    def __init__(self, origin: Origin | None, key: str, value: str | None, problem: str) -> None:
        shown = "" if not key else key if value is None else f"{key}={printable(value)}"
        super().__init__(": ".join(part for part in (str(origin or ""), shown, problem) if part))
        self.origin = origin
        self.key = key
        self.value = value
        self.problem = problem


def printable(value: str) -> str:
    """``value`` with control characters escaped, so that a message stays on one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first natural line, joined text) of each line that holds a setting."""
    joined, start = "", 0
    for number, natural in enumerate(_LINE_END.split(text), 1):
        line = natural.lstrip(BLANK)
        if not joined:
            if not line or line[0] in "#!":
                continue
            start = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            joined += line[:-1]
            continue
        yield start, joined + line
        joined = ""
    if joined:
        yield start, joined


def split_line(line: str) -> tuple[str, str]:
    """Cut a logical line into its key and its value, escapes still in place."""
    end = 0
    while end < len(line) and line[end] not in "=: \t\f":
        end += 2 if line[end] == "\\" else 1
    rest = line[end:].lstrip(BLANK)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(BLANK)
    return line[:end], rest


def _resolve(match: re.Match[str]) -> str:
    code, char = match.groups()
    if code is not None:
        return chr(int(code, 16))
    if char == "u":
        raise ValueError("malformed \\uxxxx escape: four hexadecimal digits must follow \\u")
    return _NAMED.get(char, char)


def unescape(text: str) -> str:
    """Resolve backslash escapes. ValueError for a ``\\u`` without four hexadecimal digits."""
    if "\\" not in text:
        return text
    resolved = _ESCAPE.sub(_resolve, text)
    # Java writes characters beyond the BMP as a pair of \u escapes.
    return resolved.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_properties(text: str, source: str = "zoo.cfg") -> list[Setting]:
    """All settings of ``text`` in file order, with duplicates. ConfigError: a malformed escape."""
    settings = []
    for number, line in logical_lines(text):
        origin = Origin(source, number)
        key, value = split_line(line)
        try:
            settings.append(
                Setting(unescape(key).strip(TRIMMED), unescape(value).strip(TRIMMED), origin)
            )
        except ValueError as error:
            raise ConfigError(origin, key, value, str(error)) from None
    return settings
