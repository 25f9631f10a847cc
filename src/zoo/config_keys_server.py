"""Rows of the key table that every server uses: address, limits, storage, znodes, authentication.

Where our default is safer than ZooKeeper's, ``theirs`` keeps ZooKeeper's for the documentation.
"""

from __future__ import annotations

from dataclasses import replace

from zoo.config_row import Key
from zoo.config_values import (
    BOOLEAN,
    COMPRESSION,
    COUNT,
    COUNT_LONG,
    COUNT_OR_OFF,
    DIGEST,
    DIGEST_ALGORITHM,
    HOURS,
    INT_MAX,
    KIB,
    LONG_MAX,
    PORT,
    POSITIVE,
    TEXT,
    WORDS,
    YES_NO,
    integer,
)

_BASIC = (
    Key(
        "dataDir",
        "Directory of snapshots, `myid` and, unless dataLogDir is set, transaction logs.",
        TEXT,
        field="data_dir",
    ),
    Key(
        "dataLogDir",
        "Directory of the transaction logs; a disk of its own makes writes faster. Unset: dataDir.",
        TEXT,
        field="data_log_dir",
    ),
    Key(
        "clientPort",
        "TCP port for clients. Unset in a file: no client port. `zoo serve` without a file: 2181.",
        PORT,
        field="client_port",
    ),
    Key(
        "clientPortAddress",
        "Address the client port listens on; 0.0.0.0 or :: for every interface.",
        TEXT,
        "127.0.0.1",
        "client_port_address",
        theirs="0.0.0.0",
    ),
    Key(
        "clientPortListenBacklog",
        "Connections the system may queue before they are accepted. -1: the system's default.",
        integer(-1),
        "-1",
        "client_port_listen_backlog",
    ),
    Key(
        "tickTime",
        "Length of a tick in ms, the unit of timeouts.",
        POSITIVE,
        "3000",
        "tick_time_ms",
    ),
    Key(
        "minSessionTimeout",
        "Shortest session timeout a client gets, in ms. -1: 2 ticks.",
        integer(-1),
        "-1",
        "min_session_timeout_ms",
    ),
    Key(
        "maxSessionTimeout",
        "Longest session timeout a client gets, in ms. -1: 20 ticks.",
        integer(-1),
        "-1",
        "max_session_timeout_ms",
    ),
)

_LIMITS = (
    Key(
        "maxClientCnxns",
        "Connections one client address may hold at once. 0: no limit.",
        COUNT,
        "60",
        "max_client_cnxns",
    ),
    Key("maxCnxns", "Connections the server holds in all. 0: no limit.", COUNT, "0", "max_cnxns"),
    Key(
        "jute.maxbuffer",
        "Largest request, and with it largest znode, in bytes. Clients have a limit of their own.",
        integer(1024),
        "0xfffff",
        "jute_max_buffer",
    ),
    Key(
        "jute.maxbuffer.extrasize",
        "Bytes a record from disk or member may exceed jute.maxbuffer by. Unset: as much again.",
        COUNT,
        field="jute_max_buffer_extra",
    ),
    Key(
        "globalOutstandingLimit",
        "Requests in progress on the server; beyond it the sockets are read no further.",
        POSITIVE,
        "1000",
        "global_outstanding_limit",
    ),
    Key(
        "largeRequestThreshold",
        "Bytes from which a request counts as large. -1: off.",
        COUNT_OR_OFF,
        "-1",
        "large_request_threshold",
    ),
    Key(
        "largeRequestMaxBytes",
        "Bytes of large requests in progress; the connection that exceeds it is closed.",
        POSITIVE,
        "104857600",
        "large_request_max_bytes",
    ),
    Key(
        "nio.sessionlessCnxnTimeout",
        "Time in ms a connection may take to open its session.",
        POSITIVE,
        "10000",
        "sessionless_cnxn_timeout_ms",
    ),
    Key(
        "clientTcpKeepAlive",
        "TCP keepalive on client connections.",
        BOOLEAN,
        "false",
        "client_tcp_keep_alive",
    ),
)

_STORAGE = (
    Key(
        "snapCount",
        "Transactions between snapshots; the actual number is drawn from half of it to all of it. "
        "A server that writes much over a big tree puts a tenth of its time into snapshots "
        "at most, and logs up to ten times as much in between.",
        integer(-INT_MAX),
        "100000",
        "snap_count",
        raise_to=2,
    ),
    Key(
        "snapSizeLimitInKb",
        "Size of the transaction log, in KiB, that also causes a snapshot.",
        KIB,
        "4194304",
        "snap_size_limit_bytes",
    ),
    Key(
        "txnLogSizeLimitInKb",
        "Size, in KiB, at which a new transaction log file is begun.",
        KIB,
        "-1",
        "txn_log_size_limit_bytes",
    ),
    Key(
        "preAllocSize",
        "KiB by which a transaction log file is extended ahead of its records.",
        integer(1, LONG_MAX // 1024, 1024, "KiB"),
        "65536",
        "pre_alloc_size_bytes",
    ),
    Key(
        "commitLogCount",
        "Recent transactions kept in memory to bring other servers up to date, 32 MiB at most.",
        integer(-INT_MAX),
        "100000",
        "commit_log_count",
        theirs="500",
        raise_to=500,
    ),
    Key(
        "snapshot.compression.method",
        "Format of new snapshots; every format is read.",
        COMPRESSION,
        "",
        "snapshot_compression",
    ),
    Key(
        "autopurge.snapRetainCount",
        "Snapshots that purging keeps, with the logs they need.",
        integer(-INT_MAX),
        "3",
        "snap_retain_count",
        raise_to=3,
    ),
    Key(
        "autopurge.purgeInterval",
        "Time between purges of old snapshots and logs, in hours or with a suffix. 0: off.",
        HOURS,
        "1",
        "purge_interval_ms",
        theirs="0",
    ),
    Key(
        "fsync.warningthresholdms",
        "An fsync that takes longer than so many ms is logged.",
        COUNT_LONG,
        "1000",
        "fsync_warning_threshold_ms",
    ),
    Key(
        "forceSync",
        "Writes are synced to disk before they are acknowledged, always.",
        YES_NO,
        "yes",
        refused={
            "no": "writes would be acknowledged before they are on disk, and a crash would lose "
            "them; remove the line (one sync covers all writes that wait for it)",
        },
    ),
    Key(
        "snapshot.trust.empty",
        "Transaction logs without any snapshot are an error, always.",
        BOOLEAN,
        "false",
        refused={
            "true": "logs without a snapshot mean that a file was lost, and acknowledged data with "
            "it; remove the line and restore the snapshot from a backup or another server",
        },
    ),
    Key(
        "digest.enabled",
        "Keep a digest of the tree in snapshots and logs, to find out if servers differ.",
        BOOLEAN,
        "true",
        "digest_enabled",
    ),
    Key(
        "serializeLastProcessedZxid.enabled",
        "Write the last applied zxid into snapshots.",
        BOOLEAN,
        "true",
        "serialize_last_processed_zxid_enabled",
    ),
    Key(
        "closeSessionTxn.enabled",
        "List in a closeSession transaction the ephemeral znodes it deletes.",
        BOOLEAN,
        "true",
        "close_session_txn_enabled",
    ),
    Key(
        "datadir.autocreate",
        "Create dataDir and dataLogDir if they are missing.",
        BOOLEAN,
        "true",
        "datadir_autocreate",
    ),
    Key(
        "db.autocreate",
        "Begin empty where there is no database. false: only if dataDir has a file `initialize`.",
        BOOLEAN,
        "true",
        "db_autocreate",
    ),
    Key(
        "test.allowDiscontinuousProposals",
        "A switch of ZooKeeper's own tests.",
        BOOLEAN,
        "false",
        refused={"true": "gaps in the transaction log lose acknowledged data; remove the line"},
    ),
)

_ZNODES = (
    Key(
        "extendedTypesEnabled",
        "Allow znodes with a time to live.",
        BOOLEAN,
        "false",
        "extended_types_enabled",
    ),
    Key(
        "emulate353TTLNodes",
        "Read time-to-live znodes written by ZooKeeper 3.5.3.",
        BOOLEAN,
        "false",
        "emulate_353_ttl_nodes",
    ),
    Key(
        "znode.container.checkIntervalMs",
        "Time in ms between searches for empty containers and expired znodes.",
        POSITIVE,
        "60000",
        "container_check_interval_ms",
    ),
    Key(
        "znode.container.maxPerMinute",
        "Containers and expired znodes deleted per minute.",
        POSITIVE,
        "10000",
        "container_max_per_minute",
    ),
    Key(
        "znode.container.maxNeverUsedIntervalMs",
        "Age in ms at which a container that never had a child is deleted. 0: never.",
        COUNT_LONG,
        "0",
        "container_max_never_used_interval_ms",
    ),
    Key(
        "enforceQuota",
        "Refuse writes beyond a hard quota.",
        BOOLEAN,
        "false",
        "enforce_quota",
    ),
)

_AUTH = (
    Key(
        "skipACL",
        "Do not check ACLs.",
        YES_NO,
        "no",
        "skip_acl",
        warned={"yes": "ACLs are not checked: every client may read and change everything"},
    ),
    Key(
        "DigestAuthenticationProvider.enabled",
        "Accept the digest scheme.",
        BOOLEAN,
        "true",
        "digest_auth_enabled",
    ),
    Key(
        "DigestAuthenticationProvider.superDigest",
        "name:base64(digest) of the user whom no ACL binds. Never shown in logs or output.",
        DIGEST,
        field="super_digest",
        secret=True,
    ),
    Key(
        "DigestAuthenticationProvider.digestAlg",
        "Hash of the digest scheme; all servers of an ensemble need the same.",
        DIGEST_ALGORITHM,
        "SHA1",
        "digest_algorithm",
    ),
)

_OBSERVE = (
    Key(
        "4lw.commands.whitelist",
        "Four-letter words that are answered; srvr always is.",
        WORDS,
        "ruok,srvr,stat,mntr,isro,conf",
        "four_letter_words",
        theirs="srvr",
    ),
)

SERVER_KEYS: tuple[Key, ...] = tuple(
    replace(key, group=group)
    for group, keys in (
        ("Basic", _BASIC),
        ("Limits", _LIMITS),
        ("Storage", _STORAGE),
        ("Znodes", _ZNODES),
        ("Authentication", _AUTH),
        ("Observation", _OBSERVE),
    )
    for key in keys
)
