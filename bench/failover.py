"""How long writes stand still when the leader is killed: Zoo beside Apache ZooKeeper 3.9.5.

    python -m bench.failover [--kills 20] [--kinds ours,zookeeper] [--json FILE]
                             [--ours ".venv/bin/zoo serve {config}"]

Three servers, one client for each. A client keeps one setData in flight and, when its connection
breaks, connects again at once with a new session. The leader is killed with SIGKILL; the outage is
the longest gap between two acknowledged writes, over all clients together, from the kill on. Then
the dead server is started again and the next round begins once three serve.
"""

from __future__ import annotations

import signal
import sys

from bench.pauses import cluster_of_three, parser_of, pause, report
from bench.servers import KINDS, Cluster, require

_BEFORE_S, _AFTER_S = 1.0, 5.0


def one_kill(cluster: Cluster) -> float:
    """Milliseconds without an acknowledged write around one kill of the leader."""
    leader = cluster.leader()
    survivors = [server for server in cluster.servers if server is not leader]
    outage = pause(survivors, lambda: leader.stop(signal.SIGKILL), _BEFORE_S, _AFTER_S)
    leader.start()
    return outage


def measure(kind: str, ours: str, kills: int) -> list[float]:
    with cluster_of_three(kind, ours) as cluster:
        return [one_kill(cluster) for _ in range(kills)]


def main() -> int:
    parser = parser_of("python -m bench.failover", __doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kinds", default=",".join(KINDS))
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    if "zookeeper" in kinds:
        require("java")
    outages = {kind: measure(kind, options.ours, options.kills) for kind in kinds}
    return report("servers", "kills", outages, 0, options.json)


if __name__ == "__main__":
    sys.exit(main())
