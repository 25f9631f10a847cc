"""Values read off the server when somebody looks, under ZooKeeper's gauge names.

Theory of operation. A gauge is a function of the `ServerView` and the time, so nothing is
registered, nothing refers back to the server, and the hot path pays nothing. Together with the
counters and summaries of `metrics` they are what mntr prints, and what any other exporter should
print: `monitor_values`.

Java registers a few gauges more that a standalone server without TLS and connection throttling
could only answer with a constant (connection_drop_probability, outstanding_tls_handshake,
non_mtls_*): they come with those features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zoo.server.metrics import Number
from zoo.server.view import ServerView


class Gauge(NamedTuple):
    """A value derived from the server when asked for. `read` takes view and now_ms; None leaves
    the key out."""

    name: str
    help: str
    read: Callable[[ServerView, int], Number | None]


def _synced_observers(view: ServerView, now_ms: int) -> Number | None:
    facts = view.ensemble(now_ms)
    if facts is None:
        return None
    return facts.fed_observers if facts.leader is None else facts.leader.synced_observers


def _of_leader(name: str) -> Callable[[ServerView, int], Number | None]:
    def read(view: ServerView, now_ms: int) -> Number | None:
        facts = view.ensemble(now_ms)
        if facts is None or facts.leader is None:
            return None
        number: Number = getattr(facts.leader, name)
        return number

    return read


def _quorum_size(view: ServerView, now_ms: int) -> Number | None:
    facts = view.ensemble(now_ms)
    return None if facts is None else facts.quorum_size


GAUGES: tuple[Gauge, ...] = (
    Gauge(
        "avg_latency",
        "Mean time from request to reply since start or srst, in ms.",
        lambda v, _: v.stats.latency.avg,
    ),
    Gauge("min_latency", "Shortest such time, in ms.", lambda v, _: v.stats.latency.min),
    Gauge("max_latency", "Longest such time, in ms.", lambda v, _: v.stats.latency.max),
    Gauge(
        "packets_received", "Requests received from clients.", lambda v, _: v.stats.packets_received
    ),
    Gauge("packets_sent", "Replies and events sent to clients.", lambda v, _: v.stats.packets_sent),
    Gauge(
        "num_alive_connections", "Client connections open now.", lambda v, _: len(v.connections())
    ),
    Gauge(
        "outstanding_requests",
        "Requests received and not yet answered; grows when disk or processor fall behind.",
        lambda v, _: v.stats.outstanding_requests,
    ),
    Gauge(
        "uptime", "Time since the server began to serve, in ms.", lambda v, t: v.stats.uptime_ms(t)
    ),
    Gauge(
        "znode_count",
        "Znodes, ZooKeeper's system nodes included (an empty server has 5).",
        lambda v, _: v.znode_count(),
    ),
    Gauge("watch_count", "Watches set now, of all kinds.", lambda v, _: v.watch_count()),
    Gauge("ephemerals_count", "Ephemeral znodes.", lambda v, _: v.ephemerals_count()),
    Gauge(
        "approximate_data_size",
        "Bytes of all paths and data.",
        lambda v, _: v.approximate_data_size(),
    ),
    Gauge("global_sessions", "Sessions alive.", lambda v, _: v.global_session_count()),
    Gauge(
        "local_sessions",
        "Sessions known to this server only; 0 unless local sessions are enabled.",
        lambda v, _: v.local_session_count(),
    ),
    Gauge(
        "open_file_descriptor_count",
        "File descriptors in use (where the platform tells).",
        lambda v, _: v.open_file_descriptors(),
    ),
    Gauge(
        "max_file_descriptor_count",
        "Limit of file descriptors (where the platform tells).",
        lambda v, _: v.max_file_descriptors(),
    ),
    Gauge(
        "last_client_response_size",
        "Bytes of the latest sampled reply; -1 before the first.",
        lambda v, _: v.stats.last_response_size,
    ),
    Gauge(
        "max_client_response_size",
        "Bytes of the largest sampled reply; -1 before the first.",
        lambda v, _: v.stats.max_response_size,
    ),
    Gauge(
        "min_client_response_size",
        "Bytes of the smallest sampled reply; -1 before the first.",
        lambda v, _: v.stats.min_response_size,
    ),
    Gauge(
        "auth_failed_count",
        "Failed authentications of clients; not reset by srst.",
        lambda v, _: v.stats.auth_failed_count,
    ),
    Gauge(
        "fsync_threshold_exceed_count",
        "Fsyncs slower than fsync.warningthresholdms; not reset by srst.",
        lambda v, _: v.stats.fsync_threshold_exceed_count,
    ),
    Gauge("quorum_size", "Voters of the ensemble; only on its members.", _quorum_size),
    Gauge("learners", "Followers and observers connected; leader only.", _of_leader("learners")),
    Gauge(
        "synced_followers",
        "Followers in step with the leader; leader only.",
        _of_leader("synced_followers"),
    ),
    Gauge(
        "synced_observers",
        "Observers in step that the leader, or this follower, feeds; on those two only.",
        _synced_observers,
    ),
    Gauge(
        "pending_syncs",
        "Answers to learners that wait for a commit; leader only.",
        _of_leader("pending_syncs"),
    ),
    Gauge("leader_uptime", "Time since it began to lead, in ms.", _of_leader("uptime_ms")),
    Gauge(
        "last_proposal_size",
        "Bytes of the latest transaction; leader only, -1 before the first.",
        _of_leader("last_proposal_size"),
    ),
    Gauge(
        "max_proposal_size",
        "Bytes of the largest transaction since it leads.",
        _of_leader("max_proposal_size"),
    ),
    Gauge(
        "min_proposal_size",
        "Bytes of the smallest transaction since it leads.",
        _of_leader("min_proposal_size"),
    ),
    Gauge(
        "observer_master_id",
        "The member that feeds this observer; observers only.",
        lambda v, now: None if (facts := v.ensemble(now)) is None else facts.observer_master_id,
    ),
)


def monitor_values(view: ServerView, now_ms: int) -> dict[str, str | Number]:
    """All keys of mntr without their ``zk_`` prefix, version and state first: for mntr and for
    other exporters."""
    values: dict[str, str | Number] = {"version": view.version, "server_state": view.mode}
    facts = view.ensemble(now_ms)
    if facts is not None:
        values["peer_state"] = facts.peer_state
    for gauge in GAUGES:
        value = gauge.read(view, now_ms)
        if value is not None:
            values[gauge.name] = value
    values.update(view.stats.metrics.snapshot())
    return values
