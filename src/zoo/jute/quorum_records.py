"""What members of an ensemble say to each other (org.apache.zookeeper.server.quorum)."""

from __future__ import annotations

from zoo.jute.records import Id
from zoo.jute.schema import Buffer, Int, Long, record


@record
class LearnerInfo:
    """The body of FOLLOWERINFO and OBSERVERINFO."""

    server_id: Long
    protocol_version: Int
    config_version: Long


@record
class QuorumPacket:
    """Everything on a learner link. Java mostly sends null for both data and authinfo."""

    type: Int
    zxid: Long
    data: Buffer = None
    authinfo: list[Id] | None = None


@record
class QuorumAuthPacket:
    """SASL between members."""

    magic: Long
    status: Int
    token: Buffer
