from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.shell.words import Typing, Unfinished, being_typed, quoted, split


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ls /", ["ls", "/"]),
        ("  set  /a   b ", ["set", "/a", "b"]),
        ('set /a {"retries":3}', ["set", "/a", '{"retries":3}']),
        ('set /a "two words"', ["set", "/a", "two words"]),
        ("set /a 'say \"hi\"'", ["set", "/a", 'say "hi"']),
        (r"set /a C:\dir", ["set", "/a", r"C:\dir"]),
        ('set /a ""', ["set", "/a", ""]),
        ("", []),
    ],
)
def test_split(line: str, words: list[str]) -> None:
    assert split(line) == words


def test_an_open_quote_is_named() -> None:
    with pytest.raises(Unfinished, match='the quote at "open is not closed'):
        split('set /a "open')


@pytest.mark.parametrize(
    ("line", "typing"),
    [
        ("", Typing([], "", "")),
        ("ge", Typing([], "ge", "")),
        ("get ", Typing(["get"], "", "")),
        ("get -s /a", Typing(["get", "-s"], "/a", "")),
        ('get "/a b', Typing(["get"], "/a b", '"')),
        ('get "/a"', Typing(["get", "/a"], "", "")),
    ],
)
def test_being_typed(line: str, typing: Typing) -> None:
    assert being_typed(line) == typing


@given(st.text(st.characters(exclude_characters="\"'\n\r"), max_size=20))
def test_what_was_quoted_is_one_word(word: str) -> None:
    assert split(quoted(word)) == [word]


def test_a_word_with_quotes_in_it() -> None:
    assert quoted('say "hi"') == "'say \"hi\"'"
    assert quoted("/plain") == "/plain"
