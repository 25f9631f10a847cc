"""Clients that write down what they ask and what they are told (see tests.interop.histories)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping

from tests.interop import session as s
from tests.interop.histories import INITIAL, Op
from tests.interop.raw_client import STAT, LinkClosed, Silence, buffer
from tests.interop.session import Refused, Reply, Session, Stat, take_buffer

KEYS = tuple(b"/register-%d" % number for number in range(5))
_BAD_VERSION = -103


def make_registers(port: int) -> None:
    session = Session(port)
    for key in KEYS:
        session.create(key, INITIAL)
    session.close()


def answer(session: Session) -> Reply:
    reply = session.receive()
    assert reply.xid == session.xid, (reply, session.xid)
    return reply


def look(session: Session, key: bytes, number: int, synced: bool = True) -> Op:
    """What a register holds, after a sync if wished."""
    sync_began = None
    if synced:
        sync_began = time.monotonic()
        session.send_all([(s.SYNC, buffer(key))])
        if error := answer(session).error:
            raise Refused(error)
    began = time.monotonic()
    session.send_all([(s.GET_DATA, buffer(key) + b"\0")])
    reply = answer(session)
    if reply.error:
        raise Refused(reply.error)
    data, at = take_buffer(reply.body)
    stat = Stat(*STAT.unpack_from(reply.body, at))
    return Op(
        number,
        "get",
        key,
        began,
        time.monotonic(),
        True,
        value=data or b"",
        zxid=reply.zxid,
        mzxid=stat.mzxid,
        version=stat.version,
        sync_began=sync_began,
    )


class Recorder(threading.Thread):
    """One session over many connections. `servers` are kind and number by port; `history` and
    `trouble` are for afterwards.
    """

    def __init__(
        self,
        number: int,
        servers: Mapping[int, str],
        seed: int,
        timeout_ms: int = 30_000,
        patience_s: float = 2.0,
        pause_s: float = 0.001,
    ) -> None:
        super().__init__(daemon=True)
        self.history: list[Op] = []
        self.trouble = ""
        self.over = threading.Event()
        self.connections = self.writes = 0
        self.mine = b"/session-%d" % number
        self._number, self._servers, self._server = number, servers, ""
        self._rng = random.Random(f"{seed} {number}")
        self._timeout_ms, self._patience_s, self._pause_s = timeout_ms, patience_s, pause_s
        self._versions = dict.fromkeys(KEYS, 0)
        self._id, self._password, self._seen = 0, bytes(16), 0
        self._has_ephemeral = False

    def run(self) -> None:
        try:
            while not self.over.is_set():
                try:
                    self._ride(self._connect())
                except (OSError, LinkClosed, Silence):
                    self.over.wait(0.02)
        except (Refused, AssertionError) as failure:
            self.trouble = f"session {self._number} (0x{self._id:x}): {failure!r}"

    def finish(self) -> None:
        self.over.set()
        self.join(30)
        assert not self.is_alive(), f"session {self._number} does not end"

    def check_ephemeral(self, session: Session) -> None:
        if self._has_ephemeral:
            _, stat = session.get(self.mine)
            assert stat.ephemeral_owner == self._id, self.mine

    def _connect(self) -> Session:
        port = self._rng.choice([*self._servers])
        session = Session(
            port,
            self._timeout_ms,
            self._id,
            self._password,
            self._patience_s,
            self._seen,
        )
        assert session.id, f"the session was lost; its znode is {self.mine!r}"
        self.connections += 1
        self._id, self._password = session.id, session.password
        self._server = self._servers[port]
        return session

    def _ride(self, session: Session) -> None:
        try:
            if not self._has_ephemeral:
                self._make_ephemeral(session)
            while not self.over.wait(self._pause_s):
                kind = self._rng.choices(("set", "cas", "get", "sync"), (4, 1, 4, 2))[0]
                key = self._rng.choice(KEYS)
                if kind in ("set", "cas"):
                    self._set(session, key, self._versions[key] if kind == "cas" else -1)
                else:
                    self._get(session, key, kind == "sync")
        finally:
            session.drop()

    def _make_ephemeral(self, session: Session) -> None:
        try:
            session.create(self.mine, b"", s.EPHEMERAL)
        except Refused as refusal:
            if refusal.code != -110:  # made by a call whose answer was lost
                raise
        self._seen = max(self._seen, session.last_zxid)
        self._has_ephemeral = True

    def _set(self, session: Session, key: bytes, expected: int) -> None:
        value = b"%d/%d" % (self._number, len(self.history))
        op = Op(self._number, "set", key, time.monotonic(), value=value, expected=expected)
        self.history.append(op)  # whatever happens now, it may have been written
        session.send_all([(s.SET_DATA, s.set_body(key, value, expected))])
        reply = answer(session)
        if reply.error not in (0, _BAD_VERSION):
            raise Refused(reply.error)
        op = op._replace(ended=time.monotonic(), answered=True, zxid=reply.zxid)
        op = op._replace(server=self._server)
        if reply.error:
            op = op._replace(refused=True)
            self._versions[key] += 1  # or it would be refused for ever
        else:
            stat = Stat(*STAT.unpack(reply.body))
            op = op._replace(mzxid=stat.mzxid, version=stat.version)
            self._versions[key] = stat.version
            self.writes += 1
        self.history[-1] = op
        self._seen = reply.zxid

    def _get(self, session: Session, key: bytes, synced: bool) -> None:
        op = look(session, key, self._number, synced)._replace(server=self._server)
        self._versions[key] = op.version
        self._seen = op.zxid
        self.history.append(op)
