"""The checker of syncs: who has asked for one sees all that was committed before, by whomever.

Theory of operation. A server that was replaced as the leader may not know it yet, and its tree is
old. Clients cannot tell; to them a sync followed by a read is how to see what others were told.
"""

from __future__ import annotations

from zoo.jute.operations import Op
from zoo.sim.checking import Checker
from zoo.sim.client import Request, SimClient
from zoo.sim.history import History
from zoo.sim.schedule import Schedule


class Syncs(Checker):
    """The reply's zxid is that of the state which the client reads from then on."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self._asked: dict[tuple[int, int], int] = {}  # session, xid -> what was committed then

    def sent(self, client: SimClient, request: Request) -> None:
        if request.op == Op.sync:
            self._asked[client.session_id, request.xid] = self.history.last_zxid

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        wanted = self._asked.pop((client.session_id, request.xid), 0)
        if not err and zxid < wanted:
            self.violated(
                f"{client} #{request.xid} is in step at 0x{zxid:x}, when it asked for that "
                f"0x{wanted:x} was committed"
            )
