"""How long writes stand still around a change: what bench.failover and bench.planned share."""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from bench.servers import OURS, Cluster, Server, median, table
from tests.interop import session as s
from tests.interop.raw_client import LinkClosed, Silence
from tests.interop.session import Session

PATH = b"/failover"
_JOIN_S = 20


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


def pause(
    servers: Sequence[Server], change: Callable[[], object], before_s: float, after_s: float
) -> float:
    """Milliseconds without an acknowledged write around one change, over clients of all servers."""
    writers = [Writer(server) for server in servers]
    for writer in writers:
        writer.start()
    time.sleep(before_s)
    began = time.monotonic()
    change()
    time.sleep(after_s)
    for writer in writers:
        writer.over.set()
    for writer in writers:
        writer.join(_JOIN_S)
    moments = sorted(moment for writer in writers for moment in writer.acknowledged)
    gaps = [after - before for before, after in pairwise(moments) if after > began]
    return max(gaps) * 1000 if gaps else float("inf")


@contextlib.contextmanager
def cluster_of_three(kind: str, ours: str, **settings: object) -> Iterator[Cluster]:
    """Three servers that run, with the znode that is written."""
    cluster = Cluster(kind, ours, 3, **settings)
    try:
        cluster.start()
        session = Session(cluster.servers[0].port, timeout_ms=10_000)
        session.create(PATH)
        session.link.close()
        yield cluster
    finally:
        cluster.remove()


def parser_of(prog: str, doc: str | None) -> argparse.ArgumentParser:
    """With the options that both have."""
    parser = argparse.ArgumentParser(
        prog=prog, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", default=OURS, help="command of our server")
    parser.add_argument("--json", type=Path)
    return parser


def report(
    what: str, times: str, pauses: Mapping[str, list[float]], decimals: int, file: Path | None
) -> int:
    """Print and keep the pauses (ms); the exit code: 1 if writes did not come back after one."""
    rows = [
        [name, len(ms), *(f"{of(ms):.{decimals}f}" for of in (median, min, max))]
        for name, ms in pauses.items()
    ]
    print(table((what, times, "median ms", "shortest ms", "longest ms"), rows))
    if file:
        file.write_text(json.dumps(pauses, indent=1) + "\n")
    return int(any(ms == float("inf") for all_ms in pauses.values() for ms in all_ms))
