"""A real server for the tests of the client: one process for all, a chroot for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.live import forget_chroot, make_chroot
from tests.interop.harness import Server, running

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory: Path = tmp_path_factory.mktemp("client")
    with running("zoo", directory, reconfigEnabled="true") as server:
        yield server


@pytest.fixture
def hosts(live_server: Server) -> Iterator[str]:
    """A connect string whose chroot is empty and belongs to this test."""
    chroot = f"/t{next(_numbers)}"
    make_chroot(live_server.address, chroot)
    yield live_server.address + chroot
    forget_chroot(live_server.address, chroot)
