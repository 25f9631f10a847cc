"""Rows of the key table that matter when several servers form an ensemble."""

from __future__ import annotations

from zoo.config_row import Key, Status
from zoo.config_values import (
    BOOLEAN,
    COUNT,
    COUNT_OR_OFF,
    POSITIVE,
    ROLE,
    TEXT,
    YES_NO,
    Kind,
    integer,
)

_SERVER = Kind("host:quorumPort:electionPort[:participant|observer][;[clientHost:]clientPort]", str)


def _ensemble(
    name: str,
    doc: str,
    kind: Kind,
    default: str | None = None,
    field: str = "",
    theirs: str | None = None,
) -> Key:
    return Key(name, doc, kind, default, field, Status.ENSEMBLE, "Ensemble", theirs)


ENSEMBLE_KEYS: tuple[Key, ...] = (
    _ensemble(
        "server.*",
        "A member: server.N=host:quorumPort:electionPort[:role][;clientAddress].",
        _SERVER,
    ),
    _ensemble("group.*", "A group of voters for hierarchical quorums: group.G=1:2:3.", TEXT),
    _ensemble("weight.*", "Weight of a voter within its group: weight.N=1.", COUNT),
    _ensemble(
        "dynamicConfigFile",
        "File that holds the server, group and weight lines instead of this one.",
        TEXT,
        field="dynamic_config_file",
    ),
    _ensemble(
        "initLimit",
        "Ticks a member may take to connect to the leader and sync.",
        COUNT,
        "0",
        "init_limit",
    ),
    _ensemble("syncLimit", "Ticks a member may lag behind the leader.", COUNT, "0", "sync_limit"),
    _ensemble(
        "connectToLearnerMasterLimit",
        "Ticks a connection attempt to the leader may take. 0: initLimit.",
        COUNT,
        "0",
        "connect_to_learner_master_limit",
    ),
    _ensemble("electionAlg", "Election algorithm; there is one.", integer(3, 3), "3"),
    _ensemble(
        "peerType",
        "Role of this member, if its server line does not say.",
        ROLE,
        "participant",
        "peer_type",
    ),
    _ensemble(
        "standaloneEnabled",
        "A single listed server runs alone. false: as an ensemble of one that can grow.",
        BOOLEAN,
        "true",
        "standalone_enabled",
    ),
    _ensemble(
        "reconfigEnabled",
        "Let the members be changed by reconfig; every member must say the same.",
        BOOLEAN,
        "false",
        "reconfig_enabled",
    ),
    _ensemble(
        "quorumListenOnAllIPs",
        "Listen for members on every interface, not on the listed address alone.",
        BOOLEAN,
        "false",
        "quorum_listen_on_all_ips",
    ),
    _ensemble("leaderServes", "The leader serves clients too.", YES_NO, "yes", "leader_serves"),
    _ensemble(
        "localSessionsEnabled",
        "Sessions that only their server knows.",
        BOOLEAN,
        "false",
        "local_sessions_enabled",
    ),
    _ensemble(
        "localSessionsUpgradingEnabled",
        "A local session becomes global when it creates an ephemeral znode.",
        BOOLEAN,
        "false",
        "local_sessions_upgrading_enabled",
    ),
    _ensemble(
        "readonlymode.enabled",
        "A server without a quorum serves reads to clients that accept it.",
        BOOLEAN,
        "false",
        "read_only_mode_enabled",
    ),
    _ensemble(
        "cnxTimeout",
        "Time in ms to open an election connection.",
        POSITIVE,
        "5000",
        "cnx_timeout_ms",
    ),
    _ensemble(
        "quorumCnxnTimeoutMs",
        "Read timeout in ms of election connections. -1: none.",
        COUNT_OR_OFF,
        "-1",
        "quorum_cnxn_timeout_ms",
    ),
    _ensemble(
        "electionPortBindRetry",
        "Attempts to bind the election port. 0: without end.",
        COUNT,
        "3",
        "election_port_bind_retry",
    ),
    _ensemble(
        "tcpKeepAlive", "TCP keepalive on election connections.", BOOLEAN, "false", "tcp_keep_alive"
    ),
    _ensemble(
        "fastleader.minNotificationInterval",
        "Shortest pause in ms between repeated votes.",
        POSITIVE,
        "200",
        "min_notification_interval_ms",
    ),
    _ensemble(
        "fastleader.maxNotificationInterval",
        "Longest pause in ms between repeated votes.",
        POSITIVE,
        "60000",
        "max_notification_interval_ms",
    ),
    _ensemble(
        "multiAddress.enabled",
        "Members may list several addresses, separated by |.",
        BOOLEAN,
        "false",
        "multi_address_enabled",
    ),
    _ensemble(
        "observerMasterPort",
        "Port on which followers feed observers, the same on all members. 0: the leader feeds all.",
        integer(0, 65535),
        "0",
        "observer_master_port",
    ),
    _ensemble(
        "observerMaster.sizeLimit",
        "Bytes of missed transactions that a follower sends an observer; "
        "one that has missed more gets a snapshot.",
        POSITIVE,
        "33554432",
        "observer_master_size_limit",
    ),
    _ensemble(
        "observer.reconnectDelayMs",
        "An observer that lost its leader waits for so many ms, at most and by chance, before it "
        "connects again: not all at once.",
        integer(0, 2**31 - 1),
        "0",
        "observer_reconnect_delay_ms",
    ),
)
