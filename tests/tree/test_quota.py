from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.tree.quota import (
    QuotaPaths,
    add_usage,
    breaches,
    counted_path,
    format_values,
    limit_path,
    limited_path,
    parse,
    stat_path,
    usage,
)

# What ZooKeeper 3.9.5's StatsTrack prints for a text; None where it throws.
TEXTS: list[tuple[str, str | None]] = [
    ("", "count=-1,bytes=-1"),
    ("count=1,bytes=2", "count=1,bytes=2"),
    (
        "count=1,bytes=2=;byteHardLimit=3;countHardLimit=4",
        "count=1,bytes=2=;byteHardLimit=3;countHardLimit=4",
    ),
    ("byteHardLimit=3", "count=-1,bytes=-1=;byteHardLimit=3"),
    ("bytes=5", "count=-1,bytes=5"),
    ("count==5", "count=-1,bytes=-1"),
    ("count=", None),
    ("=5", "count=-1,bytes=-1=;=5"),
    ("=", None),
    ("count=x", None),
    ("count=+7,bytes=-1", "count=7,bytes=-1"),
    ("zeta=1;alpha=2", "count=-1,bytes=-1=;alpha=2;zeta=1"),
    (",count=1", None),
    ("count=1,,;bytes=2,;", "count=1,bytes=2"),
    ("count=9223372036854775807", "count=9223372036854775807,bytes=-1"),
    ("count=9223372036854775808", None),
    ("count= 1", None),
    ("count=1=9", "count=1,bytes=-1"),
    ("count=0000000000000000000000007", "count=7,bytes=-1"),
    ("junk", None),
    (",", "count=-1,bytes=-1"),
    ("count=1,count=2", "count=2,bytes=-1"),
]


@pytest.mark.parametrize(("text", "printed"), TEXTS)
def test_texts_are_read_and_written_as_zookeeper_does(text: str, printed: str | None) -> None:
    if printed is None:
        with pytest.raises(ValueError, match="quota field"):
            parse(text.encode())
    else:
        assert format_values(parse(text.encode())) == printed.encode()


@given(st.binary(max_size=40))
def test_any_bytes_parse_or_raise_value_error(data: bytes) -> None:
    try:
        values = parse(data)
    except ValueError:
        values = {}
    assert all(-(1 << 63) <= number < 1 << 63 for number in values.values())


keys = st.sampled_from(["count", "bytes", "countHardLimit", "byteHardLimit", "other"])


@given(st.dictionaries(keys, st.integers(-(1 << 63), (1 << 63) - 1)))
def test_what_is_written_reads_back(values: dict[str, int]) -> None:
    assert parse(format_values(values)) == {"count": -1, "bytes": -1} | values


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"count=4,bytes=10", b"count=5,bytes=7"),
        (b"count=4,bytes=10=;byteHardLimit=9", b"count=5,bytes=7=;byteHardLimit=9"),
        (None, b"count=0,bytes=-4"),
        (b"", b"count=0,bytes=-4"),
        (b"nonsense", b"count=0,bytes=-4"),
    ],
)
def test_usage_after_a_change(before: bytes | None, after: bytes) -> None:
    assert add_usage(before, 1, -3) == after


def test_fresh_usage() -> None:
    assert usage(3, 17) == format_values({"count": 3, "bytes": 17})


def test_paths_of_limits_and_usage() -> None:
    assert limit_path(b"/a/b") == b"/zookeeper/quota/a/b/zookeeper_limits"
    assert stat_path(b"/a/b") == b"/zookeeper/quota/a/b/zookeeper_stats"
    assert limited_path(limit_path(b"/a/b")) == b"/a/b"
    assert counted_path(stat_path(b"/a/b")) == b"/a/b"


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/a/zookeeper_limits",
        b"/zookeeper/quota",
        b"/zookeeper/quota/zookeeper_limits",
        b"/zookeeper/quotas/zookeeper_limits",
        b"/zookeeper/quota/a/my_zookeeper_limits",
        b"/zookeeper/quota/a/zookeeper_limits/below",
        b"/zookeeper/quota/a/zookeeper_stats",
    ],
)
def test_other_znodes_limit_nothing(path: bytes) -> None:
    assert limited_path(path) is None


# limits, usage, (count diff, bytes diff) -> which limits are overstepped, hard or soft
CHECKS = [
    ("count=5", "count=4,bytes=0", (1, 0), []),
    ("count=5", "count=5,bytes=0", (1, 0), ["soft count"]),
    ("countHardLimit=5", "count=5,bytes=0", (1, 0), ["hard count"]),
    ("count=2,countHardLimit=9", "count=5,bytes=0", (1, 0), []),
    ("count=2,countHardLimit=5", "count=5,bytes=0", (1, 0), ["hard count"]),
    ("countHardLimit=5", "count=9,bytes=0", (0, 10), []),
    ("countHardLimit=0", "count=1,bytes=0", (1, 0), ["hard count"]),
    ("bytes=10", "count=1,bytes=10", (1, 0), []),
    ("bytes=10", "count=1,bytes=10", (1, 1), ["soft byte"]),
    ("byteHardLimit=10", "count=1,bytes=10", (1, 1), ["hard byte"]),
    ("byteHardLimit=10", "count=1,bytes=30", (0, -5), ["hard byte"]),
    ("byteHardLimit=10", "count=1,bytes=30", (0, -20), []),
    ("byteHardLimit=10", "count=1,bytes=30", (0, 0), []),
    ("count=1,byteHardLimit=1", "count=1,bytes=1", (1, 1), ["soft count", "hard byte"]),
    ("countHardLimit=1,byteHardLimit=1", "count=1,bytes=1", (1, 1), ["hard count"]),
    ("count=1,bytes=1", "count=1,bytes=1", (1, 1), ["soft count", "soft byte"]),
    ("count=-1,bytes=-1", "count=9,bytes=9", (1, 1), []),
]


@pytest.mark.parametrize(("limits", "used", "diff", "expected"), CHECKS)
def test_limits(limits: str, used: str, diff: tuple[int, int], expected: list[str]) -> None:
    found = breaches(b"/a", parse(limits.encode()), parse(used.encode()), *diff)
    assert [" ".join(breach.text.split()[1:3]) for breach in found] == expected
    assert [breach.hard for breach in found] == [text.startswith("hard") for text in expected]


def test_a_breach_says_what_and_how_much() -> None:
    (breach,) = breaches(b"/a", {"countHardLimit": 5}, {"count": 5}, 1, 0)
    assert breach.text == "/a: hard count limit 5, would be 6"


def test_the_longest_prefix_counts() -> None:
    quotas = QuotaPaths()
    assert not quotas
    assert quotas.longest_prefix(b"/a/b") is None
    quotas.add(b"/a")
    quotas.add(b"/a/b/c")
    assert len(quotas) == 2
    assert quotas.longest_prefix(b"/a") == b"/a"
    assert quotas.longest_prefix(b"/a/b") == b"/a"
    assert quotas.longest_prefix(b"/a/b/c/d") == b"/a/b/c"
    assert quotas.longest_prefix(b"/ab") is None
    assert quotas.longest_prefix(b"/") is None
    quotas.discard(b"/a/b/c")
    quotas.discard(b"/never")
    assert quotas.longest_prefix(b"/a/b/c/d") == b"/a"
    assert quotas.paths() == [b"/a"]
    quotas.clear()
    assert not quotas
