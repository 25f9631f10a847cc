from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from zoo.tools.cli import main


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
