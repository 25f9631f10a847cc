"""Links that end with writes in flight: the server goes on, and other clients notice nothing.

No comparison with the peer here: which of the writes make it is a matter of timing.
"""

from __future__ import annotations

import contextlib
import random
from itertools import count

import pytest

from tests.interop.differential.admin import OPEN_ACL, Admin
from tests.interop.harness import Server
from tests.interop.raw_client import (
    CLOSE_SESSION,
    INT,
    Link,
    LinkClosed,
    buffer,
    connect_request,
    framed,
    header,
)

pytestmark = pytest.mark.interop
ROUNDS = 150
UNKNOWN, CREATE, DELETE, EXISTS, AUTH = 999, 1, 2, 3, 100
_xids = count(1)

ENDINGS: dict[str, bytes] = {
    "unknown operation": framed(header(7, UNKNOWN)),
    "bad authentication": framed(header(7, AUTH) + INT.pack(0) + buffer(b"nosuch") + buffer(b"")),
    "body cut short": framed(header(7, AUTH)),
    "closed session": framed(header(7, CLOSE_SESSION)),
    "frame too long": INT.pack(0x7FFFFFFF),
    "negative frame": INT.pack(-1),
    "silent drop": b"",
}


def _requests(choose: random.Random, root: bytes, amount: int) -> bytes:
    """Creates that succeed, deletes that fail, and reads that must wait behind both."""
    frames = []
    for _ in range(amount):
        xid = next(_xids)
        name = buffer(root + b"/%d" % xid)
        op, body = choose.choice(
            (
                (CREATE, name + buffer(b"data") + OPEN_ACL + INT.pack(choose.randint(0, 3))),
                (CREATE, name + buffer(b"data") + OPEN_ACL + INT.pack(0)),
                (DELETE, name + INT.pack(-1)),
                (EXISTS, buffer(root) + b"\1"),
            )
        )
        frames.append(framed(header(xid, op) + body))
    return b"".join(frames)


def _read_to_the_end(link: Link) -> None:
    """The server hangs up first: its end of the link meets writes still on their way to disk."""
    with contextlib.suppress(LinkClosed):
        while True:
            link.receive()


@pytest.mark.parametrize("ending", ENDINGS)
def test_server_outlives_a_link_with_writes_in_flight(lasting_server: Server, ending: str) -> None:
    address = ("127.0.0.1", lasting_server.port)
    watcher = Admin(address)
    root = f"/{ending.replace(' ', '-')}"
    watcher.create(root)
    choose = random.Random(1)
    for round_ in range(ROUNDS):
        link = Link(address)
        link.send(framed(connect_request()))
        link.receive()
        writes = _requests(choose, root.encode(), choose.randint(1, 20))
        more = _requests(choose, root.encode(), choose.randint(0, 3))
        link.send(writes + ENDINGS[ending] + more)
        if ENDINGS[ending] and round_ % 2:
            _read_to_the_end(link)
        link.close()
        assert watcher.last_zxid() > 0
    assert lasting_server.process is not None
    assert lasting_server.process.poll() is None
    watcher.close()
