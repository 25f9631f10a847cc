"""A learner's core, with the test as its leader."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

from tests.server.rig import CONNECT, WALL, Client, Server, create, frame
from zoo.jute.client_records import ConnectResponse
from zoo.jute.operations import Op
from zoo.jute.records import Id
from zoo.jute.schema import decode, encode
from zoo.jute.txn_records import CreateSessionTxn, TxnHeader
from zoo.jute.txns import encode_txn
from zoo.server.learning import Forwarding, apply
from zoo.session.ids import password

OPEN = create(b"/").acl
REQUEST = Struct(">ii")  # xid, operation
EPOCH = 1 << 32


class Sent(NamedTuple):
    session_id: int
    cxid: int
    op: int
    payload: bytes
    identities: list[Id]


class Learner(Server):
    """A core that forwards; the test plays the leader."""

    mode = "follower"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []
        self.runs: list[int] = []
        self.asked: list[tuple[int, int]] = []
        self.zxid = self.logged = EPOCH
        self.core.stop_serving()
        self.forwarding = Forwarding(self.core, self, lambda: self.logged)
        self.core.serve(self.forwarding, None)

    # zoo.zab.replica.Learning
    def forward(
        self, session_id: int, cxid: int, op: int, payload: bytes, identities: Sequence[Id]
    ) -> None:
        self.sent.append(Sent(session_id, cxid, op, payload, list(identities)))

    def forward_run(
        self, session_id: int, requests: Sequence[bytes], identities: Sequence[Id]
    ) -> None:
        self.runs.append(len(requests))
        for each in requests:
            cxid, op = REQUEST.unpack_from(each)
            self.forward(session_id, cxid, op, each[REQUEST.size :], identities)

    def revalidate(self, session_id: int, timeout: int) -> None:
        self.asked.append((session_id, timeout))

    # the leader
    def take(self) -> Sent:
        return self.sent.pop(0)

    def proposes(self) -> int:
        self.logged += 1
        return self.logged

    def commits(self, session_id: int, cxid: int, op: int, record: Any) -> None:
        """The next transaction is committed."""
        self.zxid += 1
        self.logged = max(self.logged, self.zxid)
        self.begin()
        entry = encode_txn(TxnHeader(session_id, cxid, self.zxid, WALL, op), record)
        self.forwarding.applied(entry, apply(self.core, entry))
        self.end()

    def syncs(self) -> None:
        self.begin()
        self.forwarding.synced()
        self.end()

    def answers(self, session_id: int, valid: bool) -> None:
        self.begin()
        self.forwarding.revalidated(session_id, valid)
        self.end()

    def newcomer(self) -> tuple[Client, int]:
        """A client with a session."""
        client = Client(self)
        client.send(frame(encode(CONNECT)))
        sent = self.take()
        assert (sent.cxid, sent.op) == (0, Op.createSession)
        timeout = decode(CreateSessionTxn, sent.payload).timeout
        self.commits(sent.session_id, 0, Op.createSession, CreateSessionTxn(timeout))
        answer = decode(ConnectResponse, client.frames()[0])
        assert answer.session_id == sent.session_id
        assert answer.passwd == password(sent.session_id)
        return client, sent.session_id
