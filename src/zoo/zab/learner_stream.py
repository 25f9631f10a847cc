"""What goes to one learner, in order: a long stream while it lasts, everything else behind it.

Theory of operation. Synchronisation can be long (a snapshot, the history of an hour). It is made in
pieces, as many at a time as the link takes, so that neither memory nor a turn of the server fills
up with it. Meanwhile the server goes on, and what it has for this learner queues up behind the
stream: packets that all learners share, so a queue costs little more than its list. A learner that
lets too much pile up is cut off by its handler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zoo.zab.link import PeerLink

STREAM_STEP = 64 << 10
"""Bytes of a stream that are made and sent in one turn, while all clients wait. Of a snapshot they
take about 1.3 ms, and a write needs several turns.
"""


class LearnerStream:
    """The way out to one learner. `queued` counts the bytes behind the stream, if there is one
    (`is_streaming`).
    """

    def __init__(self, link: PeerLink) -> None:
        self._link = link
        self._pieces: Iterator[bytes] | None = None
        self._on_step: Callable[[], None] = _nothing
        self._on_end: Callable[[], None] = _nothing
        self._behind: list[bytes] = []
        self.queued = 0
        self.streamed = 0
        """Bytes of the last stream."""
        self.is_streaming = False

    @property
    def unsent(self) -> int:
        """Bytes that wait for the learner, without those of the stream that are not made yet."""
        return self._link.out_size + self.queued

    def send(self, data: bytes) -> None:
        if self._pieces is None:
            self._link.send(data)
        else:
            self._behind.append(data)
            self.queued += len(data)

    def begin(
        self,
        pieces: Iterator[bytes],
        on_step: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """Send `pieces` before all that is sent from now on. As much of it as the link may hold
        goes now. `on_step` is called when the link has taken some of it, `on_end` when the last
        piece has been made.
        """
        assert self._pieces is None, "a stream within a stream"
        self._pieces = pieces
        self.streamed = 0
        self.is_streaming = True
        self._on_step = on_step or _nothing
        self._on_end = on_end or _nothing
        self._link.on_drained = self._drained
        self._advance()

    def close(self) -> None:
        """Drop the stream and what waits behind it."""
        pieces, self._pieces = self._pieces, None
        self.is_streaming = False
        self._link.on_drained = None
        self._behind.clear()
        self.queued = 0
        close = getattr(pieces, "close", None)  # a generator holds on to the state it reads
        if close is not None:
            close()

    def _drained(self) -> None:
        self._on_step()
        if self._pieces is not None:
            self._advance()

    def _advance(self) -> None:
        assert self._pieces is not None
        link = self._link
        while link.out_size < STREAM_STEP:
            piece = next(self._pieces, None)
            if piece is None:
                self._end()
                return
            link.send(piece)
            self.streamed += len(piece)

    def _end(self) -> None:
        self._pieces = None
        self.is_streaming = False
        self._link.on_drained = None
        for data in self._behind:
            self._link.send(data)
        self._behind.clear()
        self.queued = 0
        self._on_end()


def _nothing() -> None:
    """Nobody wants to know."""
