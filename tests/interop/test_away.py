"""Members that were away for a while: real processes, and how long it takes them to be back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.interop import session as s
from tests.interop.ensemble import Ensemble
from tests.interop.harness import wait_until
from tests.interop.session import Session

pytestmark = pytest.mark.interop

MISSED, RUN = 10_000, 500
PATH = b"/away"


def test_a_follower_that_missed_ten_thousand_writes_is_back_through_diff(tmp_path: Path) -> None:
    with Ensemble.running(tmp_path, ["zoo"] * 3) as ensemble:
        leader = ensemble.leader()
        away = next(sid for sid in ensemble.members if sid != leader)
        writer = Session(ensemble[leader].port)
        writer.create(PATH, b"0")
        ensemble[away].stop()
        for first in range(0, MISSED, RUN):
            values = [b"%d" % number for number in range(first + 1, first + RUN + 1)]
            writer.send_all([(s.SET_DATA, s.set_body(PATH, value)) for value in values])
            assert all(writer.receive().error == 0 for _ in values)

        began = time.monotonic()
        ensemble[away].launch()

        def is_back() -> bool:
            zxids = ensemble.zxids() if ensemble.mode(away) == "follower" else {}
            return bool(zxids) and zxids[away] == zxids[leader]

        wait_until(is_back, 60.0, "the follower has all again")
        took = time.monotonic() - began
        back = Session(ensemble[away].port)
        data, stat = back.get(PATH)
        assert data == b"%d" % MISSED
        assert stat.version == MISSED
        back.close()
        writer.close()
        who = f"follower {away}"
        told = [line for line in ensemble[leader].log().splitlines() if who in line]
        ways = [line for line in told if " DIFF for " in line or " SNAP for " in line]
        assert " DIFF for " in ways[-1], ways
        print(f"back in {took:.2f} s from its start on: {told[-1]}")
