from __future__ import annotations

import asyncio
import sys
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.hosts import Server
from zoo.client.srv import check_resolver, is_srv_name, targets

NAME = "_zookeeper._tcp.example.com"


class DNSError(Exception):
    pass


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """A resolver that knows these names."""
    known: dict[str, list[Any]] = {}

    def resolve(name: str, kind: str) -> list[Any]:
        assert kind == "SRV"
        if name not in known:
            raise DNSError("no such name")
        return known[name]

    resolver: Any = ModuleType("dns.resolver")
    resolver.resolve = resolve
    exception: Any = ModuleType("dns.exception")
    exception.DNSException = DNSError
    for name, module in (("resolver", resolver), ("exception", exception)):
        monkeypatch.setitem(sys.modules, f"dns.{name}", module)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    return known


def record(priority: int, weight: int, target: str, port: int) -> Any:
    return SimpleNamespace(priority=priority, weight=weight, target=target, port=port)


def test_names() -> None:
    assert is_srv_name(NAME)
    assert not is_srv_name("example.com")


def test_without_a_resolver_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"SRV name: it needs dnspython, pip install 'zoo\[srv\]'"):
        connect(NAME)
    check_resolver((Server("a", 1),))


def test_the_order_is_by_priority_and_weight(records: dict[str, list[Any]]) -> None:
    records[NAME] = [
        record(20, 0, "last.example.", 1),
        record(10, 90, "heavy.example.", 2),
        record(10, 10, "light.example.", 3),
    ]

    async def main() -> None:
        firsts = []
        for seed in range(200):
            found = await targets(asyncio.get_running_loop(), NAME, Random(seed))
            assert found[-1] == Server("last.example", 1)
            firsts.append(found[0].host)
        assert 150 < firsts.count("heavy.example") < 200
        with pytest.raises(OSError, match="no such name"):
            await targets(asyncio.get_running_loop(), "_other._tcp.example", Random(1))

    run(main())


def test_a_client_finds_its_servers(records: dict[str, list[Any]], hosts: str) -> None:
    address = hosts.partition("/")[0]
    port = int(address.rpartition(":")[2])
    records[NAME] = [record(1, 0, "127.0.0.1", 1), record(2, 0, "127.0.0.1.", port)]

    async def main() -> None:
        async with connect(NAME) as zk:
            assert await zk.exists("/") is not None

    run(main())
