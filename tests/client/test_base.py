from __future__ import annotations

from random import Random
from typing import Any

import pytest

from zoo.client.base import ClientBase, acl_list, check_version
from zoo.client.converters import BYTES, JSON, TEXT, Converter
from zoo.client.errors import InvalidPathError
from zoo.client.hosts import Server
from zoo.client.session import Options, Session
from zoo.client.watches import Kind
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.records import ACL


def view(prefix: str = "", converter: Converter[Any] = BYTES) -> ClientBase[Any]:
    return ClientBase(Session((Server("a"),), Options(), Random(1)), converter, prefix)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a", "path does not start with '/'"),
        ("/a/", "path ends with '/'"),
        ("/a//b", "empty component"),
        ("/../a", r"relative component '\.\.'"),
        ("/a\x00", "null character at character 2"),
        ("/\ud800", "surrogates not allowed"),
        (b"/a", "a path is a str, not bytes"),
    ],
)
def test_a_bad_path_is_named_with_the_rule(path: str, rule: str) -> None:
    with pytest.raises(InvalidPathError, match=rule) as failure:
        view()._wire(path, "get")
    assert failure.value.path == repr(path)
    assert str(failure.value).startswith(f"get {path!r}: ")


def test_paths_on_the_wire() -> None:
    assert view()._wire("/a", "get") == b"/a"
    assert view("/app")._wire("/a", "get") == b"/app/a"
    assert view("/app")._wire("/", "get") == b"/app"
    assert view("/app")._wire("/q/", "create", sequential=True) == b"/app/q/"
    assert view("/app")._wire("/", "create", sequential=True) == b"/app/"
    assert view()._wire("/", "create", sequential=True) == b"/"
    assert view("/app")._path(b"/app/a") == "/a"


@pytest.mark.parametrize(
    ("converter", "value", "kind", "why"),
    [
        (BYTES, "text", TypeError, "data must be bytes, not str"),
        (TEXT, "\ud800", ValueError, "surrogates not allowed"),
        (JSON, {"a": "\ud800"}, ValueError, "surrogates not allowed"),
        (JSON, {1, 2}, TypeError, "not JSON serializable"),
    ],
)
def test_data_that_cannot_be_stored_name_the_path(
    converter: Converter[Any], value: object, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=f"^/a: .*{why}") as failure:
        view(converter=converter)._bytes(value, "/a")
    assert type(failure.value) is kind


@pytest.mark.parametrize(
    ("acl", "kind", "why"),
    [
        ([], ValueError, r"one entry at least, not \[\]"),
        (["world"], TypeError, r"ACL\(perms, scheme, id\) in a list, not 'world'"),
        ([(31, "world", "anyone")], TypeError, r"not \(31, 'world', 'anyone'\)"),
        (ACL(31, "world", "anyone"), TypeError, "in a list, not 31"),
        (None, TypeError, r"a list of ACL\(perms, scheme, id\), not None"),
    ],
)
def test_access_lists(acl: Any, kind: type[Exception], why: str) -> None:
    assert acl_list(iter(OPEN_ACL_UNSAFE), "/a") == list(OPEN_ACL_UNSAFE)
    with pytest.raises(kind, match=f"^/a: acl must be .*{why}"):
        acl_list(acl, "/a")
    with pytest.raises(kind, match=r"^acl must be"):
        acl_list(acl)


class Seven:
    def __index__(self) -> int:
        return 7


def test_versions() -> None:
    most = (1 << 31) - 1
    for version, sent in ((-1, -1), (0, 0), (True, 1), (most, most), (Seven(), 7)):
        assert check_version(version, "/a") == sent  # type: ignore[arg-type]
    for wrong in (None, "0", 1.0):
        with pytest.raises(TypeError, match=f"^/a: version must be an int, not {wrong!r}"):
            check_version(wrong, "/a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^/a: version must be of 32 bits, not 2147483648"):
        check_version(1 << 31, "/a")


def test_a_watch_is_a_function() -> None:
    assert view()._watcher(Kind.DATA, b"/a", None) is None
    with pytest.raises(TypeError, match=r"^/a: watch must be a function .*, not True"):
        view("/app")._watcher(Kind.DATA, b"/app/a", True)  # type: ignore[arg-type]
