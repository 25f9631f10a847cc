"""A large tree: what a znode costs, how long a restart takes, how long a snapshot makes one wait.

    python -m bench.scale [--znodes 1000000] [--rounds 3] [--json FILE]
                          [--ours ".venv/bin/zoo serve {config}"]

1. Each server is filled with znodes of 100 bytes under 1,000 parents; resident memory above that of
   the same server when it was empty, by the number of znodes. (For the Java server that is the
   process with its heap, limited by -Xmx2g, garbage included.)
2. Both servers are started on copies of the very same files, those that Zoo has left behind after
   SIGTERM, in alternating rounds: seconds from exec until a session opens. The files lie in the
   page cache.
3. Both go on serving on these files with snapCount=10000. One client keeps one getData at a time in
   flight, a second writes in small batches until a new snapshot has been written: longest wait
   of the first client while the file grows, and, for comparison, in the seconds before.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.fill import SET_DATA, Client, fill, node, set_body
from bench.servers import KINDS, OURS, Server, median, require, table
from bench.waits import Prober, longest_ms

SNAP_COUNT = 10_000
WRITE_BATCH = 50
WRITE_PAUSE_S = 0.02
QUIET_S = 0.5  # a file that has not grown for so long is complete
CALM_S = 2.0  # measured before the snapshot, for comparison
PATIENCE_S = 180.0


class Snapshots:
    """Sees on the disk when the server begins and ends a new snapshot, whatever names it uses."""

    def __init__(self, data: Path) -> None:
        self._directory = data / "version-2"
        self._before = set(self._names())
        self.began = 0.0
        self.ended = 0.0
        self._sizes: dict[str, int] = {}

    def _names(self) -> list[str]:
        return [path.name for path in self._directory.iterdir() if "snapshot." in path.name]

    @staticmethod
    def unfinished(data: Path) -> bool:
        """Is one being written that began before anybody looked? (Under its temporary name.)"""
        names = [path.name for path in (data / "version-2").iterdir()]
        return any("snapshot." in name and not name.startswith("snapshot.") for name in names)

    def look(self) -> bool:
        """True once a new snapshot is complete: it has its name and has stopped growing."""
        now = time.monotonic()
        sizes: dict[str, int] = {}
        for name in set(self._names()) - self._before:
            path = self._directory / name
            if path.exists():  # an unfinished one may be renamed meanwhile
                sizes[name] = path.stat().st_size
        if sizes and not self.began:
            self.began = now
        if sizes != self._sizes:
            self._sizes, self.ended = sizes, now
        done = any(name.startswith("snapshot.") for name in sizes)
        return done and now - self.ended > QUIET_S


def write_until(port: int, znodes: int, is_over: Callable[[], bool]) -> None:
    """setData in small batches with pauses: a load that the server could carry for ever."""
    client = Client(port)
    number = 0
    end = time.monotonic() + PATIENCE_S
    while not is_over() and time.monotonic() < end:
        bodies = [set_body(node((number + i) % znodes), b"y" * 100) for i in range(WRITE_BATCH)]
        number += WRITE_BATCH
        client.errors(SET_DATA, bodies)
        time.sleep(WRITE_PAUSE_S)
    client.close()


def snapshot_waits(server: Server, znodes: int) -> dict[str, float]:
    """Longest wait in ms with and without a snapshot under way, and the snapshot's seconds."""
    reader = Prober(server.port, znodes)
    began = time.monotonic()
    while Snapshots.unfinished(server.data):  # a restart with much to replay begins one at once
        assert time.monotonic() - began < PATIENCE_S, "a snapshot does not end"
        time.sleep(0.1)
    snapshots = Snapshots(server.data)
    write_until(server.port, znodes, snapshots.look)
    waits = reader.stop()
    if not snapshots.began:
        sys.exit(f"bench: {server.kind} took no snapshot within {PATIENCE_S:g} s")
    calm_from = max(began, snapshots.began - CALM_S)
    return {
        "wait_snapshot_ms": longest_ms(waits, snapshots.began - 0.1, snapshots.ended),
        "wait_before_ms": longest_ms(waits, calm_from, snapshots.began - 0.1),
        "snapshot_s": round(snapshots.ended - snapshots.began, 2),
    }


def fill_and_weigh(server: Server, znodes: int) -> dict[str, float]:
    server.start()
    empty = server.resident_bytes()
    filled = fill(server.port, znodes)
    if filled["errors"]:
        sys.exit(f"bench: {filled['errors']} creates failed on {server.kind}")
    return {
        "creates_s": filled["creates_s"],
        "bytes_per_znode": round((server.resident_bytes() - empty) / znodes),
    }


def give_files(source: Path, server: Server) -> None:
    """Replace the server's data by a copy of what another one has left behind."""
    shutil.rmtree(server.data)
    # Another server's lock file means nothing, but holds a pid.
    shutil.copytree(source, server.data, ignore=shutil.ignore_patterns("zoo.lock"))


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    servers: list[Server] = []
    znodes = options.znodes
    try:
        for kind in KINDS:
            servers.append(server := Server(kind, options.ours))
            results[kind] |= fill_and_weigh(server, znodes)
            server.stop()
        source = servers[0].directory / "files"
        shutil.move(servers[0].data, source)
        servers[0].data.mkdir()
        starts: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for number in range(options.rounds):
            for server in servers[:: 1 if number % 2 else -1]:
                give_files(source, server)
                starts[server.kind].append(server.start())
                server.stop()
        for server in servers:
            results[server.kind]["restart_s"] = round(median(starts[server.kind]), 2)
            give_files(source, server)
            server.start(snapCount=SNAP_COUNT)
            results[server.kind] |= snapshot_waits(server, znodes)
            server.stop()
    finally:
        for server in servers:
            server.remove()
    return results


ROWS = {
    "bytes_per_znode": "resident bytes per znode",
    "creates_s": "creates per second while filling",
    "restart_s": "restart on the same files until a session opens, s",
    "snapshot_s": "writing one snapshot, s",
    "wait_snapshot_ms": "longest wait of a client during the snapshot, ms",
    "wait_before_ms": "longest wait in the seconds before it, ms",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ours", default=OURS, help="command of our server")
    parser.add_argument("--znodes", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="restarts of each server")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    require("java")
    results = measure(options)
    lines = [[what, *(results[kind][key] for kind in KINDS)] for key, what in ROWS.items()]
    print(table((f"{options.znodes:,} znodes of 100 bytes", "Zoo", "ZooKeeper"), lines))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
