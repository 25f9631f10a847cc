"""What a learner does with its clients' requests, with a scripted leader."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.learning_rig import OPEN, Learner
from tests.server.rig import Client, Reply, create, frame, put, request
from zoo.errors import Code
from zoo.jute.client_records import (
    AuthPacket,
    ConnectRequest,
    ConnectResponse,
    DeleteRequest,
    GetDataRequest,
    SetDataRequest,
    SyncRequest,
)
from zoo.jute.operations import Op
from zoo.jute.records import ACL, Id
from zoo.jute.schema import decode, encode
from zoo.jute.txn_records import (
    CloseSessionTxn,
    CreateSessionTxn,
    CreateTxn,
    ErrorTxn,
    SetDataTxn,
)
from zoo.session.ids import password


def created(path: bytes) -> CreateTxn:
    return CreateTxn(path, b"", OPEN, False, 1)


def ask(client: Client, xid: int, op: int, body: Any = b"") -> list[Reply]:
    client.send(request(xid, op, body))
    return client.replies()


def test_a_write_goes_to_the_leader_and_is_answered_when_it_comes_back() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    assert ask(client, 7, Op.create, create(b"/a")) == []
    sent = learner.take()
    assert sent[:3] == (session_id, 7, Op.create)
    assert sent.payload == encode(create(b"/a"))
    assert sent.identities == [Id("ip", "10.0.0.1")]
    learner.commits(session_id, 7, Op.create, created(b"/a"))
    (reply,) = client.replies()
    assert reply == Reply(7, learner.zxid, 0, b"\0\0\0\2/a")
    assert learner.core.outstanding == 0


def test_identities_that_were_earned_go_along() -> None:
    learner = Learner()
    client, _ = learner.newcomer()
    ask(client, -4, Op.auth, AuthPacket(0, "digest", b"me:secret"))
    ask(client, 1, Op.create, create(b"/a"))
    assert [identity.scheme for identity in learner.take().identities] == ["ip", "digest"]


def test_requests_behind_a_write_wait_for_it() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    other, _ = learner.newcomer()
    client.send(
        request(1, Op.create, create(b"/a"))
        + request(2, Op.getData, GetDataRequest(b"/a", False))
        + request(3, Op.setData, put(b"/a", b"x"))
        + request(-2, Op.ping)
    )
    assert client.replies() == []
    assert [reply.err for reply in other.ask((Op.getData, GetDataRequest(b"/a", False)))] == [
        Code.NONODE
    ]
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    assert [reply.xid for reply in client.replies()] == [1, 2]
    learner.commits(session_id, 3, Op.setData, SetDataTxn(b"/a", b"x", 1))
    assert [reply.xid for reply in client.replies()] == [3, -2]


def test_the_watch_event_is_ahead_of_the_reply() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    learner.commits(1, 1, Op.create, created(b"/a"))
    ask(client, 1, Op.getData, GetDataRequest(b"/a", True))
    ask(client, 2, Op.setData, put(b"/a", b"x"))
    learner.commits(session_id, 2, Op.setData, SetDataTxn(b"/a", b"x", 1))
    assert [reply.xid for reply in client.replies()] == [-1, 2]


def test_a_refusal_comes_as_an_error_transaction() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 3, Op.delete, DeleteRequest(b"/none", -1))
    learner.commits(session_id, 3, Op.error, ErrorTxn(Code.NONODE))
    assert client.replies() == [Reply(3, learner.zxid, Code.NONODE, b"")]


def test_what_cannot_be_decoded_never_reaches_the_leader() -> None:
    learner = Learner()
    client, _ = learner.newcomer()
    (reply,) = ask(client, 5, Op.create, b"\0\0\0\x09/a")
    assert reply.err == Code.MARSHALLINGERROR
    assert not learner.sent
    assert learner.core.outstanding == 0


def test_an_old_write_with_the_same_xid_is_not_taken_for_the_new_one() -> None:
    """A client that begins anew at xid 1, while its last connection's xid 1 is on its way."""
    learner = Learner()
    client, session_id = learner.newcomer()
    old = learner.proposes()
    ask(client, 1, Op.setData, put(b"/b", b"x"))
    learner.commits(session_id, 1, Op.setData, SetDataTxn(b"/zookeeper", b"", 1))
    assert learner.zxid == old
    assert client.replies() == []
    learner.commits(session_id, 1, Op.error, ErrorTxn(Code.NONODE))
    assert client.replies() == [Reply(1, learner.zxid, Code.NONODE, b"")]


def test_another_operation_with_the_same_xid_is_not_it_either() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 1, Op.delete, DeleteRequest(b"/a", -1))
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    assert client.replies() == []


def test_a_moved_session_loses_its_connection_without_an_answer() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 1, Op.delete, DeleteRequest(b"/a", -1))
    learner.commits(session_id, 1, Op.error, ErrorTxn(Code.SESSIONMOVED))
    assert client.replies() == []
    assert not client.is_open


def test_a_connection_that_is_gone_leaves_nothing_behind() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 1, Op.create, create(b"/a"))
    ask(client, 2, Op.sync, SyncRequest(b"/"))
    assert learner.core.outstanding == 2
    client.leave()
    assert learner.core.outstanding == 0
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    learner.syncs()
    assert b"/a" in learner.tree.nodes
    assert session_id in learner.core.sessions


# --- sync


def test_a_sync_is_answered_when_the_leader_says_so() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    client.send(
        request(1, Op.create, create(b"/a"))
        + request(2, Op.sync, SyncRequest(b"/s"))
        + request(3, Op.getData, GetDataRequest(b"/b", False))
    )
    assert [(sent.cxid, sent.op) for sent in learner.sent] == [(1, Op.create), (2, Op.sync)]
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    learner.commits(1, 1, Op.create, CreateTxn(b"/b", b"", OPEN, False, 2))
    assert [reply.xid for reply in client.replies()] == [1]
    learner.syncs()
    synced, read = client.replies()
    assert synced == Reply(2, learner.zxid, 0, b"\0\0\0\2/s")
    assert (read.xid, read.err) == (3, 0)


def test_syncs_are_answered_in_the_order_of_the_requests() -> None:
    learner = Learner()
    one, _ = learner.newcomer()
    two, _ = learner.newcomer()
    ask(one, 1, Op.sync, SyncRequest(b"/"))
    ask(two, 1, Op.sync, SyncRequest(b"/"))
    learner.syncs()
    assert len(one.replies()) == 1
    assert two.replies() == []
    learner.syncs()
    assert len(two.replies()) == 1


def test_a_sync_that_overtook_a_write_waits_for_it() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    client.send(request(1, Op.create, create(b"/a")) + request(2, Op.sync, SyncRequest(b"/")))
    learner.syncs()
    assert client.replies() == []
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    assert [reply.xid for reply in client.replies()] == [1, 2]


def test_a_sync_nobody_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    Learner().syncs()
    assert "nobody has asked" in caplog.text


# --- sessions


def test_closing_a_session_is_the_leaders_business() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 9, Op.closeSession)
    assert learner.take()[:4] == (session_id, 9, Op.closeSession, b"")
    learner.commits(session_id, 9, Op.closeSession, CloseSessionTxn([]))
    assert client.replies() == [Reply(9, learner.zxid, 0, b"")]
    assert not client.is_open
    assert session_id not in learner.core.sessions


def test_an_expired_session_loses_its_connection() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 1, Op.create, create(b"/a"))
    learner.commits(session_id, 0, Op.closeSession, CloseSessionTxn([]))
    assert not client.is_open
    assert client.replies() == []


def test_a_learner_expires_nobody() -> None:
    learner = Learner()
    _, session_id = learner.newcomer()
    learner.live(100_000)
    assert not learner.sent
    assert session_id in learner.core.sessions


def resume(session_id: int) -> bytes:
    hello = ConnectRequest(0, 0, 10_000, session_id, password(session_id), False)
    return frame(encode(hello))


def test_a_session_is_taken_up_again_if_the_leader_knows_it() -> None:
    learner = Learner()
    learner.commits(77, 0, Op.createSession, CreateSessionTxn(10_000))
    client = Client(learner)
    client.send(resume(77) + request(1, Op.create, create(b"/a")))
    assert learner.asked == [(77, 10_000)]
    assert not learner.sent
    learner.answers(77, True)
    assert decode(ConnectResponse, client.frames()[0]).session_id == 77
    assert learner.take()[:3] == (77, 1, Op.create)


def test_a_session_that_the_leader_does_not_know_has_ended() -> None:
    learner = Learner()
    client = Client(learner)
    client.send(resume(77))
    learner.answers(77, False)
    assert decode(ConnectResponse, client.frames()[0]).session_id == 0
    assert not client.is_open


def test_a_session_that_has_not_come_to_us_yet_must_try_again() -> None:
    learner = Learner()
    client = Client(learner)
    client.send(resume(77))
    learner.answers(77, True)
    assert client.frames() == []
    assert not client.is_open


def test_a_wrong_password_is_refused_without_asking() -> None:
    learner = Learner()
    learner.commits(77, 0, Op.createSession, CreateSessionTxn(10_000))
    client = Client(learner)
    client.send(frame(encode(ConnectRequest(0, 0, 10_000, 77, bytes(16), False))))
    assert learner.asked == []
    assert decode(ConnectResponse, client.frames()[0]).session_id == 0


def test_the_previous_connection_of_a_session_goes() -> None:
    learner = Learner()
    old, session_id = learner.newcomer()
    new = Client(learner)
    new.send(resume(session_id))
    assert old.is_open
    learner.answers(session_id, True)
    assert not old.is_open
    assert decode(ConnectResponse, new.frames()[0]).session_id == session_id


def test_of_two_who_take_up_a_session_the_later_one_gets_it() -> None:
    learner = Learner()
    learner.commits(77, 0, Op.createSession, CreateSessionTxn(10_000))
    one, two = Client(learner), Client(learner)
    one.send(resume(77))
    two.send(resume(77))
    learner.answers(77, True)
    learner.answers(77, True)
    assert not one.is_open
    assert len(two.frames()) == 1


def test_who_left_while_the_leader_was_asked_gets_no_answer() -> None:
    learner = Learner()
    learner.commits(77, 0, Op.createSession, CreateSessionTxn(10_000))
    client = Client(learner)
    client.send(resume(77))
    client.leave()
    learner.answers(77, True)
    assert 77 not in learner.core.attached


def test_touched_tells_whose_clients_were_heard_of() -> None:
    learner = Learner()
    one, first = learner.newcomer()
    two, second = learner.newcomer()
    learner.tick(400)
    learner.forwarding.touched()
    learner.tick(400)
    ask(two, -2, Op.ping)
    assert learner.forwarding.touched() == [(second, 10_000)]
    learner.tick(400)
    ask(one, -2, Op.ping)
    assert (first, 10_000) in learner.forwarding.touched()
    learner.tick(400)
    learner.forwarding.touched()
    learner.tick(400)
    assert learner.forwarding.touched() == []


def test_the_last_sign_of_life_of_a_client_that_leaves_is_told_once() -> None:
    learner = Learner()
    one, first = learner.newcomer()
    learner.tick(400)
    learner.forwarding.touched()
    learner.tick(400)
    ask(one, -2, Op.ping)
    one.leave()
    assert learner.forwarding.touched() == [(first, 10_000)]
    assert learner.forwarding.touched() == []


def test_a_frame_that_is_no_request_at_all() -> None:
    learner = Learner()
    client, _ = learner.newcomer()
    (reply,) = ask(client, 1, 99)
    assert reply.err == Code.UNIMPLEMENTED
    assert not client.is_open


# --- runs of plain writes


def test_plain_writes_travel_in_runs() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    client.send(
        request(1, Op.create, create(b"/a"))
        + request(2, Op.setData, put(b"/a", b"x"))
        + request(3, Op.create2, create(b"/b", flags=2))
        + request(4, Op.delete, DeleteRequest(b"/b", -1))
        + request(5, Op.setData, put(b"/a", b"y"))
    )
    assert learner.runs == [3, 1]
    assert [(sent.cxid, sent.op) for sent in learner.sent] == [
        (1, Op.create),
        (2, Op.setData),
        (3, Op.create2),
        (4, Op.delete),
        (5, Op.setData),
    ]
    assert learner.core.outstanding == 5
    assert not learner.core.proposals
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    learner.commits(session_id, 2, Op.setData, SetDataTxn(b"/a", b"x", 1))
    assert [reply.xid for reply in client.replies()] == [1, 2]
    assert learner.core.outstanding == 3


writes = st.sampled_from(
    [
        (Op.create, encode(create(b"/a", b"data"))),
        (Op.create2, encode(create(b"/a", flags=3))),
        (Op.create, encode(create(b"/a", acl=[ACL(1, "world", "anyone")]))),
        (Op.setData, encode(put(b"/a", b"x"))),
        (Op.setData, encode(put(b"/a", b"", 7))),
        (Op.setData, encode(SetDataRequest(b"/a", None, -1))),
        (Op.setData, encode(put(b"", b""))),
        (Op.delete, encode(DeleteRequest(b"/a", -1))),
        (Op.getData, encode(GetDataRequest(b"/a", False))),
        (Op.sync, encode(SyncRequest(b"/"))),
    ]
)
broken = st.builds(
    lambda write, at, byte: (write[0], write[1][:at] + bytes([byte]) + write[1][at + 1 :]),
    writes,
    st.integers(0, 40),
    st.sampled_from([0, 1, 0x7F, 0xFF]),
)


@given(st.lists(st.one_of(writes, writes, broken), max_size=12))
def test_the_short_way_forwards_what_the_long_one_does(bodies: list[tuple[int, bytes]]) -> None:
    short, long = Learner(), Learner()
    long.core.plain_writes = {}
    seen = []
    for learner in (short, long):
        client, _ = learner.newcomer()
        client.send(b"".join(request(xid, op, body) for xid, (op, body) in enumerate(bodies)))
        waiting = [type(item).__name__ for item in client.connection.waiting]
        seen.append((learner.sent, waiting, client.replies(), learner.core.outstanding))
    assert seen[0] == seen[1]
    assert not long.runs
