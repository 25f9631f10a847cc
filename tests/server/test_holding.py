"""Requests that nobody decides about, and how they are asked for again."""

from __future__ import annotations

from tests.server.learning_rig import Learner
from tests.server.rig import CONNECT, Client, Server, create, frame, put, request
from tests.server.test_learning import ask, created
from zoo.errors import Code
from zoo.jute.client_records import ConnectRequest, GetDataRequest, SyncRequest
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.server.holding import Holding
from zoo.server.learning import Forwarding
from zoo.session.ids import password


def another_leader(learner: Learner, holding: Holding) -> None:
    """The next leader is there: the core forwards to it."""
    learner.begin()
    learner.forwarding = Forwarding(learner.core, learner, lambda: learner.logged)
    learner.core.serve(learner.forwarding, None)
    holding.ask_again()
    learner.end()


def test_what_was_forwarded_and_what_came_later_is_asked_again_in_order() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 1, Op.create, create(b"/a"))  # plain
    ask(client, 2, Op.delete, encode(GetDataRequest(b"/a", False))[:-1] + b"\xff\xff\xff\xff")
    before = [learner.take(), learner.take()]
    holding = Holding(learner.core, {})
    assert ask(client, 3, Op.setData, put(b"/a", b"3")) == []
    assert ask(client, 4, Op.getData, GetDataRequest(b"/a", False)) == []
    assert ask(client, 5, Op.sync, SyncRequest(b"/")) == []
    assert not learner.sent
    another_leader(learner, holding)
    again = [learner.take() for _ in range(4)]
    assert again[:2] == before
    assert [sent.cxid for sent in again] == [1, 2, 3, 5]
    assert learner.core.outstanding == 4
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    assert [reply.xid for reply in client.replies()] == [1]


def test_what_the_last_leader_committed_is_not_asked_again() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    ask(client, 1, Op.create, create(b"/a"))
    ask(client, 2, Op.setData, put(b"/a", b"2"))
    learner.sent.clear()
    holding = Holding(learner.core, learner.forwarding.coming_back())
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    assert [reply.xid for reply in client.replies()] == [1]
    another_leader(learner, holding)
    assert [sent.cxid for sent in learner.sent] == [2]
    assert learner.core.outstanding == 1


def test_no_transaction_answers_what_nobody_was_asked() -> None:
    learner = Learner()
    client, session_id = learner.newcomer()
    Holding(learner.core, {})
    ask(client, 1, Op.create, create(b"/a"))
    learner.commits(session_id, 1, Op.create, created(b"/a"))
    assert client.replies() == [], "that was a request of an earlier connection"


def test_sessions_begin_and_come_back_under_the_next_leader() -> None:
    learner = Learner()
    _, session_id = learner.newcomer()
    half = Client(learner)
    half.send(frame(encode(CONNECT)))
    first = learner.take()
    holding = Holding(learner.core, learner.forwarding.coming_back())
    opened, back = Client(learner), Client(learner)
    opened.send(frame(encode(CONNECT)))
    back.send(frame(encode(ConnectRequest(0, 0, 10_000, session_id, password(session_id), False))))
    assert not learner.sent
    another_leader(learner, holding)
    assert [sent.op for sent in learner.sent] == [Op.createSession] * 2
    assert first.session_id not in learner.core.attached, "it has another number now"
    assert [asked[0] for asked in learner.asked] == [session_id]
    learner.answers(session_id, True)
    assert back.frames()


def test_who_leaves_is_forgotten() -> None:
    learner = Learner()
    client, _ = learner.newcomer()
    holding = Holding(learner.core, {})
    ask(client, 1, Op.setData, put(b"/a"))
    opened = Client(learner)
    opened.send(frame(encode(CONNECT)))
    client.leave()
    opened.leave()
    assert learner.core.outstanding == 0
    another_leader(learner, holding)
    assert not learner.sent


def test_a_leader_that_goes_on_keeps_the_order_of_each_session() -> None:
    server = Server()
    client = server.client()
    deciding = server.core.writing
    server.disk_works = False
    client.send(request(1, Op.create, create(b"/a")))  # prepared
    client.send(request(2, Op.getData, GetDataRequest(b"/a", False)))  # behind it
    holding = Holding(server.core, {})
    client.send(request(3, Op.setData, put(b"/a", b"x")))
    client.send(request(4, Op.setData, b"\0\0\0\x7f"))  # not decodable
    client.send(request(5, Op.closeSession))
    assert client.replies() == []
    server.core.writing, server.core.plain_writes = deciding, deciding.plain_writes
    holding.ask_again()
    server.disk_works = True
    server.end()
    replies = client.replies()
    assert [reply.xid for reply in replies] == [1, 2, 3, 4, 5]
    assert [reply.err for reply in replies] == [0, 0, 0, Code.MARSHALLINGERROR, 0]
    assert server.core.outstanding == 0
