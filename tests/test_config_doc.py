from __future__ import annotations

from pathlib import Path

from zoo.config_doc import markdown, plain
from zoo.config_keys import KEYS

DOC = Path(__file__).parent.parent / "docs" / "CONFIGURATION.md"


def test_the_page_is_in_step_with_the_table() -> None:
    assert DOC.read_text() == markdown(), "run: zoo config keys --markdown > docs/CONFIGURATION.md"


def test_every_key_has_one_row_on_the_page() -> None:
    page = markdown()
    assert all(page.count(f"\n| `{key.name}` |") == 1 for key in KEYS)


def test_cells_keep_their_columns() -> None:
    rows = [line for line in markdown().split("\n") if line.startswith("| `")]
    columns = {row.replace("\\|", "").count("|") for row in rows}
    assert columns == {3, 5}


def test_differing_defaults_name_zookeepers() -> None:
    assert "| `127.0.0.1` (ZooKeeper: `0.0.0.0`) |" in markdown()


def test_the_plain_list_has_one_line_per_key() -> None:
    lines = plain().splitlines()
    assert [line.split()[0] for line in lines] == [key.name for key in KEYS]
