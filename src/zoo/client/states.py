"""What a client knows of its session, and the only ways from one state to another."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """The state of a session, as recipes and applications have to think of it."""

    SUSPENDED = "suspended"
    """No server at present: the session may live on, or end unseen. Also the first state."""
    CONNECTED = "connected"
    READ_ONLY = "read-only"
    """Connected to a server that is cut off from its ensemble: reads may be stale, no writes."""
    LOST = "lost"
    """The session has expired: ephemerals and watches are gone. A new one is begun at once."""
    AUTH_FAILED = "auth-failed"
    """Credentials were refused. The end."""
    CLOSED = "closed"
    """Closed by us. The end."""

    @property
    def is_usable(self) -> bool:
        """Is there a server to talk to?"""
        return self in (State.CONNECTED, State.READ_ONLY)

    @property
    def is_final(self) -> bool:
        return self in (State.AUTH_FAILED, State.CLOSED)


_ENDS = {State.AUTH_FAILED, State.CLOSED}
TRANSITIONS: dict[State, frozenset[State]] = {
    State.SUSPENDED: frozenset({State.CONNECTED, State.READ_ONLY, State.LOST, *_ENDS}),
    State.CONNECTED: frozenset({State.SUSPENDED, *_ENDS}),
    State.READ_ONLY: frozenset({State.SUSPENDED, *_ENDS}),
    State.LOST: frozenset({State.CONNECTED, State.READ_ONLY, State.SUSPENDED, *_ENDS}),
    State.AUTH_FAILED: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}
