"""The server as a whole: who is admitted, what time does, what is counted, when to snapshot."""

from __future__ import annotations

from io import BytesIO

import pytest

from tests.server.rig import (
    CONNECT,
    NOW,
    WALL,
    Client,
    Server,
    create,
    frame,
    put,
    request,
)
from zoo.jute.client_records import ConnectRequest, CreateTTLRequest, GetDataRequest
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.operations import Op
from zoo.jute.schema import encode
from zoo.jute.txns import decode_txn
from zoo.persistence.snapshot import SnapshotDecoder
from zoo.server.core import TooManyConnections
from zoo.tree.record import stat_of

TICK = 3000
GET_ROOT = (Op.getData, GetDataRequest(b"/", False))


def asking_for(timeout: int) -> ConnectRequest:
    return ConnectRequest(0, 0, timeout, 0, bytes(16), False)


# --- who is admitted


def test_an_address_may_hold_so_many_connections() -> None:
    server = Server(maxClientCnxns=2)
    first = Client(server)
    Client(server)
    with pytest.raises(
        TooManyConnections, match=r"2 connections from 10\.0\.0\.1 .*maxClientCnxns=2"
    ):
        Client(server)
    Client(server, "10.0.0.2:1")
    first.leave()
    Client(server)
    assert len(server.core.connections) == 3
    assert server.core.per_ip == {"10.0.0.1": 2, "10.0.0.2": 1}


def test_the_server_holds_so_many_in_all() -> None:
    server = Server(maxCnxns=2)
    clients = [Client(server, f"10.0.0.{i}:1") for i in range(2)]
    with pytest.raises(TooManyConnections, match=r"2 connections are open: maxCnxns=2"):
        Client(server, "10.0.0.9:1")
    for client in clients:
        client.leave()
    assert server.core.per_ip == {}
    assert Client(server).is_open


def test_zero_is_no_limit() -> None:
    server = Server(maxClientCnxns=0)
    for _ in range(100):
        Client(server)
    assert len(server.core.connections) == 100


def test_to_be_told_twice_that_a_connection_is_gone_is_once() -> None:
    server = Server()
    client, other = Client(server), Client(server)
    client.leave()
    client.leave()
    assert server.core.per_ip == {"10.0.0.1": 1}
    other.leave()
    assert not server.core.connections


# --- time


def test_a_silent_session_ends_with_its_ephemerals_and_its_connection() -> None:
    server = Server()
    silent, other = server.client(asking_for(9000)), server.client(asking_for(60_000))
    silent.ask((Op.create, create(b"/e", flags=1)), (Op.create, create(b"/p")))
    server.live(9000 - TICK)
    assert silent.is_open
    server.live(3 * TICK)
    assert not silent.is_open
    assert other.is_open
    assert server.tree.nodes.keys() >= {b"/p"}
    assert b"/e" not in server.tree.nodes
    assert len(server.core.sessions) == 1
    txn = decode_txn(server.entries[-1])
    assert (txn.header.type, txn.header.client_id) == (
        Op.closeSession,
        silent.connection.session_id,
    )
    assert server.core.stats.metrics.stale_sessions_expired.value == 1


def test_a_client_that_pings_lives() -> None:
    server = Server()
    client = server.client(asking_for(6000))
    for _ in range(20):
        server.live(TICK)
        client.send(request(-2, Op.ping))
    assert client.is_open
    assert len(client.replies()) == 20


def test_a_session_without_a_connection_ends_too() -> None:
    server = Server()
    client = server.client(asking_for(6000))
    client.ask((Op.create, create(b"/e", flags=1)))
    client.leave()
    server.live(TICK)
    assert b"/e" in server.tree.nodes
    server.live(9000)
    assert b"/e" not in server.tree.nodes


def test_a_stall_of_the_server_ends_nobody() -> None:
    server = Server()
    client = server.client(asking_for(6000))
    server.tick(after_ms=3_600_000)
    assert client.is_open
    client.send(request(-2, Op.ping))
    server.live(TICK)
    assert client.is_open
    server.live(9000)
    assert not client.is_open


def test_whom_we_do_not_listen_to_does_not_end() -> None:
    server = Server(globalOutstandingLimit=2)
    client = server.client(asking_for(6000))
    server.disk_works = False
    client.ask((Op.create, create(b"/a")), (Op.create, create(b"/b")))
    assert client.connection.paused
    server.live(60_000)
    assert client.is_open
    server.disk_works = True
    server.live(TICK)
    assert [reply.err for reply in client.replies()] == [0, 0]
    assert not client.connection.paused
    server.live(9000)
    assert not client.is_open


@pytest.mark.parametrize("said", [b"", b"\0\0\0", b"\0\0\0\x2d\0\0"])
def test_who_does_not_open_a_session_is_dropped(said: bytes) -> None:
    server = Server(nio_sessionlessCnxnTimeout=5000)
    stranger = Client(server)
    stranger.send(said)
    server.live(5000 - TICK)
    assert stranger.is_open
    server.live(TICK)
    assert stranger.is_open
    server.live(TICK)
    assert not stranger.is_open
    assert stranger.take() == b""
    assert server.core.stats.metrics.sessionless_connections_expired.value == 1


def test_who_waits_for_the_disk_to_open_a_session_is_not_dropped() -> None:
    server = Server()
    server.disk_works = False
    client = Client(server)
    client.send(frame(encode(CONNECT)))
    server.live(12_000)
    assert client.is_open
    server.disk_works = True
    server.tick()
    assert len(client.frames()) == 1


def test_transactions_carry_the_time_of_their_turn() -> None:
    server = Server()
    client = server.client()
    server.tick(after_ms=1234)
    client.ask((Op.create, create(b"/a")))
    assert stat_of(server.tree.nodes[b"/a"]).ctime == WALL + 1234
    assert decode_txn(server.entries[-1]).header.time == WALL + 1234


def test_expired_nodes_and_empty_containers_go_with_the_ticks() -> None:
    server = Server(extendedTypesEnabled="true", znode_container_checkIntervalMs=6000)
    client = server.client(asking_for(60_000))
    client.ask(
        (Op.createContainer, create(b"/c", flags=4)),
        (Op.create, create(b"/c/kid", flags=1)),
        (Op.createTTL, CreateTTLRequest(b"/t", b"", list(OPEN_ACL_UNSAFE), 5, 4000)),
        Op.closeSession,
    )
    assert {b"/c", b"/t"} <= server.tree.nodes.keys()
    server.live(9000)
    assert not {b"/c", b"/t"} & server.tree.nodes.keys()
    assert [decode_txn(entry).header.type for entry in server.entries[-2:]] == [
        Op.deleteContainer,
        Op.deleteContainer,
    ]


# --- sessions and snapshots


def test_sessions_that_are_still_being_opened_are_not_committed() -> None:
    server = Server()
    client = server.client(asking_for(7000))
    server.disk_works = False
    Client(server).send(frame(encode(CONNECT)))
    mine = (client.connection.session_id, 7000)
    assert len(server.core.sessions) == 2
    assert list(server.core.committed_sessions()) == [mine]
    server.commit()
    assert len(list(server.core.committed_sessions())) == 2


def test_a_closing_session_is_committed_until_it_is_closed() -> None:
    server = Server()
    client = server.client()
    server.disk_works = False
    client.ask(Op.closeSession)
    assert [sid for sid, _ in server.core.committed_sessions()] == [client.connection.session_id]
    server.commit()
    assert list(server.core.committed_sessions()) == []


def test_a_snapshot_is_due_between_half_and_all_of_snap_count() -> None:
    server = Server(snapCount=20)
    client = server.client()
    while not server.core.snapshot_due():
        client.ask((Op.setData, put(b"/", b"x")))
    assert 10 < len(server.entries) <= 20
    client.ask((Op.setData, put(b"/", b"x")))
    assert server.core.snapshot_due()
    server.core.begin_snapshot()
    assert not server.core.snapshot_due()
    begun = len(server.entries)
    while not server.core.snapshot_due():
        client.ask((Op.setData, put(b"/", b"x")))
    assert 10 < len(server.entries) - begun <= 20


def test_a_server_that_has_not_rested_waits_for_ten_times_as_much() -> None:
    server = Server(snapCount=20)
    client = server.client()
    while not server.core.snapshot_due(rested=False):
        client.ask((Op.setData, put(b"/", b"x")))
    assert 100 < len(server.entries) <= 201
    assert server.core.snapshot_due()


def test_or_when_the_log_has_grown_by_half_to_all_of_its_limit() -> None:
    server = Server(snapSizeLimitInKb=64)
    client = server.client()
    while not server.core.snapshot_due():
        client.ask((Op.setData, put(b"/", bytes(4096))))
    assert 32 << 10 < sum(map(len, server.entries)) <= (64 << 10) + 8192
    client.ask(*[(Op.setData, put(b"/", bytes(4096)))] * 16)
    server.core.begin_snapshot()
    assert not server.core.snapshot_due()


def test_what_is_committed_leaves_the_overlay() -> None:
    server = Server()
    client = server.client()
    server.disk_works = False
    client.ask((Op.create, create(b"/a")), (Op.setData, put(b"/a")), (Op.setData, put(b"/a")))
    server.hand_over()
    client.ask((Op.setData, put(b"/a", b"last")))
    server.commit()
    records = server.core.outstanding_view.records
    assert list(records) == [b"/a"]
    assert records[b"/a"] != server.tree.nodes[b"/a"]
    server.commit()
    assert records == {}
    assert server.tree.nodes[b"/a"].startswith(b"\0\0\0\4last")


def test_what_was_replayed_counts_towards_the_next_snapshot() -> None:
    server = Server(snapCount=20)
    assert not server.core.snapshot_due()
    server.core.note_replayed(20)
    assert server.core.snapshot_due()


def test_a_size_limit_of_nothing_is_none() -> None:
    server = Server(snapSizeLimitInKb=-1)
    client = server.client()
    client.ask(*[(Op.setData, put(b"/", bytes(100_000)))] * 20)
    assert sum(map(len, server.entries)) > 2_000_000
    assert not server.core.snapshot_due()


def test_a_snapshot_shows_its_moment_and_the_log_is_rolled() -> None:
    server = Server()
    client = server.client(asking_for(7000))
    client.ask((Op.create, create(b"/before", b"b")))
    zxid, nodes = server.tree.last_zxid, dict(server.tree.nodes)
    chunks = server.core.begin_snapshot().chunks()
    whole = next(chunks)
    server.disk_works = False
    client.ask((Op.setData, put(b"/before", b"late")), (Op.create, create(b"/after")))
    ready = server.core.ready()
    assert ready is not None
    assert ready.roll
    server.core.persisted(ready.last_zxid)
    whole += b"".join(chunks)
    decoder = SnapshotDecoder(BytesIO(whole).read)
    found = {path: record for path, record, _ in decoder.nodes()}
    assert found[b"/before"] == nodes[b"/before"]
    assert found.keys() == nodes.keys()
    assert decoder.last_zxid == zxid
    assert decoder.sessions == {client.connection.session_id: 7000}
    client.ask((Op.setData, put(b"/before")))
    ready = server.core.ready()
    assert ready is not None
    assert not ready.roll


@pytest.mark.parametrize("pieces", ["chunks", "stream"])
def test_a_snapshot_that_is_given_up_ends_at_once(pieces: str) -> None:
    server = Server()
    large = [(Op.create, create(b"/%d" % number, bytes(200_000))) for number in range(4)]
    server.client().ask(*large)
    encoder = server.core.begin_snapshot()
    begun = getattr(encoder, pieces)()
    next(begun)
    assert server.tree.is_being_read
    begun.close()  # and does not wait until nobody knows the encoder any more
    assert not server.tree.is_being_read


# --- counts


def test_packets_are_counted_for_the_server_and_for_each_connection() -> None:
    server = Server()
    client, other = server.client(), server.client()
    client.ask((Op.create, create(b"/set")))
    received_before = client.connection.stats.packets_received
    total = server.core.stats
    received, sent = total.packets_received, total.packets_sent
    stats = client.connection.stats
    before = stats.packets_sent
    set_it = (Op.setData, put(b"/set"))
    client.ask(GET_ROOT, set_it, GET_ROOT, Op.ping, (Op.create, create(b"/a")))
    assert (total.packets_received - received, total.packets_sent - sent) == (5, 5)
    assert (stats.packets_received - received_before, stats.packets_sent - before) == (5, 5)
    assert other.connection.stats.packets_received == 0
    assert (stats.last_opcode, stats.last_cxid) == (Op.create, 5)
    assert stats.last_response_ms == NOW


def test_events_count_as_sent() -> None:
    server = Server()
    client, watcher = server.client(), server.client()
    watcher.ask((Op.getData, GetDataRequest(b"/", True)))
    sent = watcher.connection.stats.packets_sent
    client.ask((Op.setData, put(b"/")))
    assert watcher.connection.stats.packets_sent == sent + 1


def test_the_latency_of_writes_is_the_disks_and_that_of_reads_is_none() -> None:
    server = Server()
    client = server.client()
    client.ask((Op.create, create(b"/set")))
    server.core.stats.reset()
    server.disk_works = False
    client.ask(GET_ROOT, GET_ROOT, (Op.setData, put(b"/set")), (Op.create, create(b"/a")))
    server.hand_over()
    server.now += 7
    server.commit()
    metrics = server.core.stats.metrics
    assert (metrics.updatelatency.count, metrics.updatelatency.max) == (2, 7)
    assert (metrics.readlatency.count, metrics.readlatency.max) == (2, 0)
    assert server.core.stats.latency.count == 4


def test_response_sizes_are_sampled() -> None:
    server = Server()
    client = server.client()
    client.ask((Op.create, create(b"/a", bytes(1000))))
    server.core.stats.reset()
    client.ask((Op.getData, GetDataRequest(b"/a", False)))
    client.ask(Op.ping)
    stats = server.core.stats
    assert (stats.min_response_size, stats.max_response_size) == (20, 20 + 4 + 1000 + 68)
    assert stats.last_response_size == 20


def test_the_digest_log_has_every_128th_zxid() -> None:
    server = Server()
    client = server.client()
    client.ask(*[(Op.setData, put(b"/", b"%d" % i)) for i in range(300)])
    assert [zxid for zxid, _ in server.core.digest_log] == [128, 256]
    client.ask(*[(Op.create, create(b"/%d" % i)) for i in range(100)])
    assert [zxid for zxid, _ in server.core.digest_log] == [128, 256, 384]


def test_what_was_never_proposed_is_not_committed() -> None:
    server = Server()
    client = server.client()
    server.disk_works = False
    client.ask((Op.create, create(b"/a")))
    with pytest.raises(AssertionError):
        server.core.persisted(server.tree.last_zxid + 5)
