"""How long writes stand still while leadership is transferred, and a follower leaves or joins.

    python -m bench.planned [--rounds 20] [--changes transfer,leave,join] [--json FILE]
                            [--kind ours] [--ours ".venv/bin/zoo serve {config}"]

Three servers, one client for each, as in bench.failover: one setData in flight, a new session when
the connection breaks. The pause is the longest gap between two acknowledged writes, over all
clients together, from the beginning of a change until a while after it; `nothing` is the same for a
time in which nothing happens, so it says what the machine itself makes of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import zoo
from bench.failover import PATH, Writer
from bench.servers import KINDS, OURS, Cluster, Server, median, require, table
from tests.interop.session import Session
from zoo.client.errors import ClientError
from zoo.config_ensemble import parse_ensemble_text

CHANGES = ("nothing", "transfer", "leave", "join")
_BEFORE_S, _AFTER_S = 0.5, 0.5
_SETTINGS = {"reconfigEnabled": "true", "skipACL": "yes"}


def pause(cluster: Cluster, change: Callable[[], None]) -> float:
    """Milliseconds without an acknowledged write around one change."""
    writers = [Writer(server) for server in cluster.servers]
    for writer in writers:
        writer.start()
    time.sleep(_BEFORE_S)
    began = time.monotonic()
    change()
    time.sleep(_AFTER_S)
    for writer in writers:
        writer.over.set()
    for writer in writers:
        writer.join(20)
    moments = sorted(moment for writer in writers for moment in writer.acknowledged)
    gaps = [after - before for before, after in pairwise(moments) if after > began]
    return max(gaps) * 1000 if gaps else float("inf")


class Operator:
    """Makes the changes, as a client of the leader."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._turn = 0

    def _followers(self, leader: Server) -> list[int]:
        return [sid for sid, each in enumerate(self._cluster.servers, 1) if each is not leader]

    def nothing(self) -> float:
        return pause(self._cluster, lambda: None)

    def transfer(self) -> float:
        leader = self._cluster.leader()
        self._turn += 1
        target = self._followers(leader)[self._turn % 2]
        with zoo.Client(f"127.0.0.1:{leader.port}") as client:

            def change() -> None:
                done = client.transfer_leader(target)
                assert done.reason is None, done.reason

            return pause(self._cluster, change)

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
                return pause(self._cluster, join)
            measured = pause(self._cluster, leave)
            join()
            time.sleep(_AFTER_S)
            return measured


def measure(kind: str, ours: str, changes: list[str], rounds: int) -> dict[str, list[float]]:
    cluster = Cluster(kind, ours, 3, **_SETTINGS)
    try:
        cluster.start()
        session = Session(cluster.servers[0].port, timeout_ms=10_000)
        session.create(PATH)
        session.link.close()
        operator = Operator(cluster)
        return {name: [getattr(operator, name)() for _ in range(rounds)] for name in changes}
    finally:
        cluster.remove()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.planned",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ours", default=OURS, help="command of our server")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--changes", default=",".join(CHANGES))
    parser.add_argument("--kind", default="ours", choices=KINDS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    changes = options.changes.split(",")
    if unknown := set(changes) - set(CHANGES):
        parser.error(f"no such change: {', '.join(sorted(unknown))}")
    if options.kind == "zookeeper":
        require("java")
        changes = [name for name in changes if name != "transfer"]  # it has none
    pauses = measure(options.kind, options.ours, changes, options.rounds)
    head = ("change", "rounds", "median ms", "shortest ms", "longest ms")
    rows = [
        [name, len(ms), f"{median(ms):.1f}", f"{min(ms):.1f}", f"{max(ms):.1f}"]
        for name, ms in pauses.items()
    ]
    print(table(head, rows))
    if options.json:
        options.json.write_text(json.dumps(pauses, indent=1) + "\n")
    return int(any(ms == float("inf") for all_ms in pauses.values() for ms in all_ms))


if __name__ == "__main__":
    sys.exit(main())
