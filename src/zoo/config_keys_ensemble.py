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
    fraction,
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
        "Allow members to be changed by reconfig.",
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
        "enableEagerACLCheck",
        "Check ACLs of writes on the server the client is connected to as well.",
        BOOLEAN,
        "false",
        "enable_eager_acl_check",
    ),
    _ensemble(
        "syncEnabled",
        "Observers keep transaction logs and snapshots.",
        BOOLEAN,
        "true",
        "sync_enabled",
    ),
    _ensemble(
        "observerMasterPort",
        "Port on which followers serve observers. 0: off.",
        integer(0, 65535),
        "0",
        "observer_master_port",
    ),
    _ensemble(
        "observer.reconnectDelayMs",
        "Pause in ms before an observer reconnects.",
        COUNT,
        "0",
        "observer_reconnect_delay_ms",
    ),
    _ensemble(
        "observer.election.DelayMs",
        "Pause in ms before an observer searches a leader anew.",
        COUNT,
        "200",
        "observer_election_delay_ms",
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
        "leader.maxTimeToWaitForEpoch",
        "Time in ms a new leader waits for a quorum to accept its epoch. -1: initLimit.",
        COUNT_OR_OFF,
        "-1",
        "max_time_to_wait_for_epoch_ms",
    ),
    _ensemble(
        "leaderConnectDelayDuringRetryMs",
        "Pause in ms between attempts to connect to the leader.",
        COUNT,
        "100",
        "leader_connect_delay_ms",
    ),
    _ensemble(
        "leader.maxConcurrentSnapSyncs",
        "Members a leader sends snapshots to at once.",
        POSITIVE,
        "10",
        "max_concurrent_snap_syncs",
    ),
    _ensemble(
        "leader.maxConcurrentDiffSyncs",
        "Members a leader sends missing transactions to at once.",
        POSITIVE,
        "100",
        "max_concurrent_diff_syncs",
    ),
    _ensemble(
        "snapshotSizeFactor",
        "A member that misses more log than this share of a snapshot gets a snapshot.",
        fraction(-1, 1),
        "0.33",
        "snapshot_size_factor",
    ),
    _ensemble(
        "forceSnapshotSync",
        "Always send a snapshot to a joining member.",
        BOOLEAN,
        "false",
        "force_snapshot_sync",
    ),
    _ensemble(
        "multiAddress.enabled",
        "Members may list several addresses, separated by |.",
        BOOLEAN,
        "false",
        "multi_address_enabled",
    ),
    _ensemble(
        "multiAddress.reachabilityCheckEnabled",
        "Try which of a member's addresses answers.",
        BOOLEAN,
        "true",
        "reachability_check_enabled",
    ),
    _ensemble(
        "multiAddress.reachabilityCheckTimeoutMs",
        "Time in ms for that trial.",
        POSITIVE,
        "1000",
        "reachability_check_timeout_ms",
    ),
)
