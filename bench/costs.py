"""What a write costs an ensemble of three: bytes between the servers, fsyncs. Zoo beside ZooKeeper.

    python -m bench.costs [--seconds 3] [--size 100] [--kinds ours,zookeeper] [--json FILE]
                          [--ours ".venv/bin/zoo serve {config}"]

`zkload` sets znodes: one client with one request in flight, at the leader and at a follower, then
16 clients with 32 each at all servers. Bytes are those that the kernel has sent over connections of
the quorum and election ports (ss of iproute2), headers of TCP and IP not counted; fsyncs are those
of the three transaction logs, as the servers count them; writes are what the zxid has grown by.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.servers import KINDS, OURS, Cluster, Server, build, require, table
from tests.interop import harness

HEAD = ("setData", "servers", "writes/s", "bytes between servers per write", "fsyncs per write")
CELLS = {
    "1 client, at the leader": ("leader", "-c 1 -d 1"),
    "1 client, at a follower": ("follower", "-c 1 -d 1"),
    "16 clients x 32 in flight": ("all", "-c 16 -d 32"),
}
_KEYS = 100  # zkload makes so many znodes first: few beside what is set
_SENT = re.compile(r"bytes_sent:(\d+)")


class Counters(NamedTuple):
    """What has been counted up to a moment."""

    writes: int
    sent: int
    fsyncs: int


class Cost(NamedTuple):
    writes_s: float
    bytes: float
    fsyncs: float


def bytes_sent(ports: set[int]) -> int:
    """By both ends of all TCP connections with one of these ports."""
    listing = subprocess.run(["ss", "-tinH"], capture_output=True, text=True, check=True).stdout
    lines, total = listing.splitlines(), 0
    for where, details in zip(lines[::2], lines[1::2], strict=True):
        ends = {int(end.rpartition(":")[2]) for end in where.split()[3:5]}
        found = _SENT.search(details)
        if found is not None and ends & ports:
            total += int(found[1])
    return total


def fsyncs(server: Server) -> int:
    """Of its transaction log since it started."""
    for line in harness.four_letter(server.port, "mntr").splitlines():
        name, _, value = line.partition("\t")
        if name == "zk_cnt_fsynctime":
            return int(float(value))
    return 0


def counters(cluster: Cluster) -> Counters:
    shown = harness.four_letter(cluster.leader().port, "srvr")
    (zxid,) = re.findall(r"^Zxid: (0x[0-9a-f]+)", shown, re.MULTILINE)
    ports = {port for pair in cluster.peer_ports for port in pair}
    return Counters(int(zxid, 16), bytes_sent(ports), sum(map(fsyncs, cluster.servers)))


def hosts(cluster: Cluster, where: str) -> str:
    if where == "all":
        return cluster.hosts
    leader = cluster.leader()
    others = [server for server in cluster.servers if server is not leader]
    server = leader if where == "leader" else others[0]
    return f"127.0.0.1:{server.port}"


def cost(cluster: Cluster, cell: str, options: argparse.Namespace) -> Cost:
    where, shape = CELLS[cell]
    command = [build("zkload"), "-o", "set", "-k", str(_KEYS), "-s", str(options.size)]
    command += ["-t", str(options.seconds), "-h", hosts(cluster, where), *shape.split()]
    before = counters(cluster)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    time.sleep(0.2)  # the last acknowledgements and commits
    after = counters(cluster)
    writes = after.writes - before.writes
    return Cost(
        json.loads(done.stdout)["writes_s"],
        (after.sent - before.sent) / writes,
        (after.fsyncs - before.fsyncs) / writes,
    )


def measure(options: argparse.Namespace) -> dict[str, dict[str, Cost]]:
    """cell -> kind -> what it costs; each cell once before, to warm the servers up."""
    results: dict[str, dict[str, Cost]] = {cell: {} for cell in CELLS}
    for kind in options.kinds.split(","):
        cluster = Cluster(kind, options.ours, 3, **{"4lw.commands.whitelist": "srvr,mntr"})
        try:
            cluster.start()
            for cell in CELLS:
                cost(cluster, cell, options)
                results[cell][kind] = cost(cluster, cell, options)
        finally:
            cluster.remove()
    return results


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ours", default=OURS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = arguments(sys.argv[1:] if argv is None else argv)
    require("cc", "ss", *(["java"] if "zookeeper" in options.kinds else []))
    results = measure(options)
    names = {"ours": "Zoo", "zookeeper": "ZooKeeper"}
    rows = [
        (cell, names[kind], f"{one.writes_s:,.0f}", f"{one.bytes:,.0f}", f"{one.fsyncs:.2f}")
        for cell, of_kind in results.items()
        for kind, one in of_kind.items()
    ]
    print(table(HEAD, rows))
    if options.json:
        shown = {
            cell: {kind: one._asdict() for kind, one in of_kind.items()}
            for cell, of_kind in results.items()
        }
        options.json.write_text(json.dumps(shown, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
