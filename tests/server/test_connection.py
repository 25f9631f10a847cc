"""One connection: bytes in, bytes out. What each request is answered, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.rig import LENGTH, Client, Reply, Server, create, put, request
from zoo.auth.digest import digest
from zoo.errors import Code
from zoo.jute.client_records import (
    AuthPacket,
    CreateResponse,
    DeleteRequest,
    GetChildrenRequest,
    GetDataRequest,
    GetDataResponse,
    GetSASLRequest,
    SetACLRequest,
    SetDataRequest,
    SetSASLResponse,
    SyncRequest,
    WatcherEvent,
)
from zoo.jute.constants import CREATOR_ALL_ACL, EventType, KeeperState
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import decode, encode

ANN = AuthPacket(0, "digest", b"ann:secret")


def get(path: bytes, watch: bool = False) -> tuple[int, GetDataRequest]:
    return Op.getData, GetDataRequest(path, watch)


def data_of(reply: Reply) -> bytes | None:
    assert reply.err == 0, reply
    return decode(GetDataResponse, reply.body).data


def errors(replies: list[Reply]) -> list[int]:
    return [reply.err for reply in replies]


def xids(replies: list[Reply]) -> list[int]:
    return [reply.xid for reply in replies]


@pytest.fixture
def server() -> Server:
    server = Server()
    server.client().ask((Op.create, create(b"/a", b"0")), Op.closeSession)
    return server


@pytest.fixture
def client(server: Server) -> Client:
    return server.client()


# --- reads


@pytest.mark.parametrize("op", [Op.getData, Op.exists])
@pytest.mark.parametrize(
    "path", [b"/", b"", b"/a", b"/void", b"/null", b"/up", b"/mine", b"/no", b"/up/kid", b"bad"]
)
def test_the_short_way_and_the_long_way_answer_the_same_bytes(
    client: Client, op: int, path: bytes
) -> None:
    made = [create(b"/void"), create(b"/up", b"p"), create(b"/up/kid"), create(b"/null")]
    client.ask(*((Op.create, record) for record in made))
    client.ask(
        (Op.create, create(b"/mine", b"m", flags=1)),
        (Op.setData, SetDataRequest(b"/null", None, -1)),
    )
    (short,) = client.ask((op, GetDataRequest(path, False)))
    (long,) = client.ask((op, GetDataRequest(path, True)))
    assert short == long
    refused, behind = client.ask(
        (Op.delete, DeleteRequest(b"/none", -1)), (op, GetDataRequest(path, False))
    )
    assert (refused.err, behind.zxid) == (Code.NONODE, short.zxid + 1)
    assert behind[2:] == short[2:]


@pytest.mark.parametrize("op", [Op.getData, Op.exists])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        LENGTH.pack(-1) + b"\0",
        LENGTH.pack(-2) + b"\0",
        LENGTH.pack(2) + b"/a",
        LENGTH.pack(3) + b"/a\0",
        LENGTH.pack(1 << 30) + b"/a\0",
    ],
)
def test_a_read_that_cannot_be_decoded_is_told_so_and_the_next_is_served(
    client: Client, op: int, body: bytes
) -> None:
    bad, good = client.ask((op, body), get(b"/a"))
    assert (bad.err, bad.body) == (Code.MARSHALLINGERROR, b"")
    assert data_of(good) == b"0"


def test_bytes_behind_a_record_are_ignored(client: Client) -> None:
    plain, more = client.ask(get(b"/a"), (Op.getData, LENGTH.pack(2) + b"/a\0more"))
    assert plain[1:] == more[1:]


def test_an_acl_holds_on_the_short_way_too(server: Server, client: Client) -> None:
    guard = SetACLRequest(b"/a", list(CREATOR_ALL_ACL), -1)
    assert errors(client.ask((Op.auth, ANN), (Op.setACL, guard))) == [0, 0]
    assert data_of(client.ask(get(b"/a"))[0]) == b"0"
    other = server.client()
    assert errors(other.ask(get(b"/a"), get(b"/a", True))) == [Code.NOAUTH] * 2
    assert errors(other.ask((Op.exists, GetDataRequest(b"/a", False)))) == [Code.NOAUTH]


# --- the order of replies


def test_reads_behind_a_write_see_it_and_no_later_one(server: Server, client: Client) -> None:
    server.disk_works = False
    pipeline = [(Op.setData, put(b"/a", b"1")), get(b"/a"), (Op.setData, put(b"/a", b"2"))]
    assert client.ask(*pipeline, get(b"/a"), Op.ping) == []
    zxid = server.tree.last_zxid
    server.commit()
    replies = client.replies()
    assert xids(replies) == [1, 2, 3, 4, -2]
    assert [reply.zxid - zxid for reply in replies] == [1, 1, 2, 2, 2]
    assert [data_of(replies[1]), data_of(replies[3])] == [b"1", b"2"]


def test_the_same_for_writes_that_take_the_long_way(server: Server, client: Client) -> None:
    server.disk_works = False
    kids = (Op.getChildren, GetChildrenRequest(b"/a", False))
    pipeline = [(Op.create, create(b"/a/%d" % i)) for i in range(3)]
    client.ask(*(request for pair in zip(pipeline, [kids] * 3, strict=True) for request in pair))
    server.commit()
    replies = client.replies()
    assert xids(replies) == [1, 2, 3, 4, 5, 6]
    assert [LENGTH.unpack_from(reply.body)[0] for reply in replies[1::2]] == [1, 2, 3]


def test_a_read_of_another_session_does_not_wait(server: Server, client: Client) -> None:
    other = server.client()
    server.disk_works = False
    client.ask((Op.setData, put(b"/a", b"1")))
    assert data_of(other.ask(get(b"/a"))[0]) == b"0"
    server.commit()
    assert data_of(other.ask(get(b"/a"))[0]) == b"1"


def test_refused_writes_keep_their_place(server: Server, client: Client) -> None:
    server.disk_works = False
    client.ask(
        (Op.setData, put(b"/a", b"1", version=7)),
        (Op.setData, put(b"/no")),
        (Op.setData, b"rubbish"),
        get(b"/a"),
    )
    server.commit()
    replies = client.replies()
    assert errors(replies) == [Code.BADVERSION, Code.NONODE, Code.MARSHALLINGERROR, 0]
    assert data_of(replies[3]) == b"0"
    assert errors(client.ask((Op.create, b""), get(b"/a"))) == [Code.MARSHALLINGERROR, 0]


def test_writes_that_arrive_while_the_disk_is_busy_wait_for_the_next_batch(
    server: Server, client: Client
) -> None:
    server.disk_works = False
    client.ask((Op.setData, put(b"/a", b"1")))
    server.hand_over()
    client.send(request(7, Op.setData, put(b"/a", b"2")) + request(8, *get(b"/a")))
    server.commit()
    assert xids(client.replies()) == [1]
    server.commit()
    assert xids(client.replies()) == [7, 8]


# --- requests of their own kind


def test_a_ping_is_answered_with_its_own_xid(client: Client) -> None:
    client.send(request(-2, Op.ping))
    (reply,) = client.replies()
    assert reply == (-2, client.server.tree.last_zxid, 0, b"")


def test_sync_returns_its_path_behind_the_writes(server: Server, client: Client) -> None:
    replies = client.ask((Op.setData, put(b"/a")), (Op.sync, SyncRequest(b"/a")))
    assert replies[1] == (2, replies[0].zxid, 0, encode(CreateResponse(b"/a")))


def test_sasl_says_yes_and_grants_nothing(client: Client) -> None:
    before = list(client.connection.identities)
    (reply,) = client.ask((Op.sasl, GetSASLRequest(b"token")))
    assert reply[1:] == (0, 0, encode(SetSASLResponse(None)))
    assert client.connection.identities == before


def test_auth_adds_an_identity_once_and_does_not_wait_for_writes(
    server: Server, client: Client
) -> None:
    server.disk_works = False
    client.ask((Op.setData, put(b"/a")))
    client.send(request(-4, Op.auth, ANN) * 2)
    assert client.replies() == [(-4, 0, 0, b"")] * 2
    assert client.connection.identities == [("ip", "10.0.0.1"), ("digest", digest("ann:secret"))]


@pytest.mark.parametrize(
    "packet", [AuthPacket(0, "kerberos", b"ann"), AuthPacket(0, "digest", None)]
)
def test_auth_that_fails_is_answered_and_ends_the_connection(
    client: Client, packet: AuthPacket
) -> None:
    replies = client.ask((Op.auth, packet), get(b"/a"))
    assert [reply[:3] for reply in replies] == [(1, 0, Code.AUTHFAILED)]
    assert not client.is_open


def test_an_auth_packet_that_cannot_be_decoded_ends_the_connection(client: Client) -> None:
    assert client.ask((Op.auth, b"\0")) == []
    assert not client.is_open


@pytest.mark.parametrize("op", [0, 10, 13, 20, -1, -10, -1000, 999, 1 << 30, -(1 << 31)])
@pytest.mark.parametrize("body", [b"", b"\0\0\0\0"])
def test_what_no_client_may_ask_is_unimplemented_and_ends_the_connection(
    server: Server, client: Client, op: int, body: bytes
) -> None:
    server.disk_works = False
    client.ask((Op.setData, put(b"/a", b"1")), (op, body), get(b"/a"))
    client.send(request(9, Op.setData, put(b"/a", b"2")))
    server.commit()
    assert [reply[::2][:2] for reply in client.replies()] == [(1, 0), (2, Code.UNIMPLEMENTED)]
    assert not client.is_open
    assert server.tree.nodes[b"/a"][4:5] == b"2"  # what was prepared by then still commits


# --- the end of a session


def test_close_session_is_answered_last_and_then_the_connection_ends(
    server: Server, client: Client
) -> None:
    server.disk_works = False
    client.ask((Op.create, create(b"/e", flags=1)), get(b"/e"), Op.closeSession, get(b"/a"))
    server.commit()
    replies = client.replies()
    assert xids(replies) == [1, 2, 3]
    assert errors(replies) == [0, 0, 0]
    assert not client.is_open
    assert b"/e" not in server.tree.nodes
    assert len(server.core.sessions) == 0


@pytest.mark.parametrize("cut", [False, True])
def test_writes_behind_close_session_are_refused(server: Server, client: Client, cut: bool) -> None:
    server.disk_works = False
    pieces = [
        request(1, Op.closeSession),
        request(2, Op.setData, put(b"/a", b"late")),
        request(3, Op.create, create(b"/late")),
    ]
    for piece in pieces if cut else [b"".join(pieces)]:
        client.send(piece)
    server.commit()
    assert xids(client.replies()) == [1]
    assert server.tree.nodes[b"/a"][4:5] == b"0"
    assert b"/late" not in server.tree.nodes


def test_close_session_twice(server: Server, client: Client) -> None:
    assert errors(client.ask(Op.closeSession, Op.closeSession)) == [0]
    assert len(server.core.sessions) == 0


def test_requests_of_an_expired_session_are_refused_in_order(
    server: Server, client: Client
) -> None:
    server.disk_works = False
    client.ask((Op.setData, put(b"/a", b"1")))
    server.core.close_session(None, client.connection.session_id, 0)
    client.send(request(2, *get(b"/a")) + request(3, Op.setData, put(b"/a")) + request(4, Op.ping))
    assert client.replies() == []
    server.commit()
    replies = client.replies()
    assert errors(replies)[0] == 0
    assert set(errors(replies)[1:]) <= {Code.SESSIONEXPIRED}
    assert not client.is_open
    assert server.tree.nodes[b"/a"][4:5] == b"1"


def test_a_read_of_an_expired_session_with_nothing_before_it(
    server: Server, client: Client
) -> None:
    server.disk_works = False
    server.core.close_session(None, client.connection.session_id, 0)
    assert errors(client.ask(get(b"/a"))) == [Code.SESSIONEXPIRED]
    server.commit()
    assert not client.is_open


def test_a_session_that_has_moved_is_served_here_no_more(server: Server, client: Client) -> None:
    server.core.sessions.set_owner(client.connection.session_id, object())
    assert errors(client.ask((Op.setData, put(b"/a", b"1")))) == [Code.SESSIONMOVED]
    assert client.is_open
    assert client.ask(get(b"/a")) == []
    assert not client.is_open


def test_writes_of_a_client_that_has_gone_still_commit(server: Server, client: Client) -> None:
    server.disk_works = False
    client.ask((Op.setData, put(b"/a", b"1")), get(b"/a"), (Op.setData, put(b"/a", b"2")))
    client.leave()
    server.commit()
    assert client.take() == b""
    assert server.tree.nodes[b"/a"][4:5] == b"2"
    assert server.core.outstanding == 0
    assert len(server.core.sessions) == 1  # it may come back


# --- watches


def event(type: EventType, path: bytes, zxid: int) -> Reply:
    return Reply(-1, zxid, 0, encode(WatcherEvent(type, KeeperState.SYNC_CONNECTED, path)))


def test_an_event_comes_ahead_of_the_reply_and_once(server: Server, client: Client) -> None:
    client.ask(get(b"/a", True))
    first = client.ask((Op.setData, put(b"/a", b"1")), (Op.setData, put(b"/a", b"2")))
    zxid = server.tree.last_zxid - 1
    assert first[0] == event(EventType.NODE_DATA_CHANGED, b"/a", zxid)
    assert xids(first) == [-1, 1, 2]


def test_an_event_comes_ahead_of_a_read_that_shows_the_change(
    server: Server, client: Client
) -> None:
    client.ask(get(b"/a", True))
    other = server.client()
    server.disk_works = False
    other.ask((Op.setData, put(b"/a", b"1")))
    client.ask((Op.create, create(b"/b")), get(b"/a"))
    server.commit()
    told, _, read = client.replies()
    assert told.xid == -1
    assert data_of(read) == b"1"


def test_a_watch_on_nothing_tells_of_the_creation(client: Client) -> None:
    assert errors(client.ask((Op.exists, GetDataRequest(b"/b", True)))) == [Code.NONODE]
    told, _ = client.ask((Op.create, create(b"/b")))
    assert told == event(EventType.NODE_CREATED, b"/b", told.zxid)


def test_who_may_not_read_a_znode_is_not_told_of_it(server: Server, client: Client) -> None:
    friend, stranger = server.client(), server.client()
    friend.ask((Op.auth, ANN))
    for watcher in (friend, stranger):
        watcher.ask(
            (Op.exists, GetDataRequest(b"/s", True)),
            (Op.getChildren, GetChildrenRequest(b"/", True)),
        )
    secret = [ACL(31, "digest", digest("ann:secret"))]
    client.ask((Op.create, create(b"/s", acl=secret)))
    paths = [decode(WatcherEvent, told.body).path for told in friend.replies()]
    assert paths == [b"/s", b"/"]
    assert [decode(WatcherEvent, told.body).path for told in stranger.replies()] == [b"/"]


def test_no_event_after_the_client_has_gone(server: Server, client: Client) -> None:
    other = server.client()
    other.ask(get(b"/a", True))
    other.leave()
    client.ask((Op.setData, put(b"/a")))
    assert other.take() == b""
    assert server.core.view.watch_count() == 0


# --- frames


@pytest.mark.parametrize("length", [-(1 << 31), -1, 0, 7, 0xFFFFF + 1, (1 << 31) - 1])
@pytest.mark.parametrize("rest", [b"", bytes(64)])
def test_a_frame_of_impossible_length_ends_the_connection(
    client: Client, length: int, rest: bytes
) -> None:
    received = client.server.core.stats.packets_received
    client.send(request(1, *get(b"/a")) + LENGTH.pack(length) + rest)
    assert xids(client.replies()) == [1]
    assert not client.is_open
    assert client.server.core.stats.packets_received == received + 1


def test_a_frame_as_long_as_allowed_is_taken_and_one_byte_more_is_not() -> None:
    server = Server(jute_maxbuffer=2048)
    client = server.client()
    client.ask((Op.create, create(b"/a")))
    room = 2048 - 8 - len(encode(put(b"/a")))
    assert errors(client.ask((Op.setData, put(b"/a", bytes(room))))) == [0]
    assert client.ask((Op.setData, put(b"/a", bytes(room + 1)))) == []
    assert not client.is_open


def test_byte_by_byte(client: Client) -> None:
    stream = request(1, *get(b"/a")) + request(2, Op.setData, put(b"/a", b"1")) + request(3, 11)
    for i in range(len(stream)):
        client.send(stream[i : i + 1])
    assert xids(client.replies()) == [1, 2, -2]


PATHS = st.sampled_from([b"/a", b"/b", b"/b/c", b"/guarded", b"/", b"x"])
DATA = st.binary(max_size=3)
READS = st.sampled_from([Op.getData, Op.exists, Op.getChildren, Op.getChildren2])
STREAMS = st.lists(
    st.one_of(
        st.tuples(READS, st.builds(GetDataRequest, PATHS, st.booleans())),
        st.tuples(st.just(Op.setData), st.builds(put, PATHS, DATA, st.integers(-1, 1))),
        st.tuples(st.just(Op.create), st.builds(create, PATHS, DATA, st.integers(0, 4))),
        st.tuples(st.just(Op.delete), st.builds(DeleteRequest, PATHS, st.integers(-1, 1))),
        st.tuples(st.just(Op.multi), st.just([(Op.setData, put(b"/a", b"m"))])),
        st.tuples(st.sampled_from([Op.ping, Op.whoAmI]), st.just(b"")),
        st.tuples(st.sampled_from(list(Op)), st.binary(max_size=20)),
    ),
    max_size=12,
)


def answers(pieces: list[bytes], *, at_once: bool, small: bool) -> bytes:
    """What a client is sent. `at_once`: the disk works after each piece, else after the last."""
    server = Server(globalOutstandingLimit=2 if small else 1000)
    server.core.max_unsent = 100 if small else 1 << 20
    owner = server.client()
    owner.ask((Op.auth, ANN), (Op.create, create(b"/guarded", b"g", acl=list(CREATOR_ALL_ACL))))
    client = server.client()
    server.disk_works = at_once
    for piece in pieces:
        client.send(piece)
    server.disk_works = True
    server.tick()
    assert not server.core.proposals
    return client.take()


@given(STREAMS, st.data())
@settings(max_examples=150, deadline=None)
def test_where_the_stream_is_cut_and_when_the_disk_works_makes_no_difference(
    stream: list[tuple[int, Any]], data: st.DataObject
) -> None:
    # An auth reply overtakes writes, as in ZooKeeper: its place does depend on the disk.
    frames = [request(i, op, body) for i, (op, body) in enumerate(stream, 1) if op != Op.auth]
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    expected = answers([whole], at_once=False, small=False)
    assert answers(pieces, at_once=False, small=False) == expected
    assert answers(pieces, at_once=True, small=False) == expected
    assert answers([whole], at_once=True, small=True) == expected
    assert answers(pieces, at_once=data.draw(st.booleans()), small=True) == expected
