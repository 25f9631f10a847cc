"""What the server and each connection have counted, for srvr, stat, cons and mntr.

Theory of operation. The hot path may not pay for statistics request by request: counts are plain
attributes (``stats.packets_received += n``), and a latency is recorded once per turn, since all
requests of a turn arrive together and leave together. All times are ms on the clock of ``now_ms``
unless said otherwise.

Two resets exist, ZooKeeper's: srst (`ServerStats.reset`) forgets latencies, packets and response
sizes; crst (`ConnectionStats.reset`) forgets one connection's history. Neither touches what
describes the present (outstanding requests, start time) or what an operator must not lose by
accident (slow fsyncs, failed logins).
"""

from __future__ import annotations

from zoo.server.metrics import ServerMetrics, Summary, combined

NO_OPERATION = "NA"
LAST_OPERATION: dict[int, str] = {
    -11: "CLOS",
    -10: "SESS",
    1: "CREA",
    2: "DELE",
    3: "EXIS",
    4: "GETD",
    5: "SETD",
    6: "GETA",
    7: "SETA",
    8: "GETC",
    9: "SYNC",
    11: "PING",
    12: "GETC",
    13: "CHEC",
    14: "MULT",
    15: "CREA",
    16: "RECO",
    17: "CHKW",
    18: "REMW",
    19: "CREA",
    20: "DELE",
    21: "CREA",
    22: "MLTR",
    101: "SETW",
    103: "GETE",
    104: "GETACN",
    105: "STW2",
    106: "ADDW",
    107: "HOMI",
}
"""How `cons` abbreviates an operation (lop=), by operation number."""

READING = 1
WRITING = 4
"""Bits of `ConnectionStats.interest_ops`, the selector flags that ZooKeeper prints in square
brackets."""


class ConnectionStats:
    """One client connection as `cons` shows it. The connection owns it and writes its attributes.

    `address` is ``host:port`` of the client; `established_ms` and `last_response_ms` are on the
    clock of ``now_ms``.
    """

    __slots__ = (
        "address",
        "established_ms",
        "interest_ops",
        "last_cxid",
        "last_latency",
        "last_opcode",
        "last_response_ms",
        "last_zxid",
        "latency",
        "outstanding",
        "packets_received",
        "packets_sent",
        "session_id",
        "session_timeout_ms",
    )

    def __init__(self, address: str, established_ms: int) -> None:
        self.address = address
        self.established_ms = established_ms
        self.session_id = 0
        self.session_timeout_ms = 0
        self.outstanding = 0
        self.interest_ops = READING
        self.latency = Summary("latency", "Latency of this connection's requests, in ms.")
        self.reset()

    def reset(self) -> None:
        """crst: forget the history, keep who this is and what it still waits for."""
        self.packets_received = 0
        self.packets_sent = 0
        self.last_opcode = 0
        self.last_cxid = -1
        self.last_zxid = -1
        self.last_response_ms = 0
        self.last_latency = 0
        self.latency.reset()

    def answered(
        self, count: int, opcode: int, cxid: int, zxid: int, now_ms: int, latency_ms: int
    ) -> None:
        """Record a turn: `count` requests answered now; the other arguments describe the last of
        them."""
        self.last_opcode = opcode
        # A ping (xid -2) is no operation of the client's own: it must not hide the last real one.
        if cxid >= 0:
            self.last_cxid = cxid
        self.last_zxid = zxid
        self.last_response_ms = now_ms
        self.last_latency = latency_ms
        self.latency.add(latency_ms, count)

    @property
    def last_operation(self) -> str:
        return LAST_OPERATION.get(self.last_opcode, NO_OPERATION)


class ServerStats:
    """Totals over all connections. `start_ms` is when the server began to serve."""

    __slots__ = (
        "auth_failed_count",
        "fsync_threshold_exceed_count",
        "last_response_size",
        "max_response_size",
        "metrics",
        "min_response_size",
        "outstanding_requests",
        "packets_received",
        "packets_sent",
        "start_ms",
    )

    def __init__(self, start_ms: int, metrics: ServerMetrics) -> None:
        self.start_ms = start_ms
        self.metrics = metrics
        self.outstanding_requests = 0
        self.fsync_threshold_exceed_count = 0
        self.auth_failed_count = 0
        self._reset_totals()

    def _reset_totals(self) -> None:
        self.packets_received = 0
        self.packets_sent = 0
        # -1 is ZooKeeper's "nothing sent yet".
        self.last_response_size = -1
        self.min_response_size = -1
        self.max_response_size = -1

    def reset(self) -> None:
        """srst: totals and metrics start again at zero."""
        self._reset_totals()
        self.metrics.reset()

    def record_reads(self, latency_ms: int, count: int) -> None:
        """`count` reads of one turn were answered after `latency_ms`."""
        self.metrics.readlatency.add(latency_ms, count)

    def record_updates(self, latency_ms: int, count: int) -> None:
        """`count` writes that arrived together became durable and were answered after
        `latency_ms`."""
        self.metrics.updatelatency.add(latency_ms, count)

    @property
    def latency(self) -> Summary:
        """Of all requests: worked out from reads and updates when asked, not recorded twice."""
        return combined(self.metrics.readlatency, self.metrics.updatelatency)

    def record_response_size(self, size: int) -> None:
        """Bytes of one reply. The caller may sample: one reply of a turn is enough."""
        self.last_response_size = size
        if size > self.max_response_size:
            self.max_response_size = size
        if self.min_response_size < 0 or size < self.min_response_size:
            self.min_response_size = size

    def uptime_ms(self, now_ms: int) -> int:
        return now_ms - self.start_ms
