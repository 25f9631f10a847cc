"""Rows of the key table for keys that Zoo knows and does not use: not yet, or never (Java only)."""

from __future__ import annotations

from zoo.config_row import Key, Status

_NULL_METRICS = "org.apache.zookeeper.metrics.impl.NullMetricsProvider"
_DEFAULT_METRICS = "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider"
_UNGUARDED = (
    "not supported yet, and without it Zoo would serve what you want refused; "
    "remove the line, or keep this server on ZooKeeper until it is supported"
)


def _later(
    group: str, name: str, doc: str, harmless: tuple[str, ...] = (), refused: tuple[str, ...] = ()
) -> Key:
    return Key(
        name,
        doc,
        status=Status.LATER,
        group=group,
        harmless=harmless,
        refused=dict.fromkeys(refused, _UNGUARDED),
        secret="passw" in name.lower(),
    )


def _jvm(name: str, doc: str) -> Key:
    return Key(name, doc, status=Status.JVM, group="Java only")


_TLS = (
    _later("TLS", "secureClientPort", "TCP port for clients with TLS."),
    _later("TLS", "secureClientPortAddress", "Address of the TLS port."),
    _later("TLS", "client.portUnification", "TLS and plain text on one client port.", ("false",)),
    _later("TLS", "client.certReload", "Read certificates anew when they change.", ("false",)),
    _later(
        "TLS", "ssl.*", "Keys, trust and protocol of client TLS, and of quorum TLS as ssl.quorum.*."
    ),
    _later("TLS", "sslQuorum", "TLS between members.", ("false",), ("true",)),
    _later("TLS", "portUnification", "TLS and plain text between members on one port.", ("false",)),
    _later("TLS", "sslQuorumReloadCertFiles", "Read member certificates anew.", ("false",)),
    _later("TLS", "fips-mode", "Restrict TLS to FIPS algorithms."),
    _later("TLS", "X509AuthenticationProvider.superUser", "Certificate subject that no ACL binds."),
)

_ENSEMBLE = (
    _later("Ensemble", "syncEnabled", "false: observers keep no logs and snapshots.", ("true",)),
    _later("Ensemble", "forceSnapshotSync", "Always send a joining member a snapshot.", ("false",)),
    _later("Ensemble", "leader.maxTimeToWaitForEpoch", "Limit of the first phase.", ("-1",)),
    _later("Ensemble", "leader.maxConcurrentSnapSyncs", "Snapshots sent at once.", ("10",)),
)

_AUTH = (
    _later(
        "Authentication",
        "enforce.auth.enabled",
        "Serve only clients that have authenticated.",
        ("false",),
        ("true",),
    ),
    _later("Authentication", "enforce.auth.schemes", "Schemes of which one is required."),
    _later(
        "Authentication",
        "sessionRequireClientSASLAuth",
        "Serve only clients that have authenticated by SASL.",
        ("false",),
        ("true",),
    ),
    _later(
        "Authentication", "allowSaslFailedClients", "Serve clients whose SASL failed.", ("false",)
    ),
    _later("Authentication", "letAnySaslUserDoX", "Give every SASL user the named rights."),
    _later("Authentication", "superUser", "SASL user that no ACL binds."),
    _later("Authentication", "authProvider.*", "Class of an additional authentication provider."),
    _later(
        "Authentication", "requireClientAuthScheme", "Scheme a client must use (ZooKeeper 3.6)."
    ),
    _later(
        "Authentication",
        "SASLAuthenticationProvider.superPassword",
        "Password of the SASL super user.",
    ),
    _later("Authentication", "sasl.*", "SASL section and client settings."),
    _later("Authentication", "kerberos.*", "Kerberos name rules and renewal."),
    _later("Authentication", "requireKerberosConfig", "Refuse to start without a Kerberos realm."),
    _later("Authentication", "security.auth_to_local", "Rules from Kerberos principals to names."),
    _later("Authentication", "jaasLoginRenew", "Time in ms between renewals of the login."),
    _later(
        "Authentication", "quorum.auth.enableSasl", "SASL between members.", ("false",), ("true",)
    ),
    _later(
        "Authentication",
        "quorum.auth.learnerRequireSasl",
        "Members must use SASL.",
        ("false",),
        ("true",),
    ),
    _later(
        "Authentication",
        "quorum.auth.serverRequireSasl",
        "Members must prove SASL.",
        ("false",),
        ("true",),
    ),
    _later(
        "Authentication", "quorum.auth.*", "Login sections and principal of SASL between members."
    ),
    _later("Authentication", "quorum.cnxn.threads.size", "Threads for SASL between members."),
    _later(
        "Authentication", "ensembleAuthName", "Ensemble names that clients may claim to expect."
    ),
    _later(
        "Authentication",
        "IPAuthenticationProvider.usexforwardedfor",
        "Trust X-Forwarded-For in the ip scheme.",
        ("false",),
    ),
)

_OPERATIONS = (
    _later("Operations", "admin.enableServer", "HTTP server for administrators.", ("false",)),
    _later("Operations", "admin.*", "Address, limits and commands of that HTTP server."),
    _later(
        "Operations",
        "metricsProvider.className",
        "Class that publishes metrics.",
        (_DEFAULT_METRICS, _NULL_METRICS),
    ),
    _later("Operations", "metricsProvider.*", "Settings of that class, such as httpPort."),
    _later("Operations", "audit.enable", "Audit log.", ("false",)),
    _later("Operations", "audit.impl.class", "Class that writes the audit log."),
    _later("Operations", "messageTracker.*", "Keep the last messages between members for the log."),
    _later("Operations", "pathStats.*", "Count requests by path."),
    _later("Operations", "oraclePath", "File that decides for one of two members."),
    _later(
        "Operations",
        "serverCnxnFactory",
        "Class of the client port.",
        (
            "org.apache.zookeeper.server.NIOServerCnxnFactory",
            "org.apache.zookeeper.server.NettyServerCnxnFactory",
        ),
    ),
)

_THROTTLE = (
    _later(
        "Throttling",
        "request_throttle_max_requests",
        "Requests beyond which new ones wait.",
        ("0",),
    ),
    _later("Throttling", "request_throttle_stall_time", "How long they wait, in ms."),
    _later("Throttling", "request_throttle_drop_stale", "Drop requests whose connection has gone."),
    _later(
        "Throttling", "request_throttler.shutdownTimeout", "Time in ms to drain them at shutdown."
    ),
    _later(
        "Throttling", "request_stale_connection_check", "A closed connection makes a request stale."
    ),
    _later("Throttling", "request_stale_latency_check", "Age makes a request stale.", ("false",)),
    _later(
        "Throttling",
        "throttled_op_wait_time",
        "Wait in ms after which a request is refused.",
        ("0",),
    ),
    _later("Throttling", "connection_throttle_tokens", "Connections accepted in a burst.", ("0",)),
    _later("Throttling", "connection_throttle_*", "Refill and weights of that bucket."),
)

_JAVA = (
    _jvm("jvm.pause.monitor", "Watch pauses of the virtual machine."),
    _jvm("jvm.pause.*", "Thresholds in ms of that watch."),
    _jvm("commitProcessor.*", "Threads and batches of the commit stage."),
    _jvm("nio.numSelectorThreads", "Threads that select sockets."),
    _jvm("nio.numWorkerThreads", "Threads that read and write sockets."),
    _jvm("nio.directBufferBytes", "Size of a direct buffer."),
    _jvm("nio.shutdownTimeout", "Time to stop those threads."),
    _jvm("netty.*", "Options of Netty."),
    _jvm("flushDelay", "Delay of a flush in ms; here one sync covers a turn."),
    _jvm("maxWriteQueuePollTime", "Wait for more writes before a flush."),
    _jvm("maxBatchSize", "Writes before a forced flush."),
    _jvm("intBufferStartingSizeBytes", "First size of a serialisation buffer."),
    _jvm("maxResponseCacheSize", "Serialised znodes kept; here a znode is kept serialised."),
    _jvm("maxGetChildrenResponseCacheSize", "Serialised child lists kept."),
    _jvm("watchManagerName", "Class that keeps the watches."),
    _jvm("watcherCleanThreadsNum", "Threads that remove dead watchers."),
    _jvm("watcherCleanThreshold", "Dead watchers that start a removal."),
    _jvm("watcherCleanIntervalInSeconds", "Time between removals."),
    _jvm("maxInProcessingDeadWatchers", "Dead watchers that may wait for removal."),
    _jvm("bitHashCacheSize", "Cache of bit sets of watchers."),
    _jvm("learner.asyncSending", "A thread sends a member's packets; here sending never blocks."),
    _jvm("learner.closeSocketAsync", "A thread closes a member's socket."),
    _jvm("leader.closeSocketAsync", "A thread closes a leader's sockets."),
    _jvm("leader.ackLoggingFrequency", "How often the latency of an ack is logged."),
    _jvm("forward_learner_requests_to_commit_processor_disabled", "Path of forwarded requests."),
    _jvm("follower.skipLearnerRequestToNextProcessor", "Path of forwarded requests."),
    _jvm("enableEagerACLCheck", "Check ACLs twice; here where writes are decided."),
    _jvm("leaderConnectDelayDuringRetryMs", "Pause between dials; here short and growing."),
    _jvm("observer.election.DelayMs", "Pause of an observer before it looks for a leader."),
    _jvm("leader.maxConcurrentDiffSyncs", "Threads that send missing transactions."),
    _jvm("snapshotSizeFactor", "How much log is read for a member; here none, from memory."),
    _jvm("multiAddress.reachabilityCheck*", "Trial of addresses; here all are dialled at once."),
    _jvm("jmx.*", "Management beans."),
    _jvm("controllerPort", "Port of a test controller."),
    _jvm("testingonly.initialZxid", "A switch of ZooKeeper's own tests."),
)

OTHER_KEYS: tuple[Key, ...] = (*_TLS, *_AUTH, *_ENSEMBLE, *_OPERATIONS, *_THROTTLE, *_JAVA)
