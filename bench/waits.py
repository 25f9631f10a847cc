"""How long one client waits for each of its requests: what bench.scale and bench.snap share."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

from bench.fill import GET_DATA, SET_DATA, Client, get_body, node, set_body

_PATIENCE_S = 120.0


class Wait(NamedTuple):
    """One request: when it was sent (monotonic clock) and how long its reply took, in seconds."""

    sent: float
    took: float


class Prober:
    """A client in a process of its own with one request in flight, over the znodes of bench.fill.

    It writes or reads, and leaves `pause_s` between a reply and the next request.
    """

    def __init__(
        self, port: int, znodes: int, writes: bool = False, pause_s: float = 0.0, size: int = 100
    ) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(
            target=_probe, args=(port, znodes, b"z" * size if writes else None, pause_s, theirs)
        )
        self._process.daemon = True
        self._process.start()
        self._ours.recv()

    def stop(self) -> list[Wait]:
        """All waits since it was made."""
        self._ours.send("stop")
        assert self._ours.poll(_PATIENCE_S), "the probe hangs"
        waits: list[Wait] = self._ours.recv()
        self._process.join()
        return waits


def _probe(port: int, znodes: int, data: bytes | None, pause_s: float, pipe: Connection) -> None:
    client = Client(port)
    waits: list[Wait] = []
    pipe.send("ready")
    number = 0
    while not pipe.poll():
        number = (number + 7919) % znodes
        path = node(number)
        op, body = (GET_DATA, get_body(path)) if data is None else (SET_DATA, set_body(path, data))
        sent = time.monotonic()
        client.errors(op, [body])
        waits.append(Wait(sent, time.monotonic() - sent))
        if pause_s:
            time.sleep(pause_s)
    pipe.send(waits)


def longest_ms(
    waits: Sequence[Wait], since: float = float("-inf"), until: float = float("inf")
) -> float:
    """A wait counts if any part of it lies within."""
    overlapping = [w.took for w in waits if w.sent < until and w.sent + w.took > since]
    return round(max(overlapping, default=0.0) * 1000, 1)
