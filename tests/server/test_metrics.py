"""Counters, summaries and percentiles against figures recorded from the Java server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.server.metrics import (
    EXACT_BELOW,
    Counter,
    Metrics,
    PercentileSummary,
    ServerMetrics,
    Summary,
    combined,
)


def test_empty_summary_prints_zeros_as_java_does() -> None:
    assert dict(Summary("fsynctime", "").values()) == {
        "avg_fsynctime": 0.0,
        "min_fsynctime": 0,
        "max_fsynctime": 0,
        "cnt_fsynctime": 0,
        "sum_fsynctime": 0,
    }


@pytest.mark.parametrize(
    ("values", "avg"),
    [
        ([9] + [0] * 10, 0.8182),  # recorded: prep_process_time
        ([3, 2, 2, 1, 1, 1, 1, 1, 1, 4, 8], 2.2727),  # recorded: avg_latency, sum 25 of 11
        ([1] + [0] * 31, 0.0313),  # a half goes up
    ],
)
def test_average_is_java_s(values: list[int], avg: float) -> None:
    summary = Summary("x", "")
    for value in values:
        summary.add(value)
    assert summary.avg == avg


def test_percentiles_of_a_recorded_updatelatency() -> None:
    """The Java server showed these nine figures for six writes; the six latencies fit them."""
    summary = PercentileSummary("updatelatency", "")
    for value in (8, 5, 2, 2, 1, 1):
        summary.add(value)
    assert dict(summary.values()) == {
        "avg_updatelatency": 3.1667,
        "min_updatelatency": 1,
        "max_updatelatency": 8,
        "cnt_updatelatency": 6,
        "sum_updatelatency": 19,
        "p50_updatelatency": 2,
        "p95_updatelatency": 8,
        "p99_updatelatency": 8,
        "p999_updatelatency": 8,
    }


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 50)), min_size=1, max_size=30))
def test_batches_equal_single_observations(batches: list[tuple[int, int]]) -> None:
    batched, single = PercentileSummary("x", ""), PercentileSummary("x", "")
    for value, count in batches:
        batched.add(value, count)
        for _ in range(count):
            single.add(value)
    assert list(batched.values()) == list(single.values())
    flat = [value for value, _ in batches]
    assert (batched.min, batched.max) == (min(flat), max(flat))


@given(st.integers(0, 2**40))
def test_a_quantile_is_exact_when_small_and_within_a_128th_otherwise(value: int) -> None:
    summary = PercentileSummary("x", "")
    summary.add(value, 1000)
    got = summary.quantile(0.5)
    assert got == value if value < EXACT_BELOW else 0 <= value - got <= value / 64


def test_the_memory_of_percentiles_is_bounded() -> None:
    summary = PercentileSummary("x", "")
    for value in range(0, 300_000, 7):
        summary.add(value)
    assert len(summary.small) + len(summary._large) < 1000


def test_the_hot_path_may_bind_the_list_of_small_values_for_good() -> None:
    summary = PercentileSummary("x", "")
    small = summary.small
    small[3] += 40
    summary.add(500, 2)
    assert (summary.count, summary.total, summary.min, summary.max) == (42, 1120, 3, 500)
    summary.reset()
    assert (summary.count, summary.max) == (0, 0)
    small[0] += 1
    assert (summary.count, summary.min, summary.max) == (1, 0, 0)


@given(st.lists(st.integers(0, 400), max_size=20), st.lists(st.integers(0, 400), max_size=20))
def test_combining_equals_recording_together(first: list[int], second: list[int]) -> None:
    parts = (PercentileSummary("a", ""), PercentileSummary("b", ""))
    whole = Summary("", "")
    for part, values in zip(parts, (first, second), strict=True):
        for value in values:
            part.add(value)
            whole.add(value)
    assert list(combined(*parts).values()) == list(whole.values())


def test_a_clock_that_goes_backwards_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="backwards"):
        PercentileSummary("readlatency", "").add(-1)


def test_reset_starts_again() -> None:
    summary = PercentileSummary("x", "")
    summary.add(5, 3)
    summary.reset()
    summary.add(9)
    assert (summary.min, summary.max, summary.quantile(0.5)) == (9, 9, 9)
    counter = Counter("c", "")
    counter.value += 4
    counter.reset()
    assert list(counter.values()) == [("c", 0)]


def test_registering_a_name_twice_is_our_bug() -> None:
    metrics = Metrics()
    metrics.counter("stale_requests", "")
    with pytest.raises(AssertionError, match="stale_requests"):
        metrics.summary("stale_requests", "")


def test_each_attribute_of_server_metrics_carries_the_name_of_its_metric() -> None:
    metrics = ServerMetrics()
    for metric in metrics:
        assert getattr(metrics, metric.name) is metric
        assert metric.help.endswith(".")
