"""Many znodes, many sessions, many watchers: memory, stalls, restart; prints a table.

    python -m tests.interop.test_scale [--server zoo|java|both] [--znodes 1000000]
                                       [--sessions 10000] [--json FILE]

The CI slice runs the same code small, to keep it working; it measures nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import resource
import selectors
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.interop import harness, raw_client
from tests.interop import session as s
from tests.interop.harness import Server, wait_out
from tests.interop.raw_client import INT, framed, header
from tests.interop.session import Session

pytestmark = pytest.mark.interop

PARENTS = 1000
PATIENCE_MS = 600_000  # nobody pings for the idle sessions
MEGABYTE = 1 << 20
Row = dict[str, float]


class Probe:
    """A client in a process of its own that reads and writes without pause.

    After the block: the longest it waited for a read and for a write, in ms.
    """

    def __init__(self, port: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_probe, args=(port, theirs), daemon=True)
        self.get_ms = self.set_ms = 0.0

    def __enter__(self) -> Probe:
        self._process.start()
        assert self._ours.poll(60), "the probe does not start"
        assert self._ours.recv() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send("stop")
        if self._ours.poll(180):
            self.get_ms, self.set_ms = self._ours.recv()
        else:
            self._process.kill()
        self._process.join(10)
        assert self.get_ms, "the probe hangs"


def _probe(port: int, pipe: Connection) -> None:
    session = Session(port, timeout_ms=60000, wait_s=120)
    path = session.create(b"/probe-", b"", s.SEQUENTIAL)[0]
    get_ms = set_ms = 0.0
    pipe.send("ready")
    while not pipe.poll():
        began = time.perf_counter()
        session.get(path)
        between = time.perf_counter()
        session.set(path, b"x" * 100)
        ended = time.perf_counter()
        get_ms = max(get_ms, (between - began) * 1000)
        set_ms = max(set_ms, (ended - between) * 1000)
    session.close()
    pipe.send((get_ms, set_ms))


def fill(port: int, count: int, size: int = 100, chunk: int = 500) -> Row:
    """`count` znodes of `size` bytes under 1,000 parents, pipelined."""
    session, data = Session(port, timeout_ms=60000, wait_s=120), b"x" * size
    paths = [b"/fill", *(b"/fill/p%04d" % i for i in range(PARENTS))]
    began, longest = time.monotonic(), 0.0
    for start in range(-len(paths), count, chunk):
        if start < 0:
            stop = min(start + chunk, 0)
            wanted = [paths[i + len(paths)] for i in range(start, stop)]
            todo = [(s.CREATE, s.create_body(path)) for path in wanted]
        else:
            todo = [
                (s.CREATE, s.create_body(b"/fill/p%04d/n%08d" % (i % PARENTS, i), data))
                for i in range(start, min(start + chunk, count))
            ]
        sent = time.monotonic()
        session.send_all(todo)
        errors = [reply.error for reply in (session.receive() for _ in todo) if reply.error]
        longest = max(longest, time.monotonic() - sent)
        assert not errors, errors[:5]
    took = time.monotonic() - began
    session.close()
    return {"fill creates/s": count / took, "fill longest burst ms": longest * 1000}


def snapshots(server: Server) -> dict[str, int]:
    """Sizes of the snapshots and of whatever one is being written to, by name."""
    sizes = {}
    for path in server.data.glob("version-2/*"):
        if path.name.startswith("log."):
            continue
        with contextlib.suppress(FileNotFoundError):
            sizes[path.name] = path.stat().st_size
    return sizes


def measure_snapshot(server: Server, deadline: float = 300.0) -> Row:
    """Make the server take a snapshot (its snapCount is small) and watch a client meanwhile."""
    quiet = 1.0
    with Probe(server.port) as before:
        wait_out(2)  # what the probe sees without a snapshot
    known, writer = snapshots(server), Session(server.port, 60000, wait_s=120)
    path = writer.create(b"/trigger-", b"", s.SEQUENTIAL)[0]
    with Probe(server.port) as during:
        end = time.monotonic() + deadline
        while snapshots(server).keys() <= known.keys():
            assert time.monotonic() < end, "no snapshot was begun"
            writer.send_all([(s.SET_DATA, s.set_body(path, b"x"))] * 200)
            assert all(writer.receive().error == 0 for _ in range(200))
        began = changed = time.monotonic()
        seen = snapshots(server)
        while time.monotonic() < changed + quiet:
            assert time.monotonic() < end, "the snapshot does not end"
            wait_out(0.02)
            now = snapshots(server)
            if now != seen:
                seen, changed = now, time.monotonic()
    writer.close()
    return {
        "snapshot s": changed - began,
        "snapshot MB": max(seen.values()) / MEGABYTE,
        "longest get ms, without": before.get_ms,
        "longest set ms, without": before.set_ms,
        "longest get ms, during snapshot": during.get_ms,
        "longest set ms, during snapshot": during.set_ms,
    }


def measure_znodes(server: Server, count: int) -> Row:
    """Fill an empty server, take a snapshot, restart twice (kill -9 before, and clean)."""
    server.settings["snapCount"] = 10_000_000
    server.start(deadline=120)
    empty = server.resident()
    row = fill(server.port, count)
    row["resident MB"] = server.resident() / MEGABYTE
    row["bytes per znode"] = (server.resident() - empty) / count
    server.kill()
    row["restart s, log only"] = restart(server)
    server.stop(deadline=120)
    server.settings["snapCount"] = 50_000  # the probe writes too, and must not cause the next one
    server.start(deadline=300)
    row |= measure_snapshot(server)
    server.stop(deadline=120)
    row["restart s, with snapshot"] = restart(server)
    found = int(server.mntr()["zk_znode_count"])
    assert found > count, found
    row["resident MB, restarted"] = server.resident() / MEGABYTE
    server.stop(deadline=120)
    return row


def restart(server: Server) -> float:
    """Seconds from launch to an open session."""
    began = time.monotonic()
    server.start(deadline=300)
    Session(server.port, wait_s=60).close()
    return time.monotonic() - began


# --- sessions and watchers ---------------------------------------------------------------------


@contextlib.contextmanager
def many_sessions(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Sockets of `count` sessions, opened 200 at a time."""
    greeting = framed(raw_client.connect_request(timeout_ms=PATIENCE_MS))
    with contextlib.ExitStack() as stack:
        links: list[socket.socket] = []
        while len(links) < count:
            batch = []
            for _ in range(min(200, count - len(links))):
                link = socket.create_connection(("127.0.0.1", port), 30)
                stack.callback(link.close)
                link.sendall(greeting)
                batch.append(link)
            for link in batch:
                (size,) = INT.unpack(receive_exactly(link, 4))
                assert raw_client.parse_handshake(receive_exactly(link, size)).session_id
            links += batch
        yield links


def receive_exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = link.recv(size - len(data))
        assert chunk, "the server closed the link"
        data += chunk
    return data


def measure_sessions(server: Server, count: int) -> Row:
    """Idle sessions: time to open, memory each, a client's wait; then all watch one znode."""
    server.settings |= {"globalOutstandingLimit": 100_000, "maxSessionTimeout": PATIENCE_MS}
    server.start()
    empty = server.resident()
    owner = Session(server.port, PATIENCE_MS, wait_s=120)
    owner.create(b"/watched", b"")
    began = time.monotonic()
    with many_sessions(server.port, count) as links:
        row = {"open sessions/s": count / (time.monotonic() - began)}
        row["bytes per session"] = (server.resident() - empty) / count
        with Probe(server.port) as probe:
            wait_out(2)  # idle sessions beside one busy one
        row["longest get ms, idle sessions"] = probe.get_ms
        ask = framed(header(1, s.GET_DATA) + raw_client.buffer(b"/watched") + b"\1")
        for link in links:
            link.sendall(ask)
        for link in links:
            (size,) = INT.unpack(receive_exactly(link, 4))
            (xid, _, error) = raw_client.REPLY_HEADER.unpack_from(receive_exactly(link, size))
            assert (xid, error) == (1, 0)
        row["bytes per session, watching"] = (server.resident() - empty) / count
        assert int(server.mntr()["zk_watch_count"]) == count
        row |= hear_all(owner, links)
    server.stop(deadline=120)
    return row


def hear_all(owner: Session, links: list[socket.socket]) -> Row:
    """Change the watched znode; ms until the writer is answered, and until the last one hears."""
    with selectors.DefaultSelector() as selector:
        for link in links:
            selector.register(link, selectors.EVENT_READ)
        began = time.perf_counter()
        owner.send(s.SET_DATA, s.set_body(b"/watched", b"new"))
        heard, first = 0, 0.0
        while heard < len(links):
            ready = selector.select(60)
            assert ready, f"only {heard} of {len(links)} watchers heard"
            for key, _ in ready:
                link = key.fileobj
                assert isinstance(link, socket.socket)
                assert struct.unpack_from(">i", link.recv(4096), 4)[0] == -1
                selector.unregister(link)
                heard += 1
                first = first or time.perf_counter() - began
        last = time.perf_counter() - began
        assert owner.receive().error == 0
        answered = time.perf_counter() - began
    return {
        "first watcher hears ms": first * 1000,
        "last watcher hears ms": last * 1000,
        "writer answered ms": answered * 1000,
    }


def measure(kind: str, znodes: int, sessions: int, directory: Path) -> Row:
    """All figures of one server."""
    row: Row = {}
    for name in ("znodes", "sessions"):
        (directory / name).mkdir()
        server = Server(kind, directory / name, is_measured=True)
        try:
            if name == "znodes" and znodes:
                row |= measure_znodes(server, znodes)
            elif name == "sessions" and sessions:
                row |= measure_sessions(server, sessions)
        finally:
            server.kill()
            print(json.dumps({kind: row}), file=sys.stderr)  # what there is, if the rest fails
    return row


def allow_many_files() -> None:
    """As many open files as this process may have; the server inherits that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def table(rows: dict[str, Row]) -> str:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"{'':34}" + "".join(f"{kind:>14}" for kind in rows)]
    lines += [
        f"{name:34}" + "".join(f"{row.get(name, float('nan')):14,.1f}" for row in rows.values())
        for name in names
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("kind", ["zoo"])
@pytest.mark.usefixtures("needs_zoo")
def test_a_small_slice(kind: str, tmp_path: Path) -> None:
    row = measure(kind, znodes=5000, sessions=300, directory=tmp_path)
    assert row["bytes per znode"] < 20_000
    assert row["restart s, with snapshot"] < 30
    assert row["longest get ms, during snapshot"] < 2000
    assert row["last watcher hears ms"] < 5000


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.test_scale")
    parser.add_argument("--server", choices=(*harness.KINDS, "both"), default="both")
    parser.add_argument("--znodes", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    allow_many_files()
    rows: dict[str, Row] = {}
    for kind in harness.KINDS if args.server == "both" else (args.server,):
        with tempfile.TemporaryDirectory(prefix="zoo-scale-") as tmp:
            rows[kind] = measure(kind, args.znodes, args.sessions, Path(tmp))
    print(
        f"{args.znodes:,} znodes of 100 bytes; {args.sessions:,} sessions, all watching one znode"
    )
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
