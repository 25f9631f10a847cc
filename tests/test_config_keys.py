from __future__ import annotations

import dataclasses

import pytest

from zoo.config import Config
from zoo.config_keys import KEYS, canonical, closest_key, find_key
from zoo.config_row import Key, Status

IN_FORCE = (Status.SUPPORTED, Status.ENSEMBLE)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_row_is_complete(key: Key) -> None:
    assert key.doc.endswith(".")
    assert "\n" not in key.doc
    assert key.group
    assert key.kind.allowed
    if key.default is not None:
        key.kind.parse(key.default)
    if key.theirs is not None:
        key.kind.parse(key.theirs)
    for value in (*key.refused, *key.warned):
        assert value == value.lower()
        key.kind.parse(value)
        assert value != key.default


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_only_keys_in_force_have_a_field(key: Key) -> None:
    if key.status not in IN_FORCE:
        assert not key.field
        assert key.default is None
    elif not key.field:
        assert key.refused or key.name.endswith("*") or key.name == "electionAlg"


def test_names_and_fields_are_unique() -> None:
    names = [key.name for key in KEYS]
    fields = [key.field for key in KEYS if key.field]
    assert len(set(names)) == len(names)
    assert len(set(fields)) == len(fields)


def test_config_has_one_attribute_per_field_and_in_the_order_of_the_table() -> None:
    beyond = ["ensemble", "my_id", "source", "settings", "warnings"]
    attributes = [field.name for field in dataclasses.fields(Config)]
    assert attributes == [key.field for key in KEYS if key.field] + beyond


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("tickTime", "tickTime"),
        ("zookeeper.snapCount", "snapCount"),
        ("zookeeper.4lw.commands.whitelist", "4lw.commands.whitelist"),
        ("jute.maxbuffer", "jute.maxbuffer"),
        ("server.1", "server.*"),
        ("ssl.quorum.keyStore.location", "ssl.*"),
        ("zookeeper.admin.serverPort", "admin.*"),
        ("admin.enableServer", "admin.enableServer"),
        ("jvm.pause.monitor", "jvm.pause.monitor"),
        ("connection_throttle_fill_time", "connection_throttle_*"),
    ],
)
def test_finds_a_key_with_and_without_prefix_and_by_family(written: str, name: str) -> None:
    key = find_key(written)
    assert key is not None
    assert key.name == name


@pytest.mark.parametrize("written", ["", "ticktime", "server.", "ssl", "zookeeper.", "zookeeper.x"])
def test_does_not_find_what_is_not_there(written: str) -> None:
    assert find_key(written) is None


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("ticktime", "tickTime"),
        ("datadir", "dataDir"),
        ("zookeeper.snapcount", "snapCount"),
        ("maxClientConnections", "maxClientCnxns"),
        ("autopurge.interval", "autopurge.purgeInterval"),
        ("auto.purge.purge_interval", "autopurge.purgeInterval"),
        ("superdigest", "DigestAuthenticationProvider.superDigest"),
        ("completely.different", None),
        ("", None),
    ],
)
def test_names_the_closest_key(written: str, name: str | None) -> None:
    assert closest_key(written) == name


def test_the_canonical_name_has_no_prefix() -> None:
    assert canonical("zookeeper.maxCnxns") == canonical("maxCnxns") == "maxCnxns"
