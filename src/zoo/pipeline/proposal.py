"""A write on its way: prepared, being logged, waiting for its commit."""

from __future__ import annotations

from typing import Any, Protocol

from zoo.tree.outstanding import Edit


class Origin(Protocol):
    """Who asked for the write and waits for its reply."""

    def finish(self, proposal: Proposal) -> None:
        """The write has committed: answer it."""


class Proposal:
    """Everything that committing and answering a write needs; made once by preparation.

    `reply` is the whole reply, header included: nothing in it can change any more, since the zxid
    that it carries is the write's own. `digest` is the tree's once this has committed.
    """

    __slots__ = ("digest", "edits", "origin", "reply", "zxid")

    opens = 0
    """The session that a createSession begins."""
    closes = 0
    """The session that a closeSession ends."""

    def __init__(
        self, zxid: int, edits: tuple[Edit, ...], reply: bytes, origin: Any, digest: int
    ) -> None:
        self.zxid = zxid
        self.edits = edits
        self.reply = reply
        self.origin: Origin | None = origin
        self.digest = digest


class OpenSession(Proposal):
    """A createSession: the connection answers it with a ConnectResponse of its own."""

    __slots__ = ("opens",)


class CloseSession(Proposal):
    __slots__ = ("closes",)
