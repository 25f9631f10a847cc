from __future__ import annotations

from random import Random
from typing import Any

import pytest

from zoo.client.base import ClientBase, acl_list
from zoo.client.converters import BYTES, JSON, TEXT, Converter
from zoo.client.errors import InvalidPathError
from zoo.client.hosts import Server
from zoo.client.session import Options, Session


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


def test_access_lists_are_not_empty() -> None:
    with pytest.raises(ValueError, match="at least one entry"):
        acl_list([])
