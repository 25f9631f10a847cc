from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zoo import paths

# Verdicts recorded from Apache ZooKeeper 3.9.5's PathUtils.validatePath on the decoded bytes.
ACCEPTED = [
    b"/",
    b"/a",
    b"/a/b/c",
    b"/a b",
    b"/ ",
    b"/~",
    b"/.a",
    b"/a.",
    b"/a..b/c",
    b"/...",
    b"/a/...",
    b"/..a/b",
    b"/.a./b",
    "/é/ü".encode(),
    "/\xa0".encode(),
    "/\ud7ff".encode(),
    "/\uf900".encode(),
    "/\uffef".encode(),
]
REFUSED = [
    (b"", "path is empty"),
    (b"a", "path does not start with '/'"),
    (b"a/b", "path does not start with '/'"),
    (b"/a/", "path ends with '/'"),
    (b"//", "path ends with '/'"),
    (b"//a", "empty component at character 1"),
    (b"/a//b", "empty component at character 3"),
    (b"/.", "relative component '.' at character 1"),
    (b"/..", "relative component '..' at character 1"),
    (b"/a/./b", "relative component '.' at character 3"),
    ("/é/../b".encode(), "relative component '..' at character 3"),
    (b"/a\0", "null character at character 2"),
    (b"/a\x01", "character U+0001 at character 2 is not allowed"),
    (b"/\x1f", "character U+001F at character 1 is not allowed"),
    (b"/\n", "character U+000A at character 1 is not allowed"),
    (b"/a\n", "character U+000A at character 2 is not allowed"),
    (b"/\x7f", "character U+007F at character 1 is not allowed"),
    ("/\x80".encode(), "character U+0080 at character 1 is not allowed"),
    ("/\x9f".encode(), "character U+009F at character 1 is not allowed"),
    ("/\ue000".encode(), "character U+E000 at character 1 is not allowed"),
    ("/\uf8ff".encode(), "character U+F8FF at character 1 is not allowed"),
    ("/\ufff0".encode(), "character U+FFF0 at character 1 is not allowed"),
    ("/a\uffff".encode(), "character U+FFFF at character 2 is not allowed"),
    ("/😀".encode(), "character U+1F600 at character 1 is not allowed"),
    (b"/\xff", "byte 1 is not valid UTF-8"),
    (b"/a/\xc3", "byte 3 is not valid UTF-8"),
    (b"/\xed\xa0\x80", "byte 1 is not valid UTF-8"),
    (b"/\xc0\x80", "byte 1 is not valid UTF-8"),
]


@pytest.mark.parametrize("path", ACCEPTED)
def test_accepted(path: bytes) -> None:
    assert paths.invalid_reason(path) is None


@pytest.mark.parametrize(("path", "reason"), REFUSED)
def test_refused(path: bytes, reason: str) -> None:
    assert paths.invalid_reason(path) == reason


def test_null_path() -> None:
    assert paths.invalid_reason(None) == "path is null"


def test_sequential_is_judged_with_its_number() -> None:
    assert paths.invalid_reason(b"/a/", sequential=True) is None
    assert paths.invalid_reason(b"/a/.", sequential=True) is None
    assert paths.invalid_reason(b"/", sequential=True) is None
    assert paths.invalid_reason(b"//", sequential=True) == "empty component at character 1"
    assert paths.invalid_reason(b"", sequential=True) == "path does not start with '/'"


def java_accepts(path: bytes) -> bool:
    """The rules once more, written as a naive reading of what Java does per UTF-16 unit."""
    units = path.decode("utf-8", "replace").encode("utf-16-le")
    chars = [int.from_bytes(units[i : i + 2], "little") for i in range(0, len(units), 2)]
    text = "".join(map(chr, chars))
    if text == "/":
        return True
    if not text.startswith("/") or text.endswith("/"):
        return False
    if any(component in ("", ".", "..") for component in text[1:].split("/")):
        return False
    return not re.search("[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff]", text)


pieces = st.sampled_from(
    [*"/./..//a~ \0\x1f\x7f", "b/c", "é", "\x85", "\ue000", "\ufffd", "😀", "\ud7ff"]
)


@given(st.lists(pieces, max_size=8).map(lambda parts: ("/" + "".join(parts)).encode()))
@example(b"/a")
def test_same_verdict_as_java(path: bytes) -> None:
    assert (paths.invalid_reason(path) is None) == java_accepts(path)


@given(st.binary(max_size=12).map(lambda tail: b"/" + tail))
def test_same_verdict_as_java_for_any_bytes(path: bytes) -> None:
    assert (paths.invalid_reason(path) is None) == java_accepts(path)


@pytest.mark.parametrize(
    ("path", "parent", "name", "top"),
    [
        (b"/", b"/", b"", None),
        (b"/a", b"/", b"a", b"a"),
        (b"/a/b", b"/a", b"b", b"a"),
        (b"/a/b/c", b"/a/b", b"c", b"a"),
    ],
)
def test_parts(path: bytes, parent: bytes, name: bytes, top: bytes | None) -> None:
    assert paths.parent(path) == parent
    assert paths.name(path) == name
    assert paths.top_namespace(path) == top
    if path != paths.ROOT:
        assert paths.join(parent, name) == path


def test_display() -> None:
    assert paths.display("/é".encode()) == "/é"
    assert paths.display(b"/\xff") == "/\ufffd"
    assert paths.display(None) == ""
