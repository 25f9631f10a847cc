"""Counters and summaries under ZooKeeper's metric names.

Theory of operation. Exporters and dashboards know ZooKeeper by the names in its ``ServerMetrics``,
so the names here are those, and a summary prints as the ``avg_/min_/max_/cnt_/sum_`` (and ``p50_``
...) keys its default provider makes. A metric appears in the output because somebody asked the
registry for it: what a standalone server never feeds is not registered, so that no zero pretends
to be a measurement.

The server is one thread, so a counter is a plain attribute (``metrics.response_bytes.value +=
n``), and callers record once per turn with the count of that turn, not once per request.

Values derived from the server's state (node counts, uptime) are not kept here: they are computed
from a ``ServerView`` when somebody looks (``gauges.GAUGES``).
"""

from __future__ import annotations

from collections.abc import Iterator

QUANTILES: tuple[tuple[str, float], ...] = (
    ("p50", 0.5),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
)
EXACT_BELOW = 128
"""Percentile summaries keep values below this exactly, larger ones to about 1 % (7 significant
bits)."""

Number = int | float


class Counter:
    """A number that only grows until the operator resets it: ``counter.value += n``."""

    __slots__ = ("help", "name", "value")

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.value = 0

    def reset(self) -> None:
        self.value = 0

    def values(self) -> Iterator[tuple[str, Number]]:
        yield self.name, self.value


class Summary:
    """Average, minimum, maximum, count and sum of integer observations. Empty prints as zeros, as
    Java's does."""

    __slots__ = ("_count", "_max", "_min", "_total", "help", "name")

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.reset()

    def reset(self) -> None:
        self._count = 0
        self._total = 0
        self._min = 0
        self._max = 0

    def add(self, value: int, count: int = 1) -> None:
        """Record `count` observations of the same `value`: all requests of one turn in one
        call."""
        if not self._count:
            self._min = self._max = value
        elif value > self._max:
            self._max = value
        elif value < self._min:
            self._min = value
        self._count += count
        self._total += value * count

    @property
    def count(self) -> int:
        return self._count

    @property
    def total(self) -> int:
        return self._total

    @property
    def min(self) -> int:
        return self._min

    @property
    def max(self) -> int:
        return self._max

    @property
    def avg(self) -> float:
        """Mean to four decimals; 0.0 when nothing was recorded."""
        count = self.count
        if not count:
            return 0.0
        # Halves go up, as in Java (1/32 prints as 0.0313); round() would go to the even neighbour.
        return (20_000 * self.total + count) // (2 * count) / 10_000

    def values(self) -> Iterator[tuple[str, Number]]:
        yield f"avg_{self.name}", self.avg
        yield f"min_{self.name}", self.min
        yield f"max_{self.name}", self.max
        yield f"cnt_{self.name}", self.count
        yield f"sum_{self.name}", self.total


class PercentileSummary(Summary):
    """A summary of durations with p50, p95, p99 and p999.

    Java samples 4096 values at random. Latencies in ms have few distinct values, so counting by
    value is exact where it matters, bounded, and needs no randomness. `small[ms]` counts the
    durations below `EXACT_BELOW`; the list is never replaced, so the hot path may bind it once and
    record a turn with ``small[ms] += n``. All else is worked out when somebody looks.
    """

    __slots__ = ("_large", "small")

    def __init__(self, name: str, help: str) -> None:
        self.small = [0] * EXACT_BELOW
        self._large: dict[int, int] = {}
        super().__init__(name, help)

    def reset(self) -> None:
        super().reset()
        self.small[:] = [0] * EXACT_BELOW
        self._large.clear()

    def add(self, value: int, count: int = 1) -> None:
        assert value >= 0, f"{self.name} of {value}: the clock went backwards"
        if value < EXACT_BELOW:
            self.small[value] += count
            return
        super().add(value, count)
        shift = value.bit_length() - 7
        value = (value >> shift) << shift
        self._large[value] = self._large.get(value, 0) + count

    # The fields of the base class hold the large values alone.

    @property
    def count(self) -> int:
        return sum(self.small) + self._count

    @property
    def total(self) -> int:
        return sum(ms * n for ms, n in enumerate(self.small)) + self._total

    @property
    def min(self) -> int:
        return next((ms for ms, n in enumerate(self.small) if n), self._min)

    @property
    def max(self) -> int:
        if self._count:
            return self._max
        return max((ms for ms, n in enumerate(self.small) if n), default=0)

    def quantile(self, q: float) -> int:
        """The value at quantile `q`, interpolated between ranks and rounded as Java's histogram
        does."""
        count = self.count
        if not count:
            return 0
        position = q * (count + 1)
        rank = int(position)
        if rank < 1:
            return self._at_rank(1)
        if rank >= count:
            return self._at_rank(count)
        low, high = self._at_rank(rank), self._at_rank(rank + 1)
        return int(low + (position - rank) * (high - low) + 0.5)

    def _at_rank(self, rank: int) -> int:
        """The `rank`-th smallest observation, counted from 1."""
        seen = 0
        for value, n in (*enumerate(self.small), *sorted(self._large.items())):
            seen += n
            if seen >= rank:
                return value
        raise AssertionError(f"rank {rank} asked of {seen} observations of {self.name}")

    def values(self) -> Iterator[tuple[str, Number]]:
        yield from super().values()
        for label, q in QUANTILES:
            yield f"{label}_{self.name}", self.quantile(q)


def combined(*parts: Summary) -> Summary:
    """One summary of all observations of `parts`, a copy as of now."""
    whole = Summary("", "")
    for part in parts:
        if part.count:
            whole.add(part.min)
            whole.add(part.max)
    whole._count = sum(part.count for part in parts)
    whole._total = sum(part.total for part in parts)
    return whole


Metric = Counter | Summary


class Metrics:
    """A registry: name -> metric, in order of registration."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def _register(self, metric: Metric) -> None:
        assert metric.name not in self._metrics, f"metric {metric.name} registered twice"
        self._metrics[metric.name] = metric

    def counter(self, name: str, help: str) -> Counter:
        metric = Counter(name, help)
        self._register(metric)
        return metric

    def summary(self, name: str, help: str) -> Summary:
        metric = Summary(name, help)
        self._register(metric)
        return metric

    def percentiles(self, name: str, help: str) -> PercentileSummary:
        metric = PercentileSummary(name, help)
        self._register(metric)
        return metric

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._metrics.values())

    def snapshot(self) -> dict[str, Number]:
        """Every key and its value now, without the ``zk_`` prefix that mntr puts in front."""
        return {key: value for metric in self for key, value in metric.values()}

    def reset(self) -> None:
        """What srst does to metrics: everything here starts again at zero."""
        for metric in self:
            metric.reset()


class ServerMetrics(Metrics):
    """The metrics of one standalone server, each under ZooKeeper's name and fed by the server.
    Times in ms."""

    def __init__(self) -> None:
        super().__init__()
        self._traffic()
        self._writes()
        self._storage()

    def _traffic(self) -> None:
        self.readlatency = self.percentiles(
            "readlatency", "Time from the arrival of a read until its reply, in ms."
        )
        self.updatelatency = self.percentiles(
            "updatelatency", "Time from the arrival of a write until its durable reply, in ms."
        )
        self.bytes_received_count = self.counter(
            "bytes_received_count", "Bytes of requests received from clients."
        )
        self.response_bytes = self.counter("response_bytes", "Bytes of replies written to clients.")
        self.watch_bytes = self.counter("watch_bytes", "Bytes of watch events written to clients.")
        self.connection_request_count = self.counter(
            "connection_request_count", "Session handshakes received, new and re-attaching."
        )
        self.connection_rejected = self.counter(
            "connection_rejected", "Connections refused because a connection limit was reached."
        )
        self.connection_drop_count = self.counter(
            "connection_drop_count", "Connections that ended without closing their session."
        )
        self.sessionless_connections_expired = self.counter(
            "sessionless_connections_expired",
            "Connections dropped because no session handshake came in time.",
        )
        self.stale_sessions_expired = self.counter(
            "stale_sessions_expired", "Sessions that expired because their client went silent."
        )
        self.large_requests_rejected = self.counter(
            "large_requests_rejected", "Requests refused because they exceed jute.maxbuffer."
        )
        self.request_throttle_wait_count = self.counter(
            "request_throttle_wait_count",
            "Times a connection's reading was paused by the outstanding-request limit.",
        )

    def _writes(self) -> None:
        self.sync_processor_request_queued = self.counter(
            "sync_processor_request_queued", "Transactions handed to the log."
        )
        self.sync_processor_batch_size = self.summary(
            "sync_processor_batch_size", "Transactions that shared one fsync."
        )

    def _storage(self) -> None:
        self.fsynctime = self.summary(
            "fsynctime", "Time of one fsync of the transaction log, in ms."
        )
        self.snapshottime = self.summary("snapshottime", "Time to write one snapshot, in ms.")
        self.dbinittime = self.summary(
            "dbinittime", "Time to load snapshot and log at the start, in ms."
        )
        self.startup_snap_load_time = self.summary(
            "startup_snap_load_time", "Time to load the snapshot at the start, in ms."
        )
        self.startup_txns_loaded = self.summary(
            "startup_txns_loaded", "Transactions replayed from the log at the start."
        )
        self.startup_txns_load_time = self.summary(
            "startup_txns_load_time", "Time to replay the log at the start, in ms."
        )
        self.digest_mismatches_count = self.counter(
            "digest_mismatches_count",
            "Times the tree's digest differed from the recorded one; anything but 0 is corruption.",
        )
