"""A typed line as words, by the rules of ZooKeeper's own command line.

A word that begins with a quote ends with the next one of its kind; any other ends at white space,
and quotes inside it are themselves. So JSON can be typed as it is: `set /a {"retries":3}`. There
is no escape character.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_word = re.compile(r"""\s*("[^"]*"|'[^']*'|[^"'\s]\S*)""")


class Unfinished(ValueError):
    """A quote is not closed."""


def split(line: str) -> list[str]:
    """The words, without quotes. Raises Unfinished."""
    words, rest = _split(line)
    if rest:
        raise Unfinished(f"the quote at {rest[:20]} is not closed")
    return words


def _split(line: str) -> tuple[list[str], str]:
    words, end = [], 0
    while found := _word.match(line, end):
        words.append(_unquoted(found[1]))
        end = found.end()
    return words, line[end:].lstrip()


def _unquoted(word: str) -> str:
    return word[1:-1] if word[0] in "\"'" else word


class Typing(NamedTuple):
    """A line up to the cursor: the words before the one being typed, and what there is of it."""

    before: list[str]
    word: str
    quote: str
    """What the word begins with: a quote or nothing."""


def being_typed(line: str) -> Typing:
    words, rest = _split(line)
    if rest:
        return Typing(words, rest[1:], rest[0])
    if words and not line[-1:].isspace() and line[-1:] not in "\"'":
        return Typing(words[:-1], words[-1], "")
    return Typing(words, "", "")


def quoted(word: str) -> str:
    """The word as it must be typed."""
    if word and not re.search(r"\s", word) and word[0] not in "\"'":
        return word
    return f"'{word}'" if '"' in word else f'"{word}"'
