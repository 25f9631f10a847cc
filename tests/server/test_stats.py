"""Totals and connection statistics: batching and the two resets."""

from __future__ import annotations

from zoo.server.metrics import ServerMetrics
from zoo.server.stats import LAST_OPERATION, ConnectionStats, ServerStats


def test_reads_and_updates_of_a_turn_are_recorded_in_one_call_each() -> None:
    stats = ServerStats(0, ServerMetrics())
    stats.record_reads(2, 10)
    stats.record_updates(5, 1)
    assert (stats.latency.min, stats.latency.max, stats.latency.count) == (2, 5, 11)
    snapshot = stats.metrics.snapshot()
    assert snapshot["cnt_readlatency"] == 10
    assert snapshot["sum_updatelatency"] == 5


def test_srst_forgets_totals_but_not_the_present_nor_the_alarms() -> None:
    stats = ServerStats(1000, ServerMetrics())
    stats.packets_received += 7
    stats.packets_sent += 8
    stats.outstanding_requests += 3
    stats.fsync_threshold_exceed_count += 1
    stats.auth_failed_count += 1
    stats.record_reads(9, 4)
    stats.record_response_size(100)
    stats.metrics.response_bytes.value += 5
    stats.reset()
    assert (stats.packets_received, stats.packets_sent, stats.latency.count) == (0, 0, 0)
    assert (stats.last_response_size, stats.min_response_size, stats.max_response_size) == (
        -1,
        -1,
        -1,
    )
    assert set(stats.metrics.snapshot().values()) == {0}
    assert stats.outstanding_requests == 3
    assert (stats.fsync_threshold_exceed_count, stats.auth_failed_count) == (1, 1)
    assert stats.uptime_ms(1320) == 320


def test_response_sizes() -> None:
    stats = ServerStats(0, ServerMetrics())
    for size in (16, 89, 20):
        stats.record_response_size(size)
    assert (stats.min_response_size, stats.max_response_size, stats.last_response_size) == (
        16,
        89,
        20,
    )


def test_a_ping_does_not_hide_the_last_cxid() -> None:
    client = ConnectionStats("h:1", established_ms=0)
    client.answered(3, 4, 7, 0x20, 500, 1)
    client.answered(1, 11, -2, 0x21, 900, 0)
    assert client.last_operation == "PING"
    assert (client.last_cxid, client.last_zxid, client.last_response_ms) == (7, 0x21, 900)
    assert (client.latency.count, client.latency.max, client.last_latency) == (4, 1, 0)


def test_crst_keeps_who_the_client_is_and_what_it_waits_for() -> None:
    client = ConnectionStats("h:1", established_ms=5)
    client.session_id = 77
    client.session_timeout_ms = 10_000
    client.outstanding = 2
    client.packets_received += 9
    client.answered(3, 4, 7, 0x20, 500, 1)
    client.reset()
    assert (client.packets_received, client.last_operation, client.latency.count) == (0, "NA", 0)
    assert (client.last_cxid, client.last_zxid) == (-1, -1)
    assert (client.session_id, client.session_timeout_ms, client.outstanding) == (77, 10_000, 2)


def test_abbreviations_are_short_upper_case() -> None:
    assert all(name.isupper() or name == "STW2" for name in LAST_OPERATION.values())
    assert {len(name) for name in LAST_OPERATION.values()} == {4, 6}
