"""What all tests share: how examples are drawn, and a server for the tests of the client.

`make test` decides whether a commit may land, so it draws the same examples every time and no
slow machine makes it fail. `make fuzz` looks for new ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.client.live import forget_chroot, make_chroot
from tests.interop.harness import Server, running

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fresh", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("same")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process for all tests of the client."""
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
