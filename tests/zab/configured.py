"""Configurations for tests, and the transactions that bring them."""

from __future__ import annotations

from struct import Struct

from zoo.config_ensemble import Ensemble, PeerAddress, QuorumServer
from zoo.jute.operations import Op
from zoo.zab.configurations import Configuration, configuration_of

_HEADER = Struct(">qiqqi")
_PATH = b"/zookeeper/config"


def listing(
    *voters: int, observers: tuple[int, ...] = (), version: int = 0, moved: tuple[int, ...] = ()
) -> Configuration:
    """These servers; those that have `moved` have other ports than before."""
    servers = {
        sid: QuorumServer(
            sid,
            (PeerAddress(f"host{sid}", 2888 + 10 * (sid in moved), 3888),),
            "observer" if sid in observers else "participant",
        )
        for sid in sorted((*voters, *observers))
    }
    return configuration_of(Ensemble(servers, version=version))


def change(configuration: Configuration) -> bytes:
    """The transaction that makes it hold, its version for a zxid."""
    text = configuration.text
    header = _HEADER.pack(1, 1, configuration.version, 0, Op.reconfig)
    size = len(_PATH).to_bytes(4, "big")
    return header + size + _PATH + len(text).to_bytes(4, "big") + text + b"\xff" * 4
