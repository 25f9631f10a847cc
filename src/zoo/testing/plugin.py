"""Fixtures for pytest, there as soon as Zoo is installed.

`zoo_server`: one server for the whole run, in a thread of this process. `zoo_hosts`: a connect
string with a chroot that is empty and the test's own. `zoo_client`: a blocking client there.
`zoo_ensemble`: three servers, new for each test that wants to break them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from zoo.client.blocking import Client
from zoo.testing.in_process import ThreadServer
from zoo.testing.servers import EmbeddedEnsemble


@pytest.fixture(scope="session")
def zoo_server() -> Iterator[ThreadServer]:
    with ThreadServer() as server:
        yield server


@pytest.fixture
def zoo_hosts(zoo_server: ThreadServer) -> str:
    chroot = f"/test-{uuid.uuid4()}"
    with Client(zoo_server.hosts) as client:
        client.create(chroot)
    return zoo_server.hosts + chroot


@pytest.fixture
def zoo_client(zoo_hosts: str) -> Iterator[Client[bytes]]:
    with Client(zoo_hosts) as client:
        yield client


@pytest.fixture
def zoo_ensemble() -> Iterator[EmbeddedEnsemble]:
    with EmbeddedEnsemble() as ensemble:
        yield ensemble
