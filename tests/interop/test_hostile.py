"""Hostile bytes and greedy clients on the client port: the others must not notice.

    python -m tests.interop.test_hostile [--server zoo] [--frames N] [--seed N]     a longer fuzz

During every attack a healthy session reads and writes; afterwards the server must still be the same
process, all of the healthy session's writes must be there, and memory must be bounded.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop import harness, raw_client
from tests.interop import session as s
from tests.interop.harness import (
    Server,
    resident_bytes,
    wait_and_watch_memory,
    wait_out,
    wait_until,
)
from tests.interop.raw_client import INT, LinkClosed, Silence, framed, header
from tests.interop.session import Session

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_zoo")]

MEGABYTE = 1 << 20
SLOWEST_OK = 2.0  # s; a loaded machine with two cores, not a measurement
OPS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22)
MORE_OPS = (-11, -10, -1, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 2**31 - 1, -(2**31))
NASTY_INTS = (-(2**31), -2, -1, 0, 1, 2, 255, 65536, 2**20, 2**24, 2**31 - 1)


class Healthy:
    """A well-behaved session at work in a thread; `slowest` is its longest wait, in seconds."""

    def __init__(self, port: int) -> None:
        self.session = Session(port)
        self.root = self.session.create(b"/healthy-", b"", s.SEQUENTIAL)[0]
        self.slowest = 0.0
        self.done = 0
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                self.session.set(self.root, b"%d" % self.done)
                assert self.session.get(self.root)[0] == b"%d" % self.done
                self.slowest = max(self.slowest, (time.monotonic() - began) / 2)
                self.done += 1
                self._stop.wait(0.002)
        except BaseException as failure:
            self.failure = failure

    def __enter__(self) -> Healthy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(AssertionError):  # a short attack: let it finish a few writes
            wait_until(lambda: self.done >= 20 or self.failure, 30, "some writes")
        self._stop.set()
        self._thread.join(60)

    def assert_undisturbed(self) -> None:
        assert self.failure is None, f"the healthy session failed: {self.failure!r}"
        assert self.done >= 20, f"{self.done} writes only"
        assert self.session.get(self.root)[0] == b"%d" % (self.done - 1)
        assert self.slowest < SLOWEST_OK, f"it once waited {self.slowest:.2f} s"
        self.session.close()


@contextlib.contextmanager
def attacked(server: Server, growth: int = 64 * MEGABYTE) -> Iterator[Healthy]:
    """Around an attack: a healthy session, the same process, memory grown by at most `growth`."""
    pid, before = server.pid, server.resident()
    with Healthy(server.port) as healthy:
        yield healthy
    healthy.assert_undisturbed()
    assert server.process is not None
    assert server.process.poll() is None, f"the server died:\n{server.log()[-3000:]}"
    assert server.pid == pid
    grown = server.resident() - before
    assert grown < growth, f"resident memory grew by {grown / MEGABYTE:.0f} MB"
    assert "Traceback" not in server.log(), server.log()[-6000:]


@pytest.fixture
def zoo(start_server: Callable[..., Server]) -> Server:
    return start_server("zoo")


def plain_link(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 10)


def answer_to(server: Server, data: bytes, wait: float = 10.0) -> bytes:
    """All that the server says to these bytes until it hangs up."""
    with plain_link(server) as link:
        link.settimeout(wait)
        said = b""
        with contextlib.suppress(ConnectionError):
            link.sendall(data)
            while chunk := link.recv(65536):
                said += chunk
        return said


# --- fuzz ------------------------------------------------------------------------------------


def valid_requests(chance: random.Random, root: bytes) -> Iterator[tuple[int, bytes]]:
    """Requests that make sense, as material for mutation."""
    path = raw_client.buffer(root + b"/n%d" % chance.randrange(20))
    acl = s.acl_bytes(s.OPEN)
    create = s.create_body(root + b"/n%d" % chance.randrange(20), b"data", chance.randrange(7))
    yield s.CREATE, create
    yield s.CREATE2, create
    yield s.CREATE_TTL, create + struct.pack(">q", 5000)
    yield s.SET_DATA, path + raw_client.buffer(b"new") + INT.pack(-1)
    yield s.GET_DATA, path + b"\1"
    yield s.SET_ACL, path + acl + INT.pack(-1)
    yield s.GET_CHILDREN2, path + b"\1"
    yield s.DELETE, path + INT.pack(-1)
    yield s.MULTI, s.multi_body([(s.CREATE, create), (s.DELETE, path + INT.pack(-1))])
    yield 22, s.multi_body([(s.GET_DATA, path + b"\0")])
    yield 100, INT.pack(0) + raw_client.buffer(b"digest") + raw_client.buffer(b"a:b")
    yield 101, struct.pack(">q", 0) + (INT.pack(1) + path) * 3
    yield 105, struct.pack(">q", 0) + (INT.pack(1) + path) * 5
    yield 106, path + INT.pack(1)
    yield 18, path + INT.pack(3)
    yield 103, path
    yield 107, b""


def mutated(chance: random.Random, body: bytes) -> bytes:
    """One to three small damages."""
    data = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        kind = chance.randrange(5)
        at = chance.randrange(len(data) + 1)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 3 and len(data) >= 4:
            at = at % (len(data) - 3)
            data[at : at + 4] = INT.pack(chance.choice(NASTY_INTS))
        else:
            data += chance.randbytes(chance.randrange(64))
    return bytes(data)


def hostile_frame(chance: random.Random, root: bytes) -> bytes:
    """One frame for an open session: mutated, random, or of an impossible length."""
    kind = chance.randrange(10)
    if kind == 0:
        return INT.pack(chance.choice(NASTY_INTS)) + chance.randbytes(chance.randrange(40))
    if kind == 1:
        return framed(chance.randbytes(chance.randrange(200)))
    if kind == 2:
        body = chance.randbytes(chance.randrange(60))
        return framed(header(chance.randrange(100), chance.choice(OPS + MORE_OPS)) + body)
    op, body = chance.choice(list(valid_requests(chance, root)))
    return framed(header(chance.choice((1, 2, -1, -2, -4, -8)), op) + mutated(chance, body))


def fuzz(server: Server, frames: int, seed: int) -> int:
    """Send so many hostile frames, over as many links as it takes; the number of links."""
    chance, links = random.Random(seed), 0
    root = b"/fuzz"
    with contextlib.suppress(s.Refused):
        Session(server.port).create(root)
    last = b""
    while frames > 0:
        links += 1
        burst = min(frames, chance.randrange(1, 12))
        frames -= burst
        data = b"".join(hostile_frame(chance, root) for _ in range(burst))
        try:
            if chance.random() < 0.2:
                greeting = framed(mutated(chance, raw_client.connect_request()))
                with plain_link(server) as link, contextlib.suppress(BrokenPipeError):
                    link.sendall(greeting + data)
            else:
                attack_session(server, data)
        except (OSError, LinkClosed) as failure:
            raise AssertionError(
                f"link {links} of seed {seed} found no server: {failure!r}; sent before it: "
                f"{last.hex()}\n{server.log()[-3000:]}"
            ) from failure
        last = data
    return links


def attack_session(server: Server, data: bytes) -> None:
    """Open a session, send, and take what comes; the handshake itself must work."""
    session = Session(server.port, timeout_ms=2000)
    impatience = struct.pack("ll", 0, 20_000)
    session.link._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, impatience)
    session.link.send(data)
    with contextlib.suppress(LinkClosed, Silence, struct.error):
        while True:
            session.receive()
    session.drop()


def test_fuzzed_frames(zoo: Server) -> None:
    with attacked(zoo):
        assert fuzz(zoo, 2000, seed=1) > 100


def test_fuzzed_handshakes_and_garbage(zoo: Server) -> None:
    chance = random.Random(2)
    with attacked(zoo) as healthy:
        for _ in range(300):
            with plain_link(zoo) as link, contextlib.suppress(OSError):
                link.sendall(chance.randbytes(chance.randrange(1, 200)))
        assert healthy.failure is None


# --- single attacks -----------------------------------------------------------------------------


def test_strangers_get_an_answer_or_a_hang_up(zoo: Server) -> None:
    with attacked(zoo):
        http = answer_to(zoo, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert http.startswith(b"HTTP/1.1 400"), http
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        answer_to(zoo, hello)
        for _ in range(20):
            answer_to(zoo, b"POST / HTTP/1.0\r\n\r\n")
    log = zoo.log()
    assert "HTTP" in log
    assert "TLS" in log
    assert "1195725856" not in log  # "GET " as a packet length, which explains nothing to anybody


@pytest.mark.parametrize("length", [2**31 - 1, 2**30, 16 * MEGABYTE, -1, -(2**31), 0x7F000000])
def test_huge_and_negative_lengths_close_the_link(zoo: Server, length: int) -> None:
    with attacked(zoo):
        assert answer_to(zoo, INT.pack(length) + bytes(100)) == b""
        session = Session(zoo.port)
        session.link.send(INT.pack(length) + bytes(1000))
        with pytest.raises(LinkClosed):
            session.receive()


def test_huge_counts_inside_a_frame_allocate_nothing(zoo: Server) -> None:
    with attacked(zoo, growth=32 * MEGABYTE):
        for op, body in (
            (s.CREATE, raw_client.buffer(b"/x") + INT.pack(2**31 - 1)),
            (s.CREATE, raw_client.buffer(b"/x") + raw_client.buffer(b"") + INT.pack(2**31 - 1)),
            (101, bytes(8) + INT.pack(2**31 - 1)),
            (105, bytes(8) + INT.pack(2**30) * 5),
            (s.GET_DATA, INT.pack(2**31 - 1)),
        ):
            session = Session(zoo.port)
            session.send(op, body)
            with contextlib.suppress(LinkClosed):
                assert session.receive().error != 0
            session.drop()


def test_slow_lorises_hold_nothing_up(zoo: Server) -> None:
    greeting = framed(raw_client.connect_request())
    with attacked(zoo), contextlib.ExitStack() as links:
        lorises = [links.enter_context(plain_link(zoo)) for _ in range(200)]
        for at in range(len(greeting) - 1):  # one byte at a time, never the last one
            for link in lorises:
                link.sendall(greeting[at : at + 1])
        assert Session(zoo.port).id != 0


def test_a_flood_of_connections_stops_at_the_limit(start_server: Callable[..., Server]) -> None:
    zoo = start_server("zoo", maxClientCnxns=50)
    with attacked(zoo), contextlib.ExitStack() as links:
        for _ in range(300):
            with contextlib.suppress(OSError):
                links.enter_context(plain_link(zoo))
    wait_until(lambda: Session(zoo.port).id, 10, "a session after the flood")
    assert "maxClientCnxns" in zoo.log()


def test_connecting_and_leaving_thousands_of_times_leaks_nothing(zoo: Server) -> None:
    def files() -> int:
        return len(list(Path(f"/proc/{zoo.pid}/fd").iterdir()))

    with attacked(zoo, growth=32 * MEGABYTE):
        before = files()
        for _ in range(3000):
            plain_link(zoo).close()
        assert wait_until(lambda: files() <= before + 5, 20, "the server closes its ends")


def test_a_reader_that_never_reads_costs_bounded_memory(zoo: Server) -> None:
    setup = Session(zoo.port)
    setup.create(b"/big", bytes(900_000))
    with attacked(zoo, growth=100 * MEGABYTE) as healthy:
        before = resident_bytes(zoo.pid)
        greedy = [Session(zoo.port) for _ in range(4)]
        ask = framed(header(1, s.GET_DATA) + raw_client.buffer(b"/big") + b"\0")
        for session in greedy:
            session.link._socket.setblocking(False)
            with contextlib.suppress(OSError):
                for _ in range(20):  # asks for 18 GB in all, as far as the socket takes it
                    session.link._socket.send(ask * 250)
        peak = wait_and_watch_memory(zoo.pid, 3)
        assert healthy.failure is None
        assert peak - before < 100 * MEGABYTE, f"grew by {(peak - before) / MEGABYTE:.0f} MB"
        for session in greedy:
            session.drop()


def test_a_writer_that_never_reads_is_held_back(zoo: Server) -> None:
    setup = Session(zoo.port)
    setup.create(b"/slow", b"")
    with attacked(zoo, growth=150 * MEGABYTE):
        session = Session(zoo.port)
        session.link._socket.setblocking(False)
        write = framed(header(1, s.SET_DATA) + s.set_body(b"/slow", bytes(10_000)))
        sent, rest, end = 0, b"", time.monotonic() + 3
        while time.monotonic() < end:
            rest = rest or write * 16
            try:
                count = session.link._socket.send(rest)
            except BlockingIOError:
                wait_out(0.01)  # held back
                continue
            sent, rest = sent + count, rest[count:]
        assert sent > 0
        session.drop()


def test_an_unknown_operation_between_writes_ends_only_its_link(zoo: Server) -> None:
    """What waits behind the refused request is dropped; the writes around it still commit."""
    with attacked(zoo):
        for at in range(20):
            session = Session(zoo.port)
            session.send_all(
                [
                    (s.CREATE, s.create_body(b"/before%d" % at)),
                    (20, b""),
                    (s.GET_DATA, raw_client.buffer(b"/") + b"\0"),
                    (s.CREATE, s.create_body(b"/after%d" % at)),
                    (s.GET_DATA, raw_client.buffer(b"/") + b"\0"),
                ]
            )
            assert session.receive().error == 0
            with contextlib.suppress(LinkClosed):
                while True:
                    session.receive()
            session.drop()


def test_unread_replies_between_writes_keep_the_order(zoo: Server) -> None:
    """Replies pile up until the server pauses; the write behind them is answered in its place."""
    setup = Session(zoo.port)
    setup.create(b"/big", bytes(900_000))
    setup.create(b"/order", b"")
    read = (s.GET_DATA, raw_client.buffer(b"/big") + b"\0")
    write = (s.SET_DATA, s.set_body(b"/order", b""))
    with attacked(zoo, growth=150 * MEGABYTE):
        session = Session(zoo.port)
        for _ in range(5):
            session.send_all([write, *[read] * 30, write, write, *[read] * 10, write])
        first = session.xid - 5 * 44 + 1
        wait_out(1)  # unread on purpose: the socket fills, then the server's own limit
        assert [session.receive().xid - first for _ in range(5 * 44)] == list(range(5 * 44))
        session.close()


def test_many_big_reads_behind_a_write_cost_bounded_memory(zoo: Server) -> None:
    """They become answerable all at once, when the write commits."""
    setup = Session(zoo.port)
    setup.create(b"/big", bytes(900_000))
    with attacked(zoo, growth=150 * MEGABYTE):
        before = resident_bytes(zoo.pid)
        greedy = [Session(zoo.port) for _ in range(4)]
        read = (s.GET_DATA, raw_client.buffer(b"/big") + b"\0")
        for number, session in enumerate(greedy):
            session.send_all([(s.CREATE, s.create_body(b"/g%d" % number)), *[read] * 1500])
        peak = wait_and_watch_memory(zoo.pid, 2)
        assert peak - before < 150 * MEGABYTE, f"grew by {(peak - before) / MEGABYTE:.0f} MB"
        for session in greedy:
            session.drop()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.test_hostile")
    parser.add_argument("--server", choices=harness.KINDS, default="zoo")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(prefix="zoo-hostile-") as tmp,
        harness.running(args.server, Path(tmp)) as server,
    ):
        before, began = server.resident(), time.monotonic()
        with attacked(server) as healthy:
            links = fuzz(server, args.frames, args.seed)
        grown = (server.resident() - before) / MEGABYTE
    print(
        f"{args.frames} hostile frames on {links} links in {time.monotonic() - began:.0f} s, "
        f"seed {args.seed}: memory grew by {grown:.1f} MB, the healthy session made {healthy.done} "
        f"writes and waited {healthy.slowest * 1000:.0f} ms at most"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
