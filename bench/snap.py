"""What the leader's clients wait while a follower with an empty disk is sent the whole state.

    python -m bench.snap [--znodes 1000000] [--rounds 1] [--bytes 100] [--json FILE]
                         [--nice 0] [--kind ours] [--ours ".venv/bin/zoo serve {config}"]

Three servers with that many znodes. One reader and one writer on the leader, each with one request
in flight and a pause of 1 ms after each reply. In each round a follower is stopped, loses its data
and is started: from then until a session opens on it, by SNAP, is what `SNAP` measures. The rows
before it say what the machine makes of as many seconds in which nothing happens (`nothing`), and in
which a process that has nothing to do with the servers computes, as the follower does then (`a busy
process`). With `--nice 19` the follower has only what the others leave of the cores, as if it had a
machine of its own; with TMPDIR=/dev/shm in the environment no server waits for another's disk. A
follower with an empty disk is sent a snapshot when there were more than 100,000 transactions, or
32 MiB of them.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.fill import fill
from bench.pauses import parser_of
from bench.scale import Snapshots
from bench.servers import KINDS, Cluster, Server, opens_session, require, table
from bench.waits import Prober, longest_ms
from tests.interop.harness import wait_until

_PAUSE_S = 0.001
_SAMPLE_S = 0.05
_PATIENCE_S = 300.0
MEGABYTE = 1 << 20


class Row(NamedTuple):
    """What the two clients saw in some seconds; the memory is the leader's, at its most."""

    what: str
    seconds: float
    reads: int
    read_ms: float
    writes: int
    write_ms: float
    resident_mb: float


def observed(what: str, leader: Server, znodes: int, size: int, go_on: Callable[[], bool]) -> Row:
    """The longest waits until `go_on` says no more."""
    reader = Prober(leader.port, znodes, pause_s=_PAUSE_S)
    writer = Prober(leader.port, znodes, writes=True, pause_s=_PAUSE_S, size=size)
    began, resident = time.monotonic(), 0
    while go_on():
        resident = max(resident, leader.resident_bytes())
        time.sleep(_SAMPLE_S)
    seconds = time.monotonic() - began
    reads, writes = reader.stop(), writer.stop()
    longest = (longest_ms(reads), longest_ms(writes))
    megabytes = round(resident / MEGABYTE)
    row = Row(what, round(seconds, 2), len(reads), longest[0], len(writes), longest[1], megabytes)
    print(*row, file=sys.stderr, flush=True)  # what there is, if the rest fails
    return row


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    process = multiprocessing.Process(target=_compute, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _compute() -> None:
    number = 0
    while True:
        number += 1


def empty(server: Server) -> None:
    """Stop the server; of its data only its number stays."""
    server.stop()
    shutil.rmtree(server.data / "version-2")


def make_nice(pid: int, nice: int) -> None:
    """Also where Linux weighs whole sessions against each other, as it does by default."""
    os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(f"{nice}\n")


def settle(cluster: Cluster) -> None:
    """Until nobody writes a snapshot of its own."""

    def is_quiet() -> bool:
        return not any(Snapshots.unfinished(server.data) for server in cluster.servers)

    wait_until(is_quiet, _PATIENCE_S, "no snapshot is being written")
    time.sleep(1.0)


def sent_whole(cluster: Cluster, leader: Server, znodes: int, size: int, nice: int) -> Row:
    """A follower comes back with an empty disk."""
    follower = next(server for server in cluster.servers if server is not leader)
    empty(follower)
    follower.launch()
    make_nice(follower.pid, nice)
    end = time.monotonic() + _PATIENCE_S

    def is_coming() -> bool:
        assert time.monotonic() < end, "the follower does not come back"
        return not opens_session(follower.port)

    row = observed("SNAP", leader, znodes, size, is_coming)
    if leader.kind == "ours" and " SNAP for " not in (leader.directory / "log").read_text():
        sys.exit("bench: the follower came back without a snapshot: too few znodes, too small")
    return row


def measure(kind: str, ours: str, znodes: int, size: int, rounds: int, nice: int) -> list[Row]:
    cluster = Cluster(kind, ours, 3)
    rows: list[Row] = []
    try:
        leader = cluster.start().leader()
        if fill(leader.port, znodes, size)["errors"]:
            sys.exit(f"bench: creates failed on {kind}")
        for _ in range(rounds):
            settle(cluster)
            snap = sent_whole(cluster, leader, znodes, size, nice)
            settle(cluster)
            seconds = snap.seconds
            rows.append(observed("nothing", leader, znodes, size, for_seconds(seconds)))
            with busy_process():
                row = observed("a busy process", leader, znodes, size, for_seconds(seconds))
            rows += [row, snap]
    finally:
        cluster.remove()
    return rows


HEAD = ("what", "s", "reads", "longest ms", "writes", "longest ms", "leader's memory, MB")


def main() -> int:
    parser = parser_of("python -m bench.snap", __doc__)
    parser.add_argument("--znodes", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=100, help="of each znode")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0, help="of the follower that comes back")
    parser.add_argument("--kind", default="ours", choices=KINDS)
    options = parser.parse_args()
    if options.kind == "zookeeper":
        require("java")
    rows = measure(
        options.kind, options.ours, options.znodes, options.bytes, options.rounds, options.nice
    )
    print(f"{options.znodes:,} znodes of {options.bytes} bytes")
    print(table(HEAD, rows))
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
