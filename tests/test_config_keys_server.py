from __future__ import annotations

import pytest

from zoo.config_keys_server import SERVER_KEYS
from zoo.config_row import Status

BY_NAME = {key.name: key for key in SERVER_KEYS}

# Defaults of ZooKeeper 3.9.5, from its source.
ZOOKEEPERS = {
    "tickTime": "3000",
    "maxClientCnxns": "60",
    "maxCnxns": "0",
    "jute.maxbuffer": "0xfffff",
    "globalOutstandingLimit": "1000",
    "snapCount": "100000",
    "snapSizeLimitInKb": "4194304",
    "txnLogSizeLimitInKb": "-1",
    "preAllocSize": "65536",
    "commitLogCount": "500",
    "autopurge.snapRetainCount": "3",
    "autopurge.purgeInterval": "0",
    "fsync.warningthresholdms": "1000",
    "clientPortAddress": "0.0.0.0",
    "4lw.commands.whitelist": "srvr",
    "znode.container.checkIntervalMs": "60000",
    "znode.container.maxPerMinute": "10000",
    "znode.container.maxNeverUsedIntervalMs": "0",
    "extendedTypesEnabled": "false",
    "enforceQuota": "false",
    "digest.enabled": "true",
    "skipACL": "no",
    "forceSync": "yes",
    "closeSessionTxn.enabled": "true",
    "datadir.autocreate": "true",
    "DigestAuthenticationProvider.digestAlg": "SHA1",
}


@pytest.mark.parametrize("name", ZOOKEEPERS)
def test_defaults_are_zookeepers_or_say_so(name: str) -> None:
    key = BY_NAME[name]
    assert (key.default if key.theirs is None else key.theirs) == ZOOKEEPERS[name]


def test_only_four_defaults_differ_from_zookeepers() -> None:
    differing = {key.name: key.default for key in SERVER_KEYS if key.theirs is not None}
    assert differing == {
        "clientPortAddress": "127.0.0.1",
        "autopurge.purgeInterval": "1",
        "commitLogCount": "100000",
        "4lw.commands.whitelist": "ruok,srvr,stat,mntr,isro,conf",
    }


def test_all_are_in_force_on_a_single_server() -> None:
    assert {key.status for key in SERVER_KEYS} == {Status.SUPPORTED}


def test_the_only_secret_is_the_super_digest() -> None:
    secrets = [key.name for key in SERVER_KEYS if key.secret]
    assert secrets == ["DigestAuthenticationProvider.superDigest"]
