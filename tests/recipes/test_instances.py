from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.recipes.instances import Health, Instance

CURATOR = b"""{"name":"pricing","id":"8f4c1f50-3d2a-4b6e-9b0a-0c1d2e3f4a5b","address":"10.1.2.3",
"port":8080,"sslPort":8443,"payload":%s,"registrationTimeUTC":1700000000123,
"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"http","variable":false}]},"enabled":%s}"""
SPRING = (
    b'{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance",'
    b'"id":"application-1","name":"pricing","metadata":{"zone":"b"}}'
)


def test_an_instance_of_curators() -> None:
    found = Instance.from_bytes(CURATOR % (b"null", b"true"))
    assert (found.service, found.address, found.port, found.tls_port) == (
        *("pricing", "10.1.2.3", 8080),
        8443,
    )
    assert found.id.startswith("8f4c1f50")
    assert found.registered_ms == 1700000000123
    assert (found.health, found.weight, found.metadata) == (Health.UP, 1.0, {})
    assert Instance.from_bytes(CURATOR % (b"null", b"false")).health is Health.DOWN
    assert Instance.from_bytes(CURATOR % (SPRING, b"true")).metadata == {"zone": "b"}
    assert Instance.from_bytes(CURATOR % (b'{"@class":"x.Y","rack":7}', b"true")).metadata == {
        "rack": 7
    }
    assert Instance.from_bytes(CURATOR % (b'"text"', b"true")).metadata == {}
    before_enabled = b'{"name":"a","id":"b","address":"c","port":1}'
    assert Instance.from_bytes(before_enabled).health is Health.UP


def test_what_curator_reads() -> None:
    record = json.loads(Instance("a", "host", 1, id="x").to_bytes())
    assert list(record) == [
        *("name", "id", "address", "port", "sslPort", "payload"),
        *("registrationTimeUTC", "serviceType", "uriSpec", "enabled"),
    ]
    assert (record["payload"], record["enabled"]) == (None, True)
    record = json.loads(Instance("a", "h", 1, weight=2, health=Health.DRAINING).to_bytes())
    assert record["payload"] == {
        "@class": "java.util.LinkedHashMap",
        "weight": 2,
        "health": "draining",
    }
    assert record["enabled"] is False


@given(
    st.text(min_size=1).filter(lambda text: "/" not in text),
    st.none() | st.integers(1, 65535),
    st.sampled_from(Health),
    st.floats(0.1, 10),
    st.dictionaries(st.text(), st.text()),
)
def test_there_and_back(
    name: str, port: int | None, health: Health, weight: float, metadata: dict[str, str]
) -> None:
    instance = Instance("s", "h", port, name, weight, health, metadata, port)
    assert Instance.from_bytes(instance.to_bytes()) == instance
    assert hash(Instance.from_bytes(instance.to_bytes())) == hash(instance)


ENDLESS = b'{"name":"s","id":"i","address":"h","port":1,"registrationTimeUTC":1e999}'


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"null", b'{"name":"a"}', b"\xff", ENDLESS])
def test_what_is_no_instance(data: bytes) -> None:
    with pytest.raises(ValueError):
        Instance.from_bytes(data)


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="name of a znode"):
        Instance("a/b", "h", 1)
    with pytest.raises(ValueError, match="positive"):
        Instance("a", "h", 1, weight=0)
    with pytest.raises(ValueError, match="positive"):
        Instance("a", "h", 1, weight=float("inf"))
