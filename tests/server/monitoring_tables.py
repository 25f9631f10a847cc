"""The tables of docs/MONITORING.md, made from the code.

python -m tests.server.monitoring_tables     rewrite them in place
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo.server.gauges import GAUGES
from zoo.server.metrics import Counter, PercentileSummary, ServerMetrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "MONITORING.md"
SUMMARY_KEYS = "`avg_` `min_` `max_` `cnt_` `sum_`"
PERCENTILE_KEYS = f"{SUMMARY_KEYS} `p50_` `p95_` `p99_` `p999_`"


def gauges() -> list[str]:
    rows = [f"| `zk_{gauge.name}` | {gauge.help} |" for gauge in GAUGES]
    return ["| key | meaning |", "|---|---|", *rows]


def counters() -> list[str]:
    metrics = (metric for metric in ServerMetrics() if isinstance(metric, Counter))
    rows = [f"| `zk_{metric.name}` | {metric.help} |" for metric in metrics]
    return ["| key | meaning |", "|---|---|", *rows]


def summaries() -> list[str]:
    rows = []
    for metric in ServerMetrics():
        if not isinstance(metric, Counter):
            keys = PERCENTILE_KEYS if isinstance(metric, PercentileSummary) else SUMMARY_KEYS
            rows.append(f"| `{metric.name}` | {keys} | {metric.help} |")
    return ["| name | keys, each after `zk_` | one observation is |", "|---|---|---|", *rows]


TABLES = {"gauges": gauges, "counters": counters, "summaries": summaries}


def render(page: str) -> str:
    """The page with the lines between each pair of markers replaced by the table of that name."""
    for name, table in TABLES.items():
        block = "\n".join(["<!-- table: " + name + " -->", *table(), "<!-- end -->"])
        pattern = f"<!-- table: {name} -->.*?<!-- end -->"
        page, found = re.subn(pattern, lambda _, b=block: b, page, flags=re.DOTALL)
        assert found == 1, f"docs/MONITORING.md has {found} tables called {name}"
    return page


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
