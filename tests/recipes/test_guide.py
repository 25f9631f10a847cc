"""What the user guide shows of the recipes runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs/USER_GUIDE.md"
SAID = {
    "## Locks, queues, leases, settings": {
        "lock": r"written by the holder of token [1-9]",
        "work": "0 left",
        "settings": r"3 ann back to revision 1 .*\n2 ann quiet .*\n1 ann busy .*\nLimits\(.*200",
        "lease": "ours for 30 s, token True",
    },
    "## Services, partitions, transactions": {
        "registry": r"127.0.0.1 8080\n",
        "partitioner": r"\[.*\] \{",
        "two-phase": r".*committed=True.*\n.*sold out",
    },
}


def snippets(title: str) -> list[str]:
    section = GUIDE.read_text("utf-8").partition(title)[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("snippet", "said"),
    [
        pytest.param(snippet, said, id=name)
        for title, names in SAID.items()
        for snippet, (name, said) in zip(snippets(title), names.items(), strict=True)
    ],
)
def test_a_snippet_runs(
    snippet: str, said: str, hosts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = compile(snippet.replace("127.0.0.1:2181", hosts), str(GUIDE), "exec", dont_inherit=True)
    exec(code, {"__name__": "guide"})
    assert re.search(said, capsys.readouterr().out)
