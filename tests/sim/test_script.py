"""The protocol's known stories, told in full by text scripts (tests/sim/scripts).

After a change that is meant, write them anew and read the difference:

    ZOO_REWRITE_SCRIPTS=1 .venv/bin/pytest tests/sim/test_script.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.sim.checking import Violation
from zoo.sim.script import Script, play
from zoo.zab.leader import Leader

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))
# What each story is there to show.
SHOWS = {
    "start_of_three": "s3 leads in epoch 1 from 0x0 on",
    "late_joiner": "-> s3 DIFF 0x100000002",
    "leader_change": "s2 leads in epoch 2 from 0x100000002 on",
    "diff": "-> s1 DIFF 0x100000003",
    "snap": "-> s1 SNAP 0x200000001",
    "trunc": " TRUNC 0x100000001",
    "uncommitted_tail": "s2 -> s3 TRUNC 0x100000001",
    "tail_that_is_kept": "s2 leads in epoch 2 from 0x100000002 on",
    "observer": "s3 -> s4 INFORM 0x100000002",
    "withheld_snapshot": "s2 -> s3 SNAP 0x100000003",
    "transfer": "s1 leads in epoch 2 from 0x100000003 on",
    "reconfig_join": "s4 is following and serves: applied 0x100000002, log 0x100000002, "
    "epochs 1 1, voters (1, 2, 3, 4)",
    "reconfig_replace": "s4 is following and serves: applied 0x200000002, log 0x200000002, "
    "epochs 2 2, voters (1, 2, 4)",
    "reconfig_leader_leaves": "s2 leads in epoch 2 from 0x100000001 on",
    "reconfig_designated": "s3 is following and serves: applied 0x100000001",
    "reconfig_no_quorum": "s3 is leading and serves: applied 0x100000002, log 0x100000002, "
    "epochs 1 1, voters (1, 2, 3)",
    "reconfig_interrupted_before": "log 0x100000001, epochs 1 1, voters (1, 2, 3) or (2, 3)",
    "reconfig_interrupted_after": "epochs 2 2, voters (2, 3)",
    "reconfig_comes_back": "s1 is following and serves: applied 0x100000001, log 0x100000001, "
    "epochs 1 1, voters (2, 3)",
    "reconfig_two_in_one_sync": "voters (1, 2, 3) or (1, 2, 3, 4)",
}


def test_all_stories_are_there() -> None:
    assert {path.stem for path in SCRIPTS} == SHOWS.keys()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    told = path.read_text("utf-8")
    played = play(told)
    if os.environ.get("ZOO_REWRITE_SCRIPTS"):
        path.write_text(played, "utf-8")
        told = played
    assert played == told
    assert SHOWS[path.stem] in played


def test_the_withheld_snapshot_is_withheld_with_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent at once it takes from a server's disk what only that one and the leader have."""
    monkeypatch.setattr(Leader, "wants_snapshot", lambda self, h: self._snapshots.wants(h))
    story = next(path for path in SCRIPTS if path.stem == "withheld_snapshot")
    with pytest.raises(Violation, match="Durable: s3 drops 0x100000003"):
        play(story.read_text("utf-8"))


def test_playing_is_idempotent() -> None:
    text = SCRIPTS[0].read_text("utf-8")
    assert play(play(text)) == play(text)


def test_what_is_wrong_with_a_script_is_said() -> None:
    script = Script()
    with pytest.raises(ValueError, match="no command 'fly'"):
        script.command("fly 1")
    script.command("members 1")
    with pytest.raises(ValueError, match="invalid literal"):
        script.command("run for ever")
