"""The checker of sessions: they end by request or by silence, in time, with their ephemerals.

Theory of operation. The checker keeps its own notes of when each session's client was last heard
and of when the server was stalled. A session that nobody closed may be ended only after as much
silence as its timeout, not counting stalls, of which the server may charge `max_step` each; and
not much later.
"""

from __future__ import annotations

from collections import deque

from zoo.jute.operations import Op
from zoo.jute.txns import LoggedTxn
from zoo.server.core import ServerCore
from zoo.sim.checking import Checker, Stalls
from zoo.sim.client import Request, SimClient
from zoo.sim.history import History
from zoo.sim.host import WALL_START_MS
from zoo.sim.schedule import Schedule

_ROUNDING_MS = 3
_LATENESS_MS = 2_000  # a tick, a busy disk


class Sessions(Checker):
    """See the module's theory of operation."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self._heard: dict[int, deque[int]] = {}
        self._served: dict[int, int] = {}  # when the server last worked for it, heard or not
        self._stalls = Stalls()
        self._started = 0
        self._closing: dict[int, None] = {}
        self._refused: dict[int, str] = {}
        self._interval_ms = self._max_step_ms = 0
        self.expired = 0

    # --- notes

    def heard(self, session_id: int) -> None:
        moments = self._heard.get(session_id)
        if moments is None:
            moments = self._heard[session_id] = deque(maxlen=400)
        moments.append(self.schedule.now)

    def stalled(self, duration_us: int) -> None:
        self._stalls.add(self.schedule.now, duration_us)

    def recovered(self, core: ServerCore) -> None:
        """Nobody knows when clients were last heard: all have their whole timeout again."""
        self._started = self.schedule.now
        self._stalls.cut(self._started)
        self._interval_ms = core.sessions.interval
        self._max_step_ms = core.config.tick_time_ms // 2
        for session_id in self.history.live_sessions():
            self._closing.pop(session_id, None)

    def sent(self, client: SimClient, request: Request) -> None:
        if request.op == Op.closeSession:
            self._closing[client.session_id] = None

    def refused(self, client: SimClient) -> None:
        self._refused[client.session_id] = client.name

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        self._served[client.session_id] = self.schedule.now

    # --- judging

    def _silence_ms(self, session_id: int, moment: int, served: int = 0) -> tuple[int, int]:
        """Silence up to `moment` without stalls, and what the server may charge for the stalls."""
        known = [t for t in self._heard.get(session_id, ()) if t <= moment]
        since = max(self._started, served, known[-1] if known else 0)
        count, duration = self._stalls.within(since, moment)
        return (moment - since - duration) // 1000, count * self._max_step_ms

    def logged(self, txn: LoggedTxn) -> None:
        header = txn.header
        session_id = header.client_id
        self._served[session_id] = self.schedule.now
        if header.type == Op.createSession:
            if self.history.was_open(session_id, header.zxid):
                self.violated(f"session 0x{session_id:x} is opened again")
        elif header.type == Op.closeSession:
            self._closed(txn)
        elif session_id and not does_nothing(txn):
            if not self._may_write(session_id, header.zxid):
                self.violated(f"{header} by a session that is not open")
        elif header.type == Op.deleteContainer and not header.client_id:
            self._reaped(txn)

    def _may_write(self, session_id: int, zxid: int) -> bool:
        return self.history.was_open(session_id, zxid)

    def _closed(self, txn: LoggedTxn) -> None:
        self._takes_its_own(txn)
        session_id, zxid = txn.header.client_id, txn.header.zxid
        timeout = self._timeout_before(session_id, zxid)
        if session_id in self._closing or timeout is None:
            return
        self.expired += 1
        self._expired(txn, session_id, timeout)

    def _takes_its_own(self, txn: LoggedTxn) -> None:
        """All ephemerals of a session end with it, and no other znode."""
        session_id, zxid = txn.header.client_id, txn.header.zxid
        for path in txn.record.paths_to_delete:
            before = self.history.at(path, zxid - 1)
            if before is None or before.owner != session_id:
                self.violated(f"the end of 0x{session_id:x} deletes {path!r}, not its own")
        left = self.history.ephemerals_of(session_id)
        if left:
            self.violated(f"ephemerals outlive their session 0x{session_id:x}: {left}")

    def _expired(self, txn: LoggedTxn, session_id: int, timeout: int) -> None:
        """Nobody closed it: it must have been silent for long enough."""
        moment = (txn.header.time - WALL_START_MS) * 1000
        silence, charged = self._silence_ms(session_id, moment)
        if silence + charged + _ROUNDING_MS < timeout:
            self.violated(
                f"session 0x{session_id:x} expired after {silence} ms, its timeout is {timeout} ms"
            )

    def _timeout_before(self, session_id: int, zxid: int) -> int | None:
        changes = [t for z, t in self.history.sessions.get(session_id, ()) if z < zxid]
        return changes[-1] if changes else None

    def _reaped(self, txn: LoggedTxn) -> None:
        before = self.history.at(txn.record.path, txn.header.zxid - 1)
        if before is None or before.children:
            self.violated(f"{txn.record.path!r} was reaped, it is {before}")
        ttl = before.owner + (1 << 56)
        if before.owner == -(1 << 63):
            if not before.creates:
                self.violated(f"the container {txn.record.path!r} was reaped without being used")
        elif not 0 < ttl < 1 << 40 or txn.header.time - before.mtime <= ttl:
            self.violated(f"{txn.record.path!r} was reaped before its time: {before}")

    def inspect(self, core: ServerCore) -> None:
        for session_id, timeout in self.history.live_sessions().items():
            connection = core.attached.get(session_id)
            if connection is not None and connection.paused:
                self._served[session_id] = self.schedule.now  # the server does not listen
            # A throttled client's requests lie in the server's buffers: being answered is living.
            served = self._served.get(session_id, 0)
            silence, _ = self._silence_ms(session_id, self.schedule.now, served)
            if silence > timeout + self._interval_ms + _LATENESS_MS:
                self.violated(
                    f"session 0x{session_id:x} lives on after {silence} ms of silence, its timeout "
                    f"is {timeout} ms"
                )

    def finished(self, core: ServerCore) -> None:
        alive = self.history.live_sessions()
        if alive:
            self.violated(f"sessions outlive their clients: {alive}")
        left = [path for path, state in self.history.tree().items() if state.stat.ephemeral_owner]
        if left:
            self.violated(f"ephemerals outlive all sessions: {left}")


def does_nothing(txn: LoggedTxn) -> bool:
    """A refusal, or a multi of no parts or of refused ones."""
    if txn.header.type == Op.multi:
        parts = txn.record.txns
        return not parts or any(part.type == Op.error for part in parts)
    return txn.header.type == Op.error
