from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.tools.cli import main
from zoo.tools.demo import Progress


def test_no_money_is_lost_when_leaders_die(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["demo", "--kills", "2", "--pause", "0.1", "--dir", str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    assert len(re.findall(r"kill \d: leader \d is gone; outage \d+ ms", result.output)) == 2
    assert "WRONG" not in result.output
    last = re.search(r"(\d+) transfers were acknowledged, (\d+) are in the books", result.output)
    assert last
    assert int(last[1]) > 0


def test_a_silence_is_measured_from_the_kill_on(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    for moment in (1.0, 2.0, 2.1, 2.4, 2.5):
        monkeypatch.setattr("zoo.tools.demo.time.monotonic", lambda moment=moment: moment)
        progress.done()
    assert round(progress.longest_silence(2.05), 3) == 0.3
    assert round(progress.longest_silence(1.5), 3) == 0.5
    assert progress.has_any_after(2.45)
    assert not progress.has_any_after(2.6)
