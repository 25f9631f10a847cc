"""Our service registry beside Apache Curator's x-discovery on the same znodes: each finds, follows
and picks the other's instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import fleets, harness
from tests.interop.fleets import CuratorFleet
from tests.interop.harness import Server, running, wait_until
from zoo.client.blocking import Client
from zoo.recipes import Health, Instance
from zoo.recipes.blocking import ServiceRegistry

pytestmark = [pytest.mark.interop]

BASE = "/services"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    for reason in (harness.missing("zoo"), fleets.missing("discovery")):
        if reason:
            pytest.skip(reason)
    with running("zoo", tmp_path_factory.mktemp("discovery")) as server:
        yield server


@pytest.fixture(scope="module")
def curator(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CuratorFleet]:
    directory: Path = tmp_path_factory.mktemp("curator")
    fleet = CuratorFleet(server.address, directory, "Discovery", BASE)
    yield fleet
    fleet.end()


@pytest.fixture
def registry(server: Server) -> Iterator[ServiceRegistry]:
    with Client(server.address) as zk:
        yield ServiceRegistry(zk, BASE)


def test_they_find_ours(registry: ServiceRegistry, curator: CuratorFleet) -> None:
    def become(wanted: str) -> None:
        wait_until(lambda: curator.ask("cached ours") == wanted, 20, f"they see {wanted!r}")

    become("")
    plain = Instance("ours", "10.0.0.7", 8080, id="plain")
    with registry.register(plain) as mine:
        become("plain:8080 null")
        assert curator.ask("list ours") == "plain:8080 null"
        wait_until(lambda: curator.ask("pick ours") == "plain", 20, "they pick it")
        mine.update(port=8081, weight=2, metadata={"zone": "b"})
        become("plain:8081 {weight=2, metadata={zone=b}}")
        mine.set_health(Health.DRAINING)
        become("plain:8081 {weight=2, health=draining, metadata={zone=b}} disabled")
        wait_until(lambda: curator.ask("pick ours") == "nobody", 20, "they pick it no more")
    become("")


def test_we_find_theirs(registry: ServiceRegistry, curator: CuratorFleet) -> None:
    with registry.find("theirs") as found:
        assert curator.ask("offer theirs one 9090") == "offered"
        assert curator.ask("offer theirs two 9091 zone b") == "offered"
        one, two = sorted(found.wait_for(2, 20), key=lambda each: each.id)
        assert (one.id, one.address, one.port, one.health) == ("one", "10.0.0.9", 9090, Health.UP)
        assert (dict(one.metadata), dict(two.metadata)) == ({}, {"zone": "b"})
        assert {found.pick().id, found.pick().id} == {"one", "two"}
        assert curator.ask("update one 9092") == "updated"
        wait_until(lambda: {found.pick().id for _ in range(3)} == {"two"}, 20, "one is disabled")
        (one,) = (each for each in found.instances if each.id == "one")
        assert (one.port, one.health) == (9092, Health.DOWN)
        assert curator.ask("withdraw one") == "withdrawn"
        wait_until(lambda: [each.id for each in found.instances] == ["two"], 20, "it has gone")
    assert registry.services() == ["ours", "theirs"]


def test_both_offer_one_service(registry: ServiceRegistry, curator: CuratorFleet) -> None:
    with registry.register(Instance("both", "10.0.0.7", 1, id="ours")):
        assert curator.ask("offer both theirs 2") == "offered"
        assert curator.ask("list both") == "ours:1 null, theirs:2 null"
        assert [each.id for each in registry.instances("both")] == ["ours", "theirs"]
        wait_until(
            lambda: {curator.ask("pick both") for _ in range(4)} == {"ours", "theirs"},
            20,
            "they pick either in turn",
        )
