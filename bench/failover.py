"""How long writes stand still when the leader is killed: Zoo beside Apache ZooKeeper 3.9.5.

    python -m bench.failover [--kills 20] [--kinds ours,zookeeper] [--json FILE]
                             [--ours ".venv/bin/zoo serve {config}"]

Three servers, one client for each. A client keeps one setData in flight and, when its connection
breaks, connects again at once with a new session. The leader is killed with SIGKILL; the outage is
the longest gap between two acknowledged writes, over all clients together, from the kill on. Then
the dead server is started again and the next round begins once three serve.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

from bench.servers import KINDS, OURS, Cluster, Server, median, require, table
from tests.interop import session as s
from tests.interop.raw_client import LinkClosed, Silence
from tests.interop.session import Session

PATH = b"/failover"
_BEFORE_S, _AFTER_S = 1.0, 5.0


class Writer(threading.Thread):
    """One setData after the other to one server, and the moments at which they were answered."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.port = server.port
        self.acknowledged: list[float] = []
        self.over = threading.Event()

    def run(self) -> None:
        request = (s.SET_DATA, s.set_body(PATH, b"x"))
        while not self.over.is_set():
            with contextlib.suppress(OSError, LinkClosed, Silence, AssertionError):
                session = Session(self.port, timeout_ms=10_000)
                while not self.over.is_set():
                    session.send_all([request])
                    if session.receive().error == 0:
                        self.acknowledged.append(time.monotonic())
                    self.over.wait(0.0005)
            self.over.wait(0.002)


def one_kill(cluster: Cluster) -> float:
    """Milliseconds without an acknowledged write around one kill of the leader."""
    leader = cluster.leader()
    survivors = [server for server in cluster.servers if server is not leader]
    writers = [Writer(server) for server in survivors]
    for writer in writers:
        writer.start()
    time.sleep(_BEFORE_S)
    killed = time.monotonic()
    leader.stop(signal.SIGKILL)
    time.sleep(_AFTER_S)
    for writer in writers:
        writer.over.set()
    for writer in writers:
        writer.join(20)
    moments = sorted(moment for writer in writers for moment in writer.acknowledged)
    gaps = [after - before for before, after in pairwise(moments) if after > killed]
    leader.start()
    return max(gaps) * 1000 if gaps else float("inf")


def measure(kind: str, ours: str, kills: int) -> list[float]:
    cluster = Cluster(kind, ours, 3)
    try:
        cluster.start()
        session = Session(cluster.servers[0].port, timeout_ms=10_000)
        session.create(PATH)
        session.link.close()
        return [one_kill(cluster) for _ in range(kills)]
    finally:
        cluster.remove()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.failover",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ours", default=OURS, help="command of our server")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    if "zookeeper" in kinds:
        require("java")
    outages = {kind: measure(kind, options.ours, options.kills) for kind in kinds}
    head = ("servers", "kills", "median ms", "shortest ms", "longest ms")
    rows = [
        [kind, len(ms), f"{median(ms):.0f}", f"{min(ms):.0f}", f"{max(ms):.0f}"]
        for kind, ms in outages.items()
    ]
    print(table(head, rows))
    if options.json:
        options.json.write_text(json.dumps(outages, indent=1) + "\n")
    return int(any(ms == float("inf") for all_ms in outages.values() for ms in all_ms))


if __name__ == "__main__":
    sys.exit(main())
