"""Fixtures of the interop tests: a server of either kind, skipped with a reason when missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.live import forget_chroot, make_chroot
from tests.interop import harness
from tests.interop.ensemble import Ensemble
from tests.interop.harness import Server

SERVICES = [("java",), ("java",) * 3, ("zoo",) * 3, ("zoo",)]
_numbers = itertools.count(1)


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


@pytest.fixture(scope="module", params=harness.KINDS)
def lasting_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One of each kind for all tests of a module, which has to outlive them."""
    _skip_if_missing(request.param)
    with harness.running(request.param, tmp_path_factory.mktemp("lasting")) as server:
        yield server


@pytest.fixture(scope="session", params=SERVICES, ids=lambda kinds: f"{kinds[0]}-{len(kinds)}")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Addresses of one server, then of three as an ensemble, of either kind."""
    _skip_if_missing(request.param[0])
    directory = tmp_path_factory.mktemp("service")
    if len(request.param) == 1:
        with harness.running(request.param[0], directory) as server:
            yield server.address
    else:
        with Ensemble.running(directory, request.param) as ensemble:
            yield ensemble.addresses()


@pytest.fixture
def address(service: str) -> Iterator[str]:
    """A connect string whose chroot is empty and belongs to this test."""
    chroot = f"/t{next(_numbers)}"
    make_chroot(service, chroot)
    yield service + chroot
    forget_chroot(service, chroot)


@pytest.fixture
def server(kind: str, start_server: Callable[..., Server]) -> Server:
    return start_server(kind)
