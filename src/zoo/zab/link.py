"""One end of a learner link, without the socket: FIFO, may only break.

The driver feeds `received`, sends what `take_output` returns, and reports `broken`; it must close
the socket once `closing` is set and all output is out. What is sent while the other side does not
read piles up here; `out_size` tells how much, and a leader cuts a learner off that is too slow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from zoo.errors import ProtocolViolation

log = logging.getLogger(__name__)


class LinkOwner(Protocol):
    """The protocol above a link."""

    def link_received(self, data: bytes) -> bytes:
        """Consume what is whole; returns the rest, which comes back with more behind it.

        Raises ProtocolViolation: the link is closed.
        """
        ...

    def link_broken(self) -> None:
        """The link is gone, said once, whoever ended it."""
        ...


class PeerLink:
    """`peer` names the other side in logs; `dirty` is the driver's list of links to look at."""

    def __init__(self, peer: str, dirty: list[PeerLink]) -> None:
        self.peer = peer
        self.owner: LinkOwner | None = None
        self.out: list[bytes] = []
        self.out_size = 0
        self.closing = False
        self.is_broken = False
        self.dirty = False
        self._dirty_links = dirty
        self._rest = b""
        self.on_drained: Callable[[], None] | None = None
        """Called when all output has gone out: more of a long stream may be made."""

    def __repr__(self) -> str:
        return f"PeerLink({self.peer})"

    # --- the protocol's side

    def send(self, data: bytes) -> None:
        if self.closing or self.is_broken:
            return
        self.out.append(data)
        self.out_size += len(data)
        if not self.dirty:
            self._mark_dirty()

    def close(self, reason: str = "") -> None:
        """Send what is queued, then close; take no more input."""
        if self.closing or self.is_broken:
            return
        if reason:
            log.warning("closing the link to %s: %s", self.peer, reason)
        self.closing = True
        self._mark_dirty()

    def abort(self, reason: str = "") -> None:
        """Close without sending what is left."""
        self.out.clear()
        self.out_size = 0
        self.close(reason)

    # --- the driver's side

    def received(self, data: bytes) -> None:
        """Bytes from the other side."""
        if self.closing or self.owner is None:
            return
        try:
            self._rest = self.owner.link_received(self._rest + data if self._rest else data)
        except ProtocolViolation as violation:
            self.abort(str(violation))

    def take_output(self) -> bytes:
        """All that is to be sent."""
        self.dirty = False
        data = b"".join(self.out)
        self.out.clear()
        return data

    def sent(self, size: int) -> None:
        """The socket has taken `size` bytes."""
        self.out_size -= size
        if not self.out_size and self.on_drained is not None and not self.closing:
            self.on_drained()

    def broken(self) -> None:
        """The socket is gone."""
        if self.is_broken:
            return
        self.is_broken = self.closing = True
        self.out.clear()
        self.out_size = 0
        self._rest = b""
        if self.owner is not None:
            self.owner.link_broken()

    def _mark_dirty(self) -> None:
        self.dirty = True
        self._dirty_links.append(self)
