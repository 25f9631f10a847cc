"""The one message of leader election, in the formats of all ZooKeeper servers since 3.3.

    state int32 | leader int64 | zxid int64 | round int64     28 bytes: before ZOOKEEPER-107
    | peer epoch int64 | version int32                        40 bytes: 3.4
    | length int32 | configuration                            44 and more: version 2, 3.5 and later

Only version 2 is sent. The size tells the two oldest apart; 3.4 did not always fill the version in,
so it is not looked at in 40 bytes. What stands behind the known fields is left to later versions.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import NamedTuple

from zoo import zxid as zxids
from zoo.errors import ProtocolViolation
from zoo.zab.vote import Ballot, ServerState, Vote

VERSION = 2
MAX_MESSAGE = 512 * 1024
"""Bytes of one message on an election link, at most."""

_OLDEST = Struct(">iqqq")
_HEAD = Struct(">iqqqqi")
_FULL = Struct(">iqqqqii")
_INT = Struct(">i")
_CONFIG_VERSION = re.compile(rb"^\s*version\s*[=:]\s*([0-9a-fA-F]{1,16})\s*$", re.MULTILINE)


class Notification(NamedTuple):
    """A server's vote and state. `config` is the text of its configuration; empty: not told."""

    vote: Vote
    state: ServerState
    version: int = VERSION
    config: bytes = b""

    @property
    def ballot(self) -> Ballot:
        return Ballot(self.vote, self.state, self.version)


def encode_notification(state: ServerState, vote: Vote, config: bytes) -> bytes:
    """A message of version 2, without the length before it."""
    return (
        _FULL.pack(
            state,
            vote.leader,
            vote.zxid,
            vote.election_epoch,
            vote.peer_epoch,
            VERSION,
            len(config),
        )
        + config
    )


def parse_notification(data: bytes) -> Notification:
    """One message, unframed. Raises ProtocolViolation for anything a server would not send."""
    size = len(data)
    if size < _OLDEST.size:
        raise ProtocolViolation(f"a notification of {size} bytes: the shortest has {_OLDEST.size}")
    number, leader, zxid, election_epoch = _OLDEST.unpack_from(data)
    if not 0 <= number < len(ServerState):
        raise ProtocolViolation(f"a notification from a server in state {number}: there are 0..3")
    version, config = 0, b""
    if size == _OLDEST.size:
        peer_epoch = zxids.epoch_of(zxid)
    else:
        if size < _HEAD.size:
            raise ProtocolViolation(f"a notification of {size} bytes is cut short")
        peer_epoch, said = _HEAD.unpack_from(data)[4:]
        version = said if size > _HEAD.size else 0
        if version >= VERSION:
            config = _config(data)
    vote = Vote(leader, zxid, election_epoch, peer_epoch, config_version(config))
    return Notification(vote, ServerState(number), version, config)


def config_version(config: bytes) -> int:
    """The version that a configuration's text says; 0 if it says none, or none that is a number."""
    found = _CONFIG_VERSION.findall(config)
    if not found:
        return 0
    version = int(found[-1], 16)
    return version - (1 << 64) if version >> 63 else version


def _config(data: bytes) -> bytes:
    if len(data) < _FULL.size:
        raise ProtocolViolation(f"a notification of {len(data)} bytes is cut short")
    (length,) = _INT.unpack_from(data, _HEAD.size)
    have = len(data) - _FULL.size
    if not 0 <= length <= have:
        raise ProtocolViolation(
            f"a notification with a configuration of {length} bytes, {have} bytes are there"
        )
    return data[_FULL.size : _FULL.size + length]
