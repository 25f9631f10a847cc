"""A client that rides through whatever happens to the members: one session, many connections.

It writes ever greater numbers to a register of its own, one write in flight, and after a broken
connection takes its session up again at the next member, as every ZooKeeper client does. What it
must find at the end: the register holds the last acknowledged number, or a later one that was sent
and whose answer was lost; its ephemeral znode is there as long as its session is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import cycle

from tests.interop import session as s
from tests.interop.raw_client import LinkClosed, Silence, buffer
from tests.interop.session import Refused, Session

_WAIT_S = 5.0


class Rider(threading.Thread):
    """`expired` counts lost sessions; `gaps` are the seconds between acknowledged writes."""

    def __init__(self, ports: Sequence[int], name: bytes, timeout_ms: int = 20_000) -> None:
        super().__init__(daemon=True)
        self.path = b"/rider-" + name
        self.sent = self.acknowledged = self.expired = self.connections = 0
        self.moments: list[float] = []
        self.trouble = ""
        self.over = threading.Event()
        self._ports = cycle(ports)
        self._timeout_ms = timeout_ms
        self._begun = False
        self._id, self._password, self._seen = 0, bytes(16), 0

    def run(self) -> None:
        try:
            while not self.over.is_set():
                try:
                    self._ride(self._connect())
                except (OSError, LinkClosed, Silence):
                    self.over.wait(0.02)
        except (Refused, AssertionError) as failure:
            self.trouble = repr(failure)

    def finish(self) -> None:
        self.over.set()
        self.join(3 * _WAIT_S)
        assert not self.is_alive(), f"{self.path!r} does not end"
        assert not self.trouble, f"{self.path!r}: {self.trouble}"

    def longest_gap(self) -> float:
        return max((b - a for a, b in zip(self.moments, self.moments[1:], strict=False)), default=0)

    def _connect(self) -> Session:
        session = Session(
            next(self._ports), self._timeout_ms, self._id, self._password, _WAIT_S, self._seen
        )
        self.connections += 1
        if session.id == 0:
            self.expired += 1
            self._begun = False
            self._id, self._password = 0, bytes(16)
            raise LinkClosed
        self._id, self._password = session.id, session.password
        if not self._begun:
            self._begin(session)
            self._begun = True
        return session

    def _begin(self, session: Session) -> None:
        for path, mode in ((self.path, s.PERSISTENT), (self.path + b"-mine", s.EPHEMERAL)):
            try:
                session.create(path, b"0", mode)
            except Refused as refusal:
                if refusal.code != -110:  # it is there: made by a write whose answer was lost
                    raise

    def _ride(self, session: Session) -> None:
        try:
            while not self.over.is_set():
                self.sent += 1
                session.set(self.path, b"%d" % self.sent)
                self.acknowledged = self.sent
                self.moments.append(time.monotonic())
        finally:
            self._seen = max(self._seen, session.last_zxid)
            session.drop()

    def check(self, session: Session) -> None:
        """Through any member that is in step (the session has called sync before)."""
        data, _ = session.get(self.path)
        assert data is not None
        assert self.acknowledged <= int(data) <= self.sent, (
            f"{self.path!r} holds {data!r}: acknowledged {self.acknowledged}, sent {self.sent}"
        )
        if not self.expired:
            _, stat = session.get(self.path + b"-mine")
            assert stat.ephemeral_owner == self._id


def synced(port: int, path: bytes = b"/") -> Session:
    """A session that sees all that was committed before."""
    session = Session(port)
    session.call(s.SYNC, buffer(path))
    return session
