from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.config_properties import (
    ConfigError,
    Origin,
    Setting,
    logical_lines,
    parse_properties,
    printable,
    split_line,
    unescape,
)

# What java.util.Properties (OpenJDK 17) made of these texts: recorded once, compared ever since.
RECORDED = [
    ("a=b", [("a", "b")]),
    ("a:b", [("a", "b")]),
    ("a b", [("a", "b")]),
    ("a\tb", [("a", "b")]),
    ("a = b ", [("a", "b ")]),
    ("a  :  b", [("a", "b")]),
    ("a == b", [("a", "= b")]),
    ("a : = b", [("a", "= b")]),
    ("a", [("a", "")]),
    ("=b", [("", "b")]),
    ("  a=b\n\n# c=d\n  ! e=f\ng=h", [("a", "b"), ("g", "h")]),
    ("a=b\r\nc=d\re=f", [("a", "b"), ("c", "d"), ("e", "f")]),
    ("a=b\\\n   c", [("a", "bc")]),
    ("a=b\\\r\n\tc\\\rd", [("a", "bcd")]),
    ("a=b\\\\\nc=d", [("a", "b\\"), ("c", "d")]),
    ("a=b\\\\\\\nc", [("a", "b\\c")]),
    ("a=b\\\n#c", [("a", "b#c")]),
    ("a=b\\\n\nc=d", [("a", "b"), ("c", "d")]),
    ("# a\\\nb=c", [("b", "c")]),
    ("a=b\\", [("a", "b")]),
    ("a\\=b=c", [("a=b", "c")]),
    ("a\\ b c", [("a b", "c")]),
    ("a=\\t\\n\\r\\f\\q\\\\", [("a", "\t\n\r\fq\\")]),
    ("a=\\u00e9\\u4E2d", [("a", "é中")]),
    ("a=\\ud83d\\ude00", [("a", "😀")]),
    ("a=C:\\zoo\\data", [("a", "C:zoodata")]),
    ("a=1\u2028b=2\x85c", [("a", "1\u2028b=2\x85c")]),
    ("a=b=c:d", [("a", "b=c:d")]),
    ("a=b#c", [("a", "b#c")]),
    ("a=\fb", [("a", "b")]),
]


def untrimmed(text: str) -> list[tuple[str, str]]:
    pairs = (split_line(line) for _, line in logical_lines(text))
    return [(unescape(key), unescape(value)) for key, value in pairs]


@pytest.mark.parametrize(("text", "expected"), RECORDED)
def test_reads_what_java_reads(text: str, expected: list[tuple[str, str]]) -> None:
    assert untrimmed(text) == expected


def test_names_the_line_where_a_setting_begins() -> None:
    text = "# first\n\na=1\\\n  2\nb=3\r\nc=4"
    lines = [(s.key, s.value, s.origin.line) for s in parse_properties(text)]
    assert lines == [("a", "12", 3), ("b", "3", 5), ("c", "4", 6)]


def test_trims_keys_and_values_as_zookeeper_does() -> None:
    assert parse_properties("\\ a = b \x01", "f") == [Setting("a", "b", Origin("f", 1))]


def test_keeps_duplicates_in_order() -> None:
    assert [s.value for s in parse_properties("a=1\nb=2\na=3")] == ["1", "2", "3"]


@pytest.mark.parametrize("text", ["a=\\u12", "x=1\na=\\uzzzz", "\\u=1"])
def test_a_malformed_escape_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"zoo\.cfg:\d: .*four hexadecimal digits"):
        parse_properties(text)


def escaped(text: str) -> str:
    """``text`` as java.util.Properties.store would write it."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(
        chr(c) if chr(c).isascii() and chr(c).isalnum() else f"\\u{c:04x}" for c in codes
    )


@given(st.text(), st.text(), st.sampled_from("=: \t\f"))
def test_what_is_escaped_comes_back(key: str, value: str, separator: str) -> None:
    pairs = untrimmed(f"k{escaped(key)}{separator}{escaped(value)}")
    assert pairs == [("k" + key, value)]


@given(st.text(alphabet=" \t\f\r\n\\=:#!uabn0é"))
def test_no_text_is_fatal(text: str) -> None:
    try:
        settings = parse_properties(text)
    except ConfigError:
        settings = []
        assert "\\u" in text
    lines = [setting.origin.line or 0 for setting in settings]
    assert lines == sorted(lines)


@given(st.text())
def test_an_error_is_one_printable_line(value: str) -> None:
    assert str(ConfigError(Origin("f", 1), "key", value, "must be x")).isprintable()
    assert printable(value).isprintable()


def test_an_error_says_place_key_value_and_problem() -> None:
    error = ConfigError(Origin("zoo.cfg", 7), "tickTime", "abc", "must be an integer")
    assert str(error) == "zoo.cfg:7: tickTime=abc: must be an integer"
    assert str(ConfigError(None, "dataDir", None, "is not set")) == "dataDir: is not set"
    assert str(ConfigError(Origin("f"), "", None, "cannot be read")) == "f: cannot be read"
