"""Throughput of Zoo beside Apache ZooKeeper 3.9.5, in alternating rounds of one run.

    python -m bench.compare [--mode standalone|ensemble] [--rounds 3] [--seconds 3]
                            [--cells get16,set100] [--json FILE]
                            [--ours ".venv/bin/zoo serve {config}"]

One server is held against one, or in mode `ensemble` three against three, the connections spread
over them. Both get the same zoo.cfg but for ports and dataDir, and are up all the time. Every cell
is run by zkload against the one, then the other, round after round, so that a drift of the machine
hits both. What is printed is the median over the rounds, their ratio (above 1: Zoo is ahead) and,
for getData, what the `limit` server reaches, which answers without doing any work.

`errors` counts replies with an error code from Zoo; it must be 0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.servers import KINDS, OURS, Cluster, build, median, require, session_up, table
from tests.interop.harness import free_port

# name: zkload's arguments. getN: N connections with one request in flight; NxM: M in flight each.
CELLS = {
    "get1": "-o get -c 1 -d 1",
    "get16": "-o get -c 16 -d 1",
    "get100": "-o get -c 100 -d 1",
    "get16x32": "-o get -c 16 -d 32",
    "exists16x32": "-o exists -c 16 -d 32",
    "set1": "-o set -c 1 -d 1",
    "set16": "-o set -c 16 -d 1",
    "set100": "-o set -c 100 -d 1",
    "set16x32": "-o set -c 16 -d 32",
    "create16x8": "-o create -c 16 -d 8",
    "mix32x8": "-o mix -w 10 -c 32 -d 8",
}
ENSEMBLE = "get16,get16x32,set1,set16,set100,set16x32,create16x8,mix32x8"
HEAD = ("cell", "Zoo ops/s", "ZooKeeper ops/s", "ratio", "Zoo p99 ms", "ZooKeeper p99 ms")
Result = dict[str, Any]


class Load:
    """Runs zkload; a run that fails counts as 0 operations and says why on stderr."""

    def __init__(self, seconds: float, size: int) -> None:
        self._command = [build("zkload"), "-t", str(seconds), "-s", str(size)]
        self._limit_s = seconds * 2 + 60

    def run(self, hosts: str, cell: str, who: str) -> Result:
        command = [*self._command, "-h", hosts, *CELLS[cell].split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=self._limit_s)
        if done.returncode:
            print(f"{cell} {who}: {done.stderr.strip()[-200:]}", file=sys.stderr)
            return {"ops_s": 0, "failed": 1}
        result: Result = json.loads(done.stdout)
        return result


@contextlib.contextmanager
def limit_server() -> Iterator[int]:
    """The port of the server that does nothing."""
    port = free_port()
    process = subprocess.Popen([build("limit"), str(port)])
    try:
        session_up(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


def measure(options: argparse.Namespace, cells: list[str]) -> dict[str, dict[str, list[Result]]]:
    """cell -> kind -> one result per round."""
    load = Load(options.seconds, options.size)
    results: dict[str, dict[str, list[Result]]] = {
        cell: {kind: [] for kind in KINDS} for cell in cells
    }
    clusters: list[Cluster] = []
    size = 3 if options.mode == "ensemble" else 1
    try:
        for kind in KINDS:
            clusters.append(Cluster(kind, options.ours, size))
            clusters[-1].start()
        for cell in cells:  # warm both up
            for cluster in clusters:
                load.run(cluster.hosts, cell, cluster.kind)
        for number in range(options.rounds):
            for cell in cells:
                for cluster in clusters[:: 1 if number % 2 else -1]:
                    result = load.run(cluster.hosts, cell, cluster.kind)
                    results[cell][cluster.kind].append(result)
    finally:
        for cluster in clusters:
            cluster.remove()
    return results


def measure_limit(options: argparse.Namespace, cells: list[str]) -> dict[str, float]:
    load = Load(options.seconds, options.size)
    reads = [cell for cell in cells if cell.startswith("get")]
    if not reads:
        return {}
    with limit_server() as port:
        return {cell: load.run(f"127.0.0.1:{port}", cell, "limit")["ops_s"] for cell in reads}


def summary(cell: str, results: dict[str, list[Result]], limit: float | None) -> Result:
    late = "w_p99_ms" if cell.startswith(("set", "create")) else "r_p99_ms"

    def of(kind: str, key: str) -> float:
        return median([result.get(key, 0) for result in results[kind]])

    ours, theirs = of("ours", "ops_s"), of("zookeeper", "ops_s")
    return {
        "ours": ours,
        "zookeeper": theirs,
        "ratio": round(ours / theirs, 2) if theirs else None,
        "ours_p99_ms": of("ours", late),
        "zookeeper_p99_ms": of("zookeeper", late),
        "limit": limit,
        "errors": sum(result.get("errors", 0) for result in results["ours"]),
        "failed": sum(r.get("failed", 0) for kind in KINDS for r in results[kind]),
    }


def rows(summaries: dict[str, Result]) -> list[list[object]]:
    return [
        [
            cell,
            f"{s['ours']:,.0f}",
            f"{s['zookeeper']:,.0f}",
            s["ratio"],
            f"{s['ours_p99_ms']:.2f}",
            f"{s['zookeeper_p99_ms']:.2f}",
            "" if s["limit"] is None else f"{s['limit']:,.0f}",
            s["errors"],
        ]
        for cell, s in summaries.items()
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ours", default=OURS, help="command of our server")
    parser.add_argument("--mode", choices=("standalone", "ensemble"), default="standalone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="per cell, server and round")
    parser.add_argument("--size", type=int, default=100, help="bytes of data in a znode")
    parser.add_argument("--cells", default="", help="default: all of the mode")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.cells:
        options.cells = ENSEMBLE if options.mode == "ensemble" else ",".join(CELLS)
    unknown = set(options.cells.split(",")) - CELLS.keys()
    if unknown:
        parser.error(f"no such cell: {', '.join(sorted(unknown))}; known: {', '.join(CELLS)}")
    return options


def main() -> int:
    options = arguments()
    require("cc", "java")
    cells: list[str] = options.cells.split(",")
    results = measure(options, cells)
    limits = measure_limit(options, cells)
    summaries = {cell: summary(cell, results[cell], limits.get(cell)) for cell in cells}
    print(table([*HEAD, "limit ops/s", "errors"], rows(summaries)))
    if options.json:
        options.json.write_text(json.dumps(summaries, indent=1) + "\n")
    return int(any(s["errors"] or s["failed"] for s in summaries.values()))


if __name__ == "__main__":
    sys.exit(main())
