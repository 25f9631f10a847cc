"""Histories as one tree: sameness, beginnings, cutting."""

from __future__ import annotations

from zoo.sim.prefixes import Prefix, Prefixes


def grown(prefixes: Prefixes, start: Prefix, *zxids: int) -> Prefix:
    for zxid in zxids:
        start = prefixes.after(start, zxid, b"%d" % zxid)
    return start


def test_the_same_history_is_the_same_object() -> None:
    prefixes = Prefixes()
    assert grown(prefixes, prefixes.root, 1, 2) is grown(prefixes, prefixes.root, 1, 2)
    assert grown(prefixes, prefixes.root, 1, 3) is not grown(prefixes, prefixes.root, 2, 3)
    assert len(prefixes) == 6
    assert [prefix.number for prefix in prefixes] == list(range(6))
    assert prefixes.numbered(2).zxid == 2


def test_contains_tells_beginnings_from_branches() -> None:
    prefixes = Prefixes()
    trunk = grown(prefixes, prefixes.root, 1, 2)
    left, right = grown(prefixes, trunk, 3, 4), grown(prefixes, trunk, 5)
    assert left.contains(trunk)
    assert left.contains(left)
    assert not left.contains(right)
    assert not trunk.contains(left)
    assert right.contains(prefixes.root)


def test_what_is_agreed_is_found_without_a_walk() -> None:
    prefixes = Prefixes()
    trunk = grown(prefixes, prefixes.root, 1, 2, 3)
    for prefix in trunk.since(prefixes.root):
        prefix.agreed = True
    tail = grown(prefixes, trunk, 4, 5)
    assert tail.back_to_agreed() is trunk
    assert trunk.contains(prefixes.numbered(1))
    assert [prefix.zxid for prefix in tail.since(trunk)] == [4, 5]


def test_cut_ends_at_or_before_a_zxid() -> None:
    prefixes = Prefixes()
    log = grown(prefixes, prefixes.root, 1, 2, 0x100000001)
    assert log.cut(2).zxid == 2
    assert log.cut(0x100000000).zxid == 2
    assert log.cut(0) is prefixes.root
    assert log.cut(1 << 40) is log
