"""How long writes stand still while leadership is transferred, and a follower leaves or joins.

    python -m bench.planned [--rounds 20] [--changes transfer,leave,join] [--json FILE]
                            [--kind ours] [--ours ".venv/bin/zoo serve {config}"]

Three servers, one client for each, as in bench.failover: one setData in flight, a new session when
the connection breaks. The pause is the longest gap between two acknowledged writes, over all
clients together, from the beginning of a change until a while after it; `nothing` is the same for a
time in which nothing happens, so it says what the machine itself makes of it.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

import zoo
from bench.pauses import cluster_of_three, parser_of, pause, report
from bench.servers import KINDS, Cluster, Server, require
from zoo.client.errors import ClientError
from zoo.config_ensemble import parse_ensemble_text

CHANGES = ("nothing", "transfer", "leave", "join")
_BEFORE_S, _AFTER_S = 0.5, 0.5
_SETTINGS = {"reconfigEnabled": "true", "skipACL": "yes"}


def pause_of(cluster: Cluster, change: Callable[[], object]) -> float:
    return pause(cluster.servers, change, _BEFORE_S, _AFTER_S)


class Operator:
    """Makes the changes, as a client of the leader."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._turn = 0

    def _followers(self, leader: Server) -> list[int]:
        return [sid for sid, each in enumerate(self._cluster.servers, 1) if each is not leader]

    def nothing(self) -> float:
        return pause_of(self._cluster, lambda: None)

    def transfer(self) -> float:
        leader = self._cluster.leader()
        self._turn += 1
        target = self._followers(leader)[self._turn % 2]
        with zoo.Client(f"127.0.0.1:{leader.port}") as client:

            def change() -> None:
                done = client.transfer_leader(target)
                assert done.reason is None, done.reason

            return pause_of(self._cluster, change)

    def leave(self) -> float:
        return self._reconfigured(is_joining=False)

    def join(self) -> float:
        return self._reconfigured(is_joining=True)

    def _reconfigured(self, is_joining: bool) -> float:
        """A follower leaves and joins again; the pause of the one or the other."""
        leader = self._cluster.leader()
        self._turn += 1
        sid = self._followers(leader)[self._turn % 2]
        with zoo.Client(f"127.0.0.1:{leader.port}") as client:
            text = client.get_config().data
            (address,) = parse_ensemble_text(text, "the ensemble").servers[sid].addresses
            port = self._cluster.servers[sid - 1].port
            line = (
                f"server.{sid}=127.0.0.1:{address.quorum_port}:{address.election_port}"
                f":participant;127.0.0.1:{port}"
            )

            def leave() -> None:
                client.reconfig(leaving=str(sid))

            def join() -> None:
                end = time.monotonic() + 30.0
                while time.monotonic() < end:
                    with contextlib.suppress(ClientError):
                        client.reconfig(joining=line)
                        return
                    time.sleep(0.05)
                sys.exit(f"bench: server {sid} does not join again")

            if is_joining:
                leave()
                time.sleep(_AFTER_S)
                return pause_of(self._cluster, join)
            measured = pause_of(self._cluster, leave)
            join()
            time.sleep(_AFTER_S)
            return measured


def measure(kind: str, ours: str, changes: list[str], rounds: int) -> dict[str, list[float]]:
    with cluster_of_three(kind, ours, **_SETTINGS) as cluster:
        operator = Operator(cluster)
        return {name: [getattr(operator, name)() for _ in range(rounds)] for name in changes}


def main() -> int:
    parser = parser_of("python -m bench.planned", __doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--changes", default=",".join(CHANGES))
    parser.add_argument("--kind", default="ours", choices=KINDS)
    options = parser.parse_args()
    changes = options.changes.split(",")
    if unknown := set(changes) - set(CHANGES):
        parser.error(f"no such change: {', '.join(sorted(unknown))}")
    if options.kind == "zookeeper":
        require("java")
        changes = [name for name in changes if name != "transfer"]  # it has none
    pauses = measure(options.kind, options.ours, changes, options.rounds)
    return report("change", "rounds", pauses, 1, options.json)


if __name__ == "__main__":
    sys.exit(main())
