"""The records that clients, txns and quorum packets share (jute module org.apache.zookeeper.data).

NamedTuples, so immutable and hashable: ACL lists are interned and Stats are handed out.
"""

from __future__ import annotations

from typing import NamedTuple

from zoo.jute.schema import Int, Long, NullableText, Text, register


@register
class Id(NamedTuple):
    """An identity: who, according to which authentication scheme."""

    scheme: Text
    id: Text


@register
class ACL(NamedTuple):
    """One entry of an access control list; on the wire an int and an Id: the same bytes."""

    perms: Int
    scheme: Text
    id: Text


@register
class Stat(NamedTuple):
    """What clients see of a znode: zxids, times in ms since 1970, versions, sizes; 68 bytes."""

    czxid: Long
    mzxid: Long
    ctime: Long
    mtime: Long
    version: Int
    cversion: Int
    aversion: Int
    ephemeral_owner: Long
    data_length: Int
    num_children: Int
    pzxid: Long


@register
class StatPersisted(NamedTuple):
    """What snapshots keep of a znode; here cversion counts the creates below it; 60 bytes."""

    czxid: Long
    mzxid: Long
    ctime: Long
    mtime: Long
    version: Int
    cversion: Int
    aversion: Int
    ephemeral_owner: Long
    pzxid: Long


@register
class ClientInfo(NamedTuple):
    """One identity of a connection, as whoAmI tells it."""

    auth_scheme: NullableText
    user: NullableText
