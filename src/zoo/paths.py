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

# Everything Java refuses by its code alone; U+10000 and above are surrogate pairs there.
_forbidden = re.compile("[\x01-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]").match


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
    start = 1
    for component in text[1:].split("/"):
        reason = _component_reason(component, start)
        if reason is not None:
            return reason
        start += len(component) + 1
    return None


def _component_reason(component: str, start: int) -> str | None:
    if not component:
        return f"empty component at character {start}"
    if component in {".", ".."}:
        return f"relative component {component!r} at character {start}"
    for offset, char in enumerate(component):
        if char == "\0":
            return f"null character at character {start + offset}"
        if _forbidden(char):
            return f"character U+{ord(char):04X} at character {start + offset} is not allowed"
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
