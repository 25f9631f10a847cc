"""What the user guide shows of the recipes runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs/USER_GUIDE.md"
SAID = (r"127.0.0.1 8080\n", r"\[.*\] \{", r".*committed=True.*\n.*sold out")
SECTION = "## Services, partitions, transactions"


def snippets() -> list[str]:
    section = GUIDE.read_text("utf-8").partition(SECTION)[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("snippet", "said"),
    list(zip(snippets(), SAID, strict=True)),
    ids=("registry", "partitioner", "two-phase"),
)
def test_a_snippet_runs(
    snippet: str, said: str, hosts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = compile(snippet.replace("127.0.0.1:2181", hosts), str(GUIDE), "exec", dont_inherit=True)
    exec(code, {"__name__": "guide"})
    assert re.search(said, capsys.readouterr().out)
