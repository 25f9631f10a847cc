"""Znode paths: UTF-8 bytes exactly as they stand on the wire.

A path starts with "/", has no empty, "." or ".." component, does not end in "/" (except the root,
which is "/") and holds no character that Java's PathUtils refuses. Java looks at UTF-16 code units,
so a character outside the Basic Multilingual Plane (two surrogates there) is refused; it decodes
broken UTF-8 to U+FFFD, which is refused too.
"""

from __future__ import annotations

import re

ROOT = b"/"

# The common case in one match: plain ASCII whose components do not begin with a dot. What it does
# not accept is not yet wrong: `_explain` decides. Possessive, for there is nothing to retry.
_plain = re.compile(rb"(?:/[\x20-\x2d\x30-\x7e][\x20-\x2e\x30-\x7e]*+)++|/").fullmatch

# Two searches and not one: each begins with something the regex engine can skip to, which keeps a
# hostile path of a megabyte cheap. U+10000 and above are surrogate pairs in Java.
_wrong_char = re.compile("[\0-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]").search
_wrong_component = re.compile(r"/((?=/)|\.\.?(?=/|\Z))").search


def invalid_reason(path: bytes | None, sequential: bool = False) -> str | None:
    """Why `path` cannot name a znode, or None when it can.

    With `sequential` it is judged as it will look once its number is appended, so "/a/" is fine.
    """
    if path is None:
        return "path is null"
    if sequential:
        path += b"1"
    if _plain(path):
        return None
    return _explain(path)


def _explain(path: bytes) -> str | None:
    if not path:
        return "path is empty"
    if path[0] != 0x2F:
        return "path does not start with '/'"
    if path == ROOT:
        return None
    if path[-1] == 0x2F:
        return "path ends with '/'"
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not valid UTF-8"
    if wrong := _wrong_char(text):
        char, where = wrong[0], f"at character {wrong.start()}"
        if char == "\0":
            return f"null character {where}"
        return f"character U+{ord(char):04X} {where} is not allowed"
    if wrong := _wrong_component(text):
        what = f"relative component {wrong[1]!r}" if wrong[1] else "empty component"
        return f"{what} at character {wrong.start(1)}"
    return None


def parent(path: bytes) -> bytes:
    """The path one level up: b"/a/b" -> b"/a", b"/a" -> b"/"; the root is its own parent."""
    return path[: path.rfind(b"/")] or ROOT


def name(path: bytes) -> bytes:
    """The last component: b"/a/b" -> b"b"; b"" for the root."""
    return path[path.rfind(b"/") + 1 :]


def join(parent: bytes, child: bytes) -> bytes:
    """The path of `child` (one component or a relative path) below `parent`."""
    return b"/" + child if parent == ROOT else parent + b"/" + child


def top_namespace(path: bytes) -> bytes | None:
    """The first component, by which metrics group: b"/a/b" -> b"a"; None for the root."""
    return path.split(b"/", 2)[1] or None if path.startswith(b"/") else None


def display(path: bytes | None) -> str:
    """A path for logs and four-letter words."""
    return "" if path is None else path.decode("utf-8", "replace")
