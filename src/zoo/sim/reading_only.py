"""The checker of read-only mode: old perhaps, but never wrong, and nothing is promised there.

Theory of operation. A member without a leader that serves reads shows the state that it has, which
the ensemble must have agreed on at some time; Reads compares each reply with the state at the zxid
in its header, and this checker demands that there is such a zxid. Whatever would change something
is refused. Who did not say that it is content with reads is not served; who is, is told. A client
carries the zxid it has seen from one server and session to the next, so its time runs forward only.
"""

from __future__ import annotations

from typing import Any

from zoo.errors import Code
from zoo.jute.client_records import ConnectResponse
from zoo.jute.operations import OPERATIONS, Op
from zoo.sim.checking import Checker
from zoo.sim.client import Request, SimClient
from zoo.sim.history import History
from zoo.sim.schedule import Schedule

_SILENT = (Op.auth, Op.sasl)  # their replies carry no zxid


class ReadingOnly(Checker):
    """See the module's theory of operation. `may_be`: members may serve reads alone."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self.may_be = False
        self.read = self.refusals = 0
        self._seen: dict[SimClient, int] = {}

    def connected(self, client: SimClient, response: ConnectResponse) -> None:
        if response.read_only and not (self.may_be and client.accepts_read_only):
            self.violated(f"s{client.server} admits {client} to read only, which it did not want")

    def refused(self, client: SimClient) -> None:
        """It begins anew, and asks for nothing that it has seen."""
        self._seen.pop(client, None)

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        if request.op in _SILENT:
            return
        self._shown(client, zxid)
        changes = OPERATIONS[request.op].is_write and request.op != Op.closeSession
        if not client.is_read_only:
            if err == Code.NOTREADONLY:
                self.violated(
                    f"{client}: {request} is refused by s{client.server}, which may write"
                )
        elif changes or request.op == Op.sync:
            self.refusals += 1
            if err != Code.NOTREADONLY:
                self.violated(f"s{client.server}, which only reads, answers {request} with {err}")
        else:
            self.read += 1

    def ponged(self, client: SimClient, zxid: int) -> None:
        self._shown(client, zxid)

    def notified(self, client: SimClient, zxid: int, event: Any) -> None:
        if client.is_read_only and zxid != -1:
            self.violated(f"{client} hears of a change at 0x{zxid:x} where nothing changes")

    def _shown(self, client: SimClient, zxid: int) -> None:
        if client.is_read_only and zxid and zxid not in self.history.txns:
            self.violated(f"{client} is shown the state at 0x{zxid:x}, which was never agreed on")
        if zxid < self._seen.get(client, 0):
            self.violated(f"{client} is shown 0x{zxid:x} after 0x{self._seen[client]:x}")
        self._seen[client] = zxid
