"""Requests that learners forward, at a server that decides. The learners are plain objects here."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

from tests.server.rig import CONNECT, Client, Server, create, frame, put, request
from zoo.errors import Code
from zoo.jute.client_records import ConnectRequest, ConnectResponse, DeleteRequest, SetACLRequest
from zoo.jute.operations import Op
from zoo.jute.records import ACL, Id
from zoo.jute.schema import decode, encode
from zoo.jute.txn_records import CreateSessionTxn
from zoo.jute.txns import LoggedTxn, decode_txn
from zoo.server import remote
from zoo.server.member import Member
from zoo.server.writing import Deciding
from zoo.session.ids import password

ME = [Id("ip", "10.0.0.1"), Id("digest", "me:hash")]
SESSION = 0x2000


class Leader(Server):
    def forwarded(
        self,
        learner: Any,
        session_id: int,
        cxid: int,
        op: int,
        body: Any = b"",
        identities: Sequence[Id] = ME,
    ) -> LoggedTxn:
        """The transaction that a request becomes; there is one in any case."""
        payload: bytes = body if isinstance(body, bytes) else encode(body)
        before = len(self.entries)
        self.begin()
        remote.request(self.core, learner, session_id, cxid, op, payload, identities)
        self.end()
        (entry,) = self.entries[before:]
        txn = decode_txn(entry)
        assert (txn.header.client_id, txn.header.cxid) == (session_id, cxid)
        return txn

    def opens(self, learner: Any, session_id: int = SESSION) -> None:
        self.forwarded(learner, session_id, 0, Op.createSession, CreateSessionTxn(10_000))


def error(txn: LoggedTxn) -> int:
    return int(txn.record.err) if txn.header.type == Op.error else 0


def test_sessions_and_writes_of_a_learners_clients() -> None:
    leader, learner = Leader(), object()
    leader.opens(learner)
    assert leader.core.sessions.get(SESSION) is not None
    txn = leader.forwarded(learner, SESSION, 1, Op.create, create(b"/a", flags=1))
    assert txn.header.type == Op.create
    assert SESSION in leader.tree.ephemerals
    txn = leader.forwarded(learner, SESSION, 2, Op.setData, put(b"/a", b"x"))
    assert txn.record.version == 1
    txn = leader.forwarded(learner, SESSION, 3, Op.closeSession)
    assert txn.record.paths_to_delete == [b"/a"]
    assert leader.core.sessions.get(SESSION) is None
    assert b"/a" not in leader.tree.nodes


def test_refusals_are_transactions_too() -> None:
    leader, learner = Leader(), object()
    leader.opens(learner)
    assert error(leader.forwarded(learner, SESSION, 1, Op.delete, DeleteRequest(b"/no", -1))) == (
        Code.NONODE
    )
    for op in (Op.setData, Op.create, Op.multi, Op.reconfig):
        assert error(leader.forwarded(learner, SESSION, 2, op, b"\0")) == Code.MARSHALLINGERROR
    assert error(leader.forwarded(learner, SESSION, 3, Op.check, b"")) == Code.UNIMPLEMENTED
    assert error(leader.forwarded(learner, 0x99, 0, Op.createSession, b"")) == (
        Code.MARSHALLINGERROR
    )


def test_whoever_has_no_session_is_told_so() -> None:
    leader = Leader()
    assert error(leader.forwarded(object(), 7, 1, Op.create, create(b"/a"))) == Code.SESSIONEXPIRED


def test_the_identities_of_each_request_count() -> None:
    leader, learner = Leader(), object()
    leader.opens(learner)
    mine = SetACLRequest(b"/a", [ACL(31, "digest", "me:hash")], -1)
    leader.forwarded(learner, SESSION, 1, Op.create, create(b"/a"))
    assert error(leader.forwarded(learner, SESSION, 2, Op.setACL, mine)) == 0
    assert error(leader.forwarded(learner, SESSION, 3, Op.setData, put(b"/a"), ())) == Code.NOAUTH
    assert error(leader.forwarded(learner, SESSION, 4, Op.setData, put(b"/a"))) == 0


def test_a_new_leader_takes_the_first_who_writes_for_the_owner() -> None:
    leader, one, two = Leader(), object(), object()
    leader.core.sessions.track(SESSION, 10_000)
    assert error(leader.forwarded(one, SESSION, 1, Op.create, create(b"/a"))) == 0
    assert error(leader.forwarded(two, SESSION, 1, Op.create, create(b"/b"))) == Code.SESSIONMOVED


def test_after_revalidation_the_old_learner_is_refused() -> None:
    leader, one, two = Leader(), object(), object()
    leader.opens(one)
    assert remote.revalidate(leader.core, two, SESSION, 9_000)
    for op, body in ((Op.create, create(b"/a")), (Op.setData, put(b"/zookeeper"))):
        assert error(leader.forwarded(one, SESSION, 5, op, body)) == Code.SESSIONMOVED
        assert error(leader.forwarded(two, SESSION, 5, op, body)) == 0
    session = leader.core.sessions.get(SESSION)
    assert session is not None
    assert session.timeout == 9_000


def test_only_living_sessions_are_valid() -> None:
    leader, learner = Leader(), object()
    assert not remote.revalidate(leader.core, learner, SESSION, 10_000)
    leader.opens(learner)
    leader.core.sessions.mark_closing(SESSION)
    assert not remote.revalidate(leader.core, learner, SESSION, 10_000)


def test_a_client_of_ours_that_has_moved_to_a_learner() -> None:
    leader, learner = Leader(), object()
    client = leader.client()
    session_id = client.connection.session_id
    leader.begin()
    assert remote.revalidate(leader.core, learner, session_id, 10_000)
    leader.end()
    assert not client.is_open
    assert error(leader.forwarded(learner, session_id, 1, Op.create, create(b"/a"))) == 0


def test_a_client_of_a_learner_that_has_moved_to_us() -> None:
    leader, learner = Leader(), object()
    leader.opens(learner)
    client = Client(leader)
    again = ConnectRequest(0, 0, 10_000, SESSION, password(SESSION), False)
    client.send(frame(encode(again)) + request(1, Op.create, create(b"/mine")))
    hello, reply = client.frames()
    assert decode(ConnectResponse, hello).session_id == SESSION
    assert reply[12:16] == bytes(4)
    late = leader.forwarded(learner, SESSION, 9, Op.create, create(b"/late"))
    assert error(late) == Code.SESSIONMOVED


def test_touching_keeps_a_session_alive() -> None:
    leader, learner = Leader(), object()
    leader.opens(learner)
    leader.opens(learner, SESSION + 1)
    for _ in range(30):
        leader.live(1000)
        remote.touch(leader.core, SESSION, 12_000)
    remote.touch(leader.core, SESSION + 7, 12_000)
    assert [*dict(leader.core.sessions.items()).items()] == [(SESSION, 12_000)]


class Link:
    """A learner that can be watched going away."""


def test_a_session_that_ends_leaves_no_cycle_of_references() -> None:
    leader, learner = Leader(), Link()
    leader.opens(learner)
    leader.forwarded(learner, SESSION, 1, Op.create, create(b"/a"))
    client = leader.client(CONNECT)
    left = weakref.ref(learner), weakref.ref(client.connection)
    gc.collect()
    gc.disable()
    try:
        leader.forwarded(learner, SESSION, 2, Op.closeSession)
        client.ask(Op.closeSession)
        leader.clients.clear()
        del client, learner
        assert [each() for each in left] == [None, None]
    finally:
        gc.enable()


# --- runs


class Following(Leader):
    """One that takes runs, as a member does."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0
        self.member = Member(self.core, 5)
        self.core.serve(Deciding(self.core), self.core.role)
        self.member.start_leading(self)  # type: ignore[arg-type]
        self.core.prep.order = self.core.role

    def sync(self, learner: Any) -> None:
        self.syncs += 1


def bodies() -> list[tuple[int, bytes]]:
    closed = [ACL(31, "digest", "me:hash")]
    return [
        (Op.create, encode(create(b"/a"))),
        (Op.setData, encode(put(b"/a", b"1"))),
        (Op.setData, encode(put(b"/a", b"2", 1))),
        (Op.setData, encode(put(b"/a", b"3", 1))),
        (Op.create2, encode(create(b"/a/s", flags=2))),
        (Op.create, encode(create(b"/a/e", flags=1))),
        (Op.sync, b""),
        (Op.setACL, encode(SetACLRequest(b"/a", closed, -1))),
        (Op.setData, encode(put(b"/a", b"4"))),
        (Op.setData, b"\0\0"),
        (Op.delete, encode(DeleteRequest(b"/a", -1))),
        (Op.closeSession, b""),
        (Op.setData, encode(put(b"/a", b"5"))),
    ]


def test_a_run_of_requests_is_what_they_are_one_by_one() -> None:
    one, run = Following(), Following()
    learner = object()
    for leader in (one, run):
        leader.opens(learner)
    one.begin()
    for cxid, (op, body) in enumerate(bodies()):
        one.member.request(learner, SESSION, cxid, op, body, ME)
    one.end()
    run.begin()
    frames = b"".join(request(cxid, op, body) for cxid, (op, body) in enumerate(bodies()))
    run.member.request_run(learner, SESSION, frames, ME)
    run.end()
    assert run.entries == one.entries
    assert len(run.entries) == len(bodies())  # the sync is none, the session's begin is
    assert (one.syncs, run.syncs) == (1, 1)
    codes = [error(decode_txn(entry)) for entry in run.entries]
    assert codes.count(0) == len(codes) - 4


def test_a_learner_may_ask_for_the_refusal_itself() -> None:
    """It has observers of its own, and knows which of them has the session now."""
    leader, learner = Leader(), object()
    leader.opens(learner)
    assert error(leader.forwarded(learner, SESSION, 4, Op.error)) == Code.SESSIONMOVED


def test_a_run_of_somebody_elses_session_is_refused() -> None:
    leader = Following()
    leader.opens(object())
    leader.begin()
    frames = request(1, Op.setData, put(b"/zookeeper")) + request(2, Op.create, create(b"/a"))
    leader.member.request_run(object(), SESSION, frames, ME)
    leader.end()
    codes = [error(decode_txn(entry)) for entry in leader.entries[1:]]
    assert codes == [Code.SESSIONMOVED, Code.SESSIONMOVED]
