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

    `body` is the reply's body, `err` the code in its header. `opens` is (session, timeout in ms)
    for a createSession, `closes` the session a closeSession ends; 0 otherwise.
    """

    __slots__ = (
        "body",
        "closes",
        "created_ms",
        "cxid",
        "digest",
        "edits",
        "err",
        "op",
        "opens",
        "origin",
        "zxid",
    )

    def __init__(
        self,
        zxid: int,
        op: int,
        edits: tuple[Edit, ...],
        body: bytes,
        err: int,
        origin: Any,
        cxid: int,
        created_ms: int,
        digest: int,
    ) -> None:
        self.zxid = zxid
        self.op = op
        self.edits = edits
        self.body = body
        self.err = err
        self.origin: Origin | None = origin
        self.cxid = cxid
        self.created_ms = created_ms
        self.digest = digest  # of the tree once this has committed
        self.opens: tuple[int, int] | None = None
        self.closes = 0
