"""Fixtures of the interop tests: a server of either kind, skipped with a reason when missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop import harness
from tests.interop.harness import Server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "interop: runs real servers or foreign clients (slow)")


def _skip_if_missing(kind: str) -> None:
    reason = harness.missing(kind)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def needs_zoo() -> None:
    _skip_if_missing("zoo")


@pytest.fixture
def needs_java() -> None:
    _skip_if_missing("java")


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """start_server(kind, **zoo.cfg settings) -> Server; all are killed at the end."""
    servers: list[Server] = []

    def start(kind: str, properties: tuple[str, ...] = (), **settings: object) -> Server:
        _skip_if_missing(kind)
        directory = tmp_path / f"server{len(servers)}"
        directory.mkdir()
        server = Server(kind, directory, settings, properties)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(params=harness.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Both servers in turn, so that an expectation is checked against the real thing too."""
    _skip_if_missing(request.param)
    return str(request.param)


@pytest.fixture
def server(kind: str, start_server: Callable[..., Server]) -> Server:
    return start_server(kind)
