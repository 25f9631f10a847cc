"""Fill a server: N znodes of BYTES each under 1,000 parents, pipelined.

    python -m bench.fill PORT N [BYTES]     prints creates per second

Paths are /fill/pPPPP/nNNNNNNNN; the last digits of N choose the parent.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from tests.interop.raw_client import INT, REPLY_HEADER, Link, buffer, connect_request, framed

PARENTS = 1000
BATCH = 500
CREATE, GET_DATA, SET_DATA = 1, 4, 5
OPEN_ACL = INT.pack(1) + INT.pack(31) + buffer(b"world") + buffer(b"anyone")
_HEADER = struct.Struct(">iii")  # frame length, xid, operation


class Client:
    """One session that pipelines requests. Bodies are jute; replies count only as error or not."""

    def __init__(self, port: int) -> None:
        self._link = Link(("127.0.0.1", port), 600.0)
        self._link.send(framed(connect_request(timeout_ms=40000)))
        self._link.receive()

    def errors(self, op: int, bodies: Iterable[bytes]) -> int:
        """Send one batch, wait for all replies; how many of them are errors."""
        frames = [_HEADER.pack(8 + len(body), xid, op) + body for xid, body in enumerate(bodies)]
        self._link.send(b"".join(frames))
        return sum(REPLY_HEADER.unpack_from(self._link.receive())[2] != 0 for _ in frames)

    def close(self) -> None:
        self._link.close()


def node(number: int) -> bytes:
    return b"/fill/p%04d/n%08d" % (number % PARENTS, number)


def create_body(path: bytes, data: bytes) -> bytes:
    return buffer(path) + buffer(data) + OPEN_ACL + INT.pack(0)


def set_body(path: bytes, data: bytes) -> bytes:
    return buffer(path) + buffer(data) + INT.pack(-1)


def get_body(path: bytes) -> bytes:
    return buffer(path) + b"\0"


def batches(items: Iterable[bytes], size: int = BATCH) -> Iterator[list[bytes]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def fill(port: int, count: int, size: int = 100) -> dict[str, float]:
    """Create the parents and `count` znodes of `size` bytes; creates per second and errors."""
    client = Client(port)
    data = b"x" * size
    client.errors(CREATE, [create_body(b"/fill", data)])
    client.errors(CREATE, (create_body(b"/fill/p%04d" % i, data) for i in range(PARENTS)))
    began = time.monotonic()
    bodies = (create_body(node(i), data) for i in range(count))
    errors = sum(client.errors(CREATE, batch) for batch in batches(bodies))
    seconds = time.monotonic() - began
    client.close()
    return {
        "znodes": count,
        "bytes": size,
        "errors": errors,
        "creates_s": round(count / seconds),
    }


if __name__ == "__main__":
    print(json.dumps(fill(*map(int, sys.argv[1:4]))))
