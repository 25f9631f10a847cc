from __future__ import annotations

from zoo.zab.ready import Ready


def test_a_ready_names_its_range() -> None:
    ready = Ready([b"a", b"b"], 4, 5, roll=True)
    assert ready.last_zxid - ready.first_zxid + 1 == len(ready.entries)
    assert ready.roll
