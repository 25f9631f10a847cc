"""What the log says about a member's part in its ensemble, and how long each change took."""

from __future__ import annotations

import logging
from typing import Protocol

from zoo.zab.vote import ServerState

log = logging.getLogger("zoo.ensemble")


class PeerView(Protocol):
    """What of zoo.zab.peer.Peer tells its part."""

    my_id: int

    @property
    def state(self) -> ServerState: ...

    @property
    def zab_state(self) -> str: ...

    @property
    def leader_id(self) -> int | None: ...


class RoleLog:
    """`observe` after every turn: one line for each change, with the time since the last one."""

    def __init__(self, peer: PeerView) -> None:
        self._peer = peer
        self._seen: tuple[ServerState, int | None, str] | None = None
        self._changed = self._looking_since = 0.0

    def observe(self, now: float) -> None:
        """`now` in seconds, monotonic."""
        peer = self._peer
        seen = peer.state, peer.leader_id, peer.zab_state
        if seen == self._seen:
            return
        before, self._seen = self._seen, seen
        took = round((now - self._changed) * 1000)
        self._changed = now
        state, leader, phase = seen
        if state is ServerState.LOOKING:
            if before is None or before[0] is not ServerState.LOOKING:
                self._looking_since = now
                log.info("looking for a leader")
        elif before is not None and before[0] is ServerState.LOOKING:
            who = "this server" if leader == peer.my_id else f"server {leader}"
            log.info("elected %s after %d ms: %s, %s", who, took, state.name.lower(), phase)
        elif phase == "broadcast":
            log.info(
                "%s: in step after %d ms, serving %d ms after the search began",
                _role(state, leader),
                took,
                round((now - self._looking_since) * 1000),
            )
        else:
            log.info("%s: %s after %d ms", _role(state, leader), phase, took)


def _role(state: ServerState, leader: int | None) -> str:
    if state is ServerState.LEADING:
        return "leading"
    return f"{state.name.lower()} server {leader}"
