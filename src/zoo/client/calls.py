"""A request on its way: what to send, and who is told how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zoo.client.errors import ClientError, Outcome, error_for
from zoo.client.watches import Removal, Watching
from zoo.errors import Code
from zoo.jute import schema
from zoo.jute.codec import Reader
from zoo.jute.multi import encode_request
from zoo.jute.operations import OPERATIONS, Op

_MULTIS = (Op.multi, Op.multiRead)


class Call:
    """One request. `finish(error, body, zxid)` is called exactly once, with an error or a body.

    `watch` is registered (a Removal: carried out) by the core in the same breath as the reply, so
    that no event can slip in between. A call that `may_repeat` (a read) is sent again after the
    connection broke; any other fails then, for it may have been applied.
    """

    __slots__ = ("body", "finish", "is_sent", "may_repeat", "op", "path", "sent_at", "watch", "xid")

    def __init__(
        self,
        op: Op,
        body: bytes,
        path: str | None,
        finish: Callable[[ClientError | None, Reader | None, int], None],
        watch: Watching | Removal | None = None,
        may_repeat: bool | None = None,
    ) -> None:
        self.op = op
        self.body = body
        self.path = path
        self.finish = finish
        self.watch = watch
        self.may_repeat = not OPERATIONS[op].is_write if may_repeat is None else may_repeat
        self.xid = 0
        self.is_sent = False
        self.sent_at = 0  # ms, of the last time

    def __repr__(self) -> str:
        state = f"xid {self.xid}" if self.is_sent else "not sent"
        return f"<Call {self.op.name} {self.path or ''} {state}>"

    @property
    def outcome(self) -> Outcome:
        """What is known of it while there is no answer."""
        return Outcome.UNKNOWN if self.is_sent else Outcome.NOT_SENT

    def fail(self, code: Code, detail: str = "", outcome: Outcome | None = None) -> None:
        known = self.outcome if outcome is None else outcome
        self.finish(error_for(code, self.op.name, self.path, detail, known), None, 0)


def encode_body(op: Op, record: Any) -> bytes:
    """The body of a request; `record` is None where there is none, a list of items for a multi."""
    if record is None:
        return b""
    return encode_request(record) if op in _MULTIS else schema.encode(record)
