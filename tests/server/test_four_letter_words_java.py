"""The recording in `java_recording` against a live Apache ZooKeeper 3.9.5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.interop import harness
from tests.interop.harness import Server, four_letter
from tests.server import java_recording as java

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, KazooClient]]:
    """A Java server with one client that has read, written, watched and made ephemerals."""
    reason = harness.missing("java")
    if reason:
        pytest.skip(reason)
    directory: Path = tmp_path_factory.mktemp("java")
    server = Server("java", directory).start()
    client = KazooClient(server.address)
    try:
        client.start()
        client.create("/a", b"x")
        for path in ("/e", "/e2"):
            client.create(path, b"", ephemeral=True)
        client.get("/a", watch=lambda event: None)
        client.exists("/nope", watch=lambda event: None)
        yield server.port, client
    finally:
        client.stop()
        client.close()
        server.kill()


@pytest.fixture
def port(live: tuple[int, KazooClient]) -> int:
    """Its port, just after an operation of that client: crst in another test hides older ones."""
    live[1].get("/a")
    return live[0]


def test_mntr_keys(port: int) -> None:
    lines = four_letter(port, "mntr").splitlines()
    keys = {line.split("\t")[0].removeprefix("zk_") for line in lines}
    assert {key for key in keys if not key.endswith("_per_namespace")} == java.mntr_keys()


def test_conf_keys(port: int) -> None:
    lines = four_letter(port, "conf").splitlines()
    assert tuple(line.split("=")[0] for line in lines) == java.CONF_KEYS


@pytest.mark.parametrize("word", ["crst", "dirs", "srst", "srvr", "wchs"])
def test_fixed_shapes(port: int, word: str) -> None:
    assert java.shape(four_letter(port, word)) == list(java.SHAPES[word])


@pytest.mark.parametrize("word", ["cons", "dump", "stat", "wchc", "wchp"])
def test_shapes_of_what_is_listed(port: int, word: str) -> None:
    """How many there are and in which order is up to the moment; what a line looks like is not."""
    assert set(java.shape(four_letter(port, word))) == set(java.SHAPES[word])


@pytest.mark.parametrize("word", java.UNTERMINATED[:3])
def test_short_answers_have_no_newline(port: int, word: str) -> None:
    assert not four_letter(port, word).endswith("\n")


def test_the_refusal(tmp_path: Path) -> None:
    if reason := harness.missing("java"):
        pytest.skip(reason)
    server = Server("java", tmp_path, {"4lw.commands.whitelist": "ruok"}).start()
    try:
        refusal = four_letter(server.port, "mntr")
        assert refusal == "mntr is not executed because it is not in the whitelist.\n"
        assert four_letter(server.port, "srvr").startswith("Zookeeper version: ")
    finally:
        server.kill()
