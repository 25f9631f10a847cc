"""Which sessions exist, who serves them, and when silence ends them.

Theory of operation. Sessions lie in buckets, one per expiry interval (the tick time), under the
moment at which they expire if never heard of again: the last time seen plus the timeout, rounded
up to the next interval as ZooKeeper rounds it. So a silent session ends between `timeout` and
`timeout + interval`.

Buckets are lazy. Being heard of is one store, ``session.seen = clock``, on the path of each
request; the bucket is only put right when it comes due: whoever was seen since moves on to the
right bucket, whoever was not is expired. A session is moved at most once per timeout, not once per
request.

The session clock is the tracker's own. It follows the `now_ms` of `advance`, but one call moves it
by `max_step` at most. If the server itself was stopped (SIGSTOP, swap, a long collection) it could
not hear its clients, and that time is not held against them: of a stall of any length at most
`max_step` counts. The price is that someone must call `advance` at least every `max_step`;
`next_due` asks for twice as often.

A session that is closing stays known until `remove`, since its closeSession is still on its way
through the log; it expires no more, and requests on it are refused. In an ensemble the leader
expires and the learners only note who was seen; both hold this table, the leader alone calls
`expired`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zoo.errors import Code, KeeperError


def negotiate(timeout: int, minimum: int, maximum: int) -> int:
    """The session timeout granted to a client that asks for `timeout` (all in ms)."""
    return max(minimum, min(maximum, timeout))


def _hex(session_id: int) -> str:
    return f"0x{session_id & 0xFFFFFFFFFFFFFFFF:x}"


class Session:
    """One session. `seen` is on the session clock and is stored by whoever hears the client."""

    __slots__ = ("closing", "due", "id", "is_local", "owner", "seen", "timeout")

    def __init__(self, session_id: int, timeout: int, seen: int) -> None:
        self.id = session_id
        self.timeout = timeout  # ms, negotiated
        self.seen = seen  # session clock, ms
        self.due = 0  # the bucket it lies in; 0: in none
        self.owner: object | None = None  # the connection that serves it
        self.closing = False
        self.is_local = False  # known to this server alone

    def __repr__(self) -> str:
        return f"Session({_hex(self.id)}, timeout={self.timeout})"


class SessionTracker:
    """All sessions of one server. Times are milliseconds; `now_ms` is any monotonic clock."""

    def __init__(self, interval: int, now_ms: int, max_step: int | None = None) -> None:
        """`interval`: width of a bucket. `max_step`: most one `advance` charges (default: half)."""
        assert interval > 0
        self.interval = interval
        self.max_step = max(1, interval // 2) if max_step is None else max_step
        self.clock = now_ms
        self._last_now = now_ms
        self._sessions: dict[int, Session] = {}
        self._buckets: dict[int, dict[int, Session]] = {}
        self._next = self._round_up(now_ms)

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._sessions

    # --- time

    def advance(self, now_ms: int) -> int:
        """Let the session clock follow `now_ms`; returns what to store in ``session.seen``."""
        step = now_ms - self._last_now
        if step > 0:
            self.clock += step if step < self.max_step else self.max_step
        self._last_now = now_ms
        return self.clock

    def next_due(self) -> int | None:
        """When, on the clock of `advance`, to call `expired` again; None: no session waits."""
        if not self._buckets:
            return None
        wait = max(0, min(self._buckets) - self.clock)
        return self._last_now + min(wait, max(1, self.max_step // 2))

    def expired(self, now_ms: int) -> list[Session]:
        """Advance to `now_ms`; the sessions that have run out, each once, now marked closing."""
        clock = self.advance(now_ms)
        ended: list[Session] = []
        while self._next <= clock:
            edge = self._next
            self._next += self.interval
            for session in self._buckets.pop(edge, {}).values():
                if self._round_up(session.seen + session.timeout) > edge:
                    self._file(session)
                else:
                    session.due = 0
                    session.closing = True
                    ended.append(session)
        return ended

    # --- the table

    def track(self, session_id: int, timeout: int) -> Session:
        """Begin a session, or hear of a known one again with the `timeout` it now has."""
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = Session(session_id, timeout, self.clock)
            self._file(session)
            return session
        session.timeout = timeout
        session.seen = self.clock
        if not session.closing:
            self._unfile(session)
            self._file(session)
        return session

    def get(self, session_id: int) -> Session | None:
        return self._sessions.get(session_id)

    def touch(self, session_id: int) -> bool:
        """Hear of a session by id; False if it is unknown or closing."""
        session = self._sessions.get(session_id)
        if session is None or session.closing:
            return False
        session.seen = self.clock
        return True

    def mark_closing(self, session_id: int) -> None:
        """Its closeSession is on the way: refuse requests, expire it no more. Unknown: no-op."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.closing = True
            self._unfile(session)

    def remove(self, session_id: int) -> Session | None:
        """Forget a session, once its closeSession is applied; returns what was known of it."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._unfile(session)
        return session

    # --- who serves it

    def check(self, session_id: int, owner: object) -> Session:
        """The session, if alive and served by `owner` (or by nobody yet: then now by `owner`).

        Raises KeeperError SESSIONEXPIRED (unknown or closing), SESSIONMOVED (served by another).
        """
        session = self._living(session_id)
        if session.owner is None:
            session.owner = owner
        elif session.owner is not owner:
            raise KeeperError(Code.SESSIONMOVED, f"session {_hex(session_id)} is served elsewhere")
        return session

    def set_owner(self, session_id: int, owner: object) -> Session:
        """From now on `owner` serves the session. Raises KeeperError SESSIONEXPIRED."""
        session = self._living(session_id)
        session.owner = owner
        return session

    # --- the whole table: snapshots, a new start, a new leader

    def items(self) -> Iterator[tuple[int, int]]:
        """(id, timeout) of every session, closing ones too, in the order they began."""
        return ((session.id, session.timeout) for session in self._sessions.values())

    def load(self, sessions: Iterable[tuple[int, int]]) -> None:
        """Replace the table by these (id, timeout), each with its whole timeout ahead of it."""
        self._sessions.clear()
        self._buckets.clear()
        self._next = self._round_up(self.clock)  # whoever did not expire has fallen behind
        for session_id, timeout in sessions:
            self.track(session_id, timeout)

    def restart_clocks(self, now_ms: int) -> None:
        """A new leader knows not when clients were last heard: all get their whole timeout again.

        Nor does it know who serves them, and a closeSession that only its predecessor had is void.
        """
        self._last_now = now_ms
        self.load(list(self.items()))

    def expiry_map(self) -> dict[int, list[int]]:
        """Moment on the session clock -> ids of the sessions that silence ends then, ascending."""
        moments: dict[int, list[int]] = {}
        for session in self._sessions.values():
            if not session.closing:
                edge = self._round_up(session.seen + session.timeout)
                moments.setdefault(edge, []).append(session.id)
        return dict(sorted(moments.items()))

    # --- inside

    def _living(self, session_id: int) -> Session:
        session = self._sessions.get(session_id)
        if session is None or session.closing:
            state = "unknown" if session is None else "closing"
            raise KeeperError(Code.SESSIONEXPIRED, f"session {_hex(session_id)} is {state}")
        return session

    def _round_up(self, moment: int) -> int:
        return (moment // self.interval + 1) * self.interval

    def _file(self, session: Session) -> None:
        session.due = edge = self._round_up(session.seen + session.timeout)
        bucket = self._buckets.get(edge)
        if bucket is None:
            bucket = self._buckets[edge] = {}
        bucket[session.id] = session

    def _unfile(self, session: Session) -> None:
        bucket = self._buckets.get(session.due)
        if bucket is not None:
            bucket.pop(session.id, None)
            if not bucket:  # next_due looks at the earliest bucket that holds anyone
                del self._buckets[session.due]
        session.due = 0
