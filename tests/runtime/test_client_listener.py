from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.raw_client import LinkClosed, connect_request, framed
from tests.runtime.servers import (
    CLOSE,
    GET_DATA,
    PING,
    SET_DATA,
    Client,
    InThread,
    ask,
    clients,
    get_body,
    mntr,
    set_body,
    wait_for,
)
from zoo.runtime.client_listener import plain_ip

ALL_WORDS = {"4lw_commands_whitelist": "*"}
BIG = b"b" * 900_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InThread]:
    with InThread(tmp_path) as server:
        yield server
        assert server.stop() is None


def reset(link: socket.socket) -> None:
    """Close with RST."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


def connections(server: InThread) -> int:
    return len(server.core.connections)


# --- bytes in, bytes out


def test_requests_in_pieces_of_one_byte(server: InThread) -> None:
    client = Client(server.port)
    client.create("/a", b"x")
    for byte in client.request(GET_DATA, get_body("/a")):
        client.send(bytes([byte]))
    assert client.reply()[2] == 0
    client.close()


def test_a_half_sent_frame_and_the_client_is_gone(server: InThread) -> None:
    client = Client(server.port)
    client.send(client.request(SET_DATA, set_body("/zookeeper", b"never"))[:-3])
    client.close()
    half = socket.create_connection(("127.0.0.1", server.port))
    half.sendall(framed(connect_request())[:11])
    half.close()
    wait_for(lambda: connections(server) == 0, "both gone")
    assert server.core.tree.last_zxid == 1  # the session


def test_lone_reads_of_a_client_that_does_not_take_their_replies(server: InThread) -> None:
    client = Client(server.port)
    data = bytes(range(250)) * 200
    client.create("/a", data)
    (connection,) = server.core.connections
    sent = 0
    while not connection.out_size:
        client.send(client.request(GET_DATA, get_body("/a")))
        sent += 1
        wait_for(lambda sent=sent: connection.stats.packets_received > sent, "it is read")
    for _ in range(sent):
        assert data in client.reply()[3]
    wait_for(lambda: not connection.out_size, "all is sent")
    client.send(client.request(GET_DATA, get_body("/a")))
    assert data in client.reply()[3]
    client.close()


def test_many_connections_at_once(server: InThread) -> None:
    with clients(server.port, 200) as many:
        for client in many:
            client.send(client.request(PING))
        assert all(client.reply()[2] == 0 for client in many)
        assert connections(server) == 200
    wait_for(lambda: connections(server) == 0, "all gone")


def test_a_slow_reader_gets_all_and_memory_stays_bounded(server: InThread) -> None:
    client, other = Client(server.port), Client(server.port)
    client.create("/big", BIG)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    count = 60
    client.send(b"".join(client.request(GET_DATA, get_body("/big")) for _ in range(count)))
    connection = next(iter(server.core.connections))
    wait_for(lambda: connection.paused, "the pause")
    assert connection.out_size < 3 * server.core.max_unsent
    assert other.get("/zookeeper") == b""  # nobody else notices
    for xid in range(2, count + 2):
        reply = client.reply()
        assert (reply[0], reply[2], len(reply[3])) == (xid, 0, len(BIG) + 72)
    assert client.get("/big") == BIG
    client.close()
    other.close()


def test_a_reset_with_replies_unsent(server: InThread) -> None:
    other = Client(server.port)
    other.create("/big", BIG)
    for _ in range(3):
        client = Client(server.port)
        client.send(b"".join(client.request(GET_DATA, get_body("/big")) for _ in range(30)))
        wait_for(lambda: server.driver.listener.has_unsent(), "more than the socket takes")
        reset(client.socket)
        wait_for(lambda: connections(server) == 1, "the reset is noticed")
    assert other.get("/big") == BIG
    other.close()


def test_a_reset_of_a_client_that_is_not_read_from(tmp_path: Path) -> None:
    with InThread(tmp_path, globalOutstandingLimit=1) as server:
        client, other = Client(server.port), Client(server.port)
        other.create("/a")
        client.send(b"".join(client.request(SET_DATA, set_body("/a", b"x")) for _ in range(500)))
        reset(client.socket)
        wait_for(lambda: connections(server) == 1, "the reset is noticed")
        assert other.get("/a") in (b"", b"x")
        other.close()


def test_throttled_clients_are_all_served_in_the_end(tmp_path: Path) -> None:
    """Past globalOutstandingLimit nobody is read from; afterwards everybody is, again."""
    with InThread(tmp_path, globalOutstandingLimit=2) as server, clients(server.port, 8) as many:
        many[0].create("/a", b"")
        each = 40
        for client in many:
            for _ in range(each):
                client.send(client.request(SET_DATA, set_body("/a", b"y")))
        for client in many:
            assert [client.reply()[2] for _ in range(each)] == [0] * each
        for client in many:  # and nobody is left deaf
            assert client.get("/a") == b"y"


def test_a_throttled_reader_of_much_is_served(tmp_path: Path) -> None:
    with InThread(tmp_path, globalOutstandingLimit=3) as server, clients(server.port, 4) as many:
        many[0].create("/big", BIG)
        for client in many:
            for _ in range(10):
                client.send(client.request(SET_DATA, set_body("/zookeeper", b"z")))
                client.send(client.request(GET_DATA, get_body("/big")))
        for client in many:
            assert [client.reply()[2] for _ in range(20)] == [0] * 20


# --- the end of a connection


def test_close_session_is_answered_and_then_closed(server: InThread) -> None:
    client = Client(server.port)
    assert client.call(CLOSE) == (0, b"")
    with pytest.raises(LinkClosed):
        client.receive()
    client.close()


@pytest.mark.parametrize("half_close", [False, True])
def test_a_word(server: InThread, half_close: bool) -> None:
    assert ask(server.port, b"ruok", half_close=half_close) == b"imok"


def test_a_long_answer_reaches_a_client_that_has_shut_its_side(tmp_path: Path) -> None:
    with InThread(tmp_path, None, **ALL_WORDS) as server:
        watcher = Client(server.port)
        for i in range(0, 30000, 1000):
            names = [f"/{'w' * 150}{n}" for n in range(i, i + 1000)]
            watcher.send(b"".join(watcher.request(3, get_body(name, True)) for name in names))
            for _ in names:
                watcher.reply()
        with socket.create_connection(("127.0.0.1", server.port)) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            link.sendall(b"wchp")
            link.shutdown(socket.SHUT_WR)
            wait_for(lambda: server.driver.listener.has_unsent(), "more than the socket takes")
            text = b"".join(iter(lambda: link.recv(65536), b""))
        assert text.count(b"w" * 150) == 30000
        watcher.close()


def test_what_comes_after_the_last_word_does_not_take_the_answer_back(server: InThread) -> None:
    """Closing with bytes unread resets, and a reset destroys what is not read yet."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as link:
        link.sendall(b"POST / HTTP/1.1\r\n\r\n")
        wait_for(lambda: connections(server) == 0, "the server is done with it")
        link.sendall(b"a body " * 1000)
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Four-letter words work on this port" in answer


def test_who_lingers_is_dropped(server: InThread) -> None:
    listener = server.driver.listener
    with socket.create_connection(("127.0.0.1", server.port)) as link:
        link.sendall(b"ruok")
        wait_for(lambda: len(listener._lingering) == 1, "the server waits for our end")
        wait_for(lambda: not listener._links, "it gives up")
        assert link.recv(10) == b"imok"
        assert link.recv(10) == b""


def test_too_many_who_linger_are_dropped_at_once(
    server: InThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.runtime.client_listener._MAX_LINGERING", 0)
    assert ask(server.port, b"ruok") == b"imok"
    assert not server.driver.listener._lingering


def test_tls(server: InThread, caplog: pytest.LogCaptureFixture) -> None:
    hello = bytes.fromhex("16030100f8010000f40303") + bytes(200)
    assert ask(server.port, hello)[:1] == b"\x15"
    lines = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert "TLS handshake" in lines[0].getMessage()


# --- accepting


def test_limits_on_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with InThread(tmp_path, maxClientCnxns=2) as server, clients(server.port, 2) as two:
        for _ in range(5):
            assert ask(server.port, b"") == b""
        assert two[0].get("/zookeeper") == b""
        lines = [r.getMessage() for r in caplog.records if "refused" in r.getMessage()]
        assert 1 <= len(lines) <= 2  # not one per attempt
        assert "maxClientCnxns=2" in lines[0]
        assert server.core.stats.metrics.connection_rejected.value == 5


def test_out_of_descriptors(server: InThread, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(server.port)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    late = [socket.socket() for _ in range(4)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
    try:
        for link in late:
            link.connect(("127.0.0.1", server.port))
            link.sendall(b"ruok")
        wait_for(lambda: server.driver.listener._starved, "accept fails")
        began = resource.getrusage(resource.RUSAGE_SELF)
        for _ in range(100):
            assert client.get("/zookeeper") == b""
        wait_for(lambda: "cannot accept" in caplog.text, "the log line")
        polls = [0]
        server.in_loop(lambda: polls.append(1))
        wait_for(lambda: len(polls) == 2, "a turn of the loop")
        used = resource.getrusage(resource.RUSAGE_SELF)
        assert used.ru_utime - began.ru_utime < 1.0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for link in late:
        assert link.recv(10) == b"imok"
        link.close()
    assert caplog.text.count("cannot accept") == 1
    client.close()


def test_an_accept_that_always_fails_does_not_spin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __init__(self, sock: socket.socket) -> None:
            self.sock, self.calls = sock, 0
            self.fileno, self.close = sock.fileno, sock.close

        def accept(self) -> tuple[socket.socket, tuple[str, int]]:
            self.calls += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    server = InThread(tmp_path)
    broken = Broken(server.sockets[0])
    server.sockets = [broken]  # type: ignore[list-item]
    with server, socket.create_connection(("127.0.0.1", server.port)):
        wait_for(lambda: broken.calls >= 2, "a second attempt, a second later")
        assert broken.calls < 5
        assert caplog.text.count("cannot accept") == 1


def test_a_client_that_is_gone_before_it_is_accepted(server: InThread) -> None:
    for _ in range(20):
        reset(socket.create_connection(("127.0.0.1", server.port)))
    client = Client(server.port)
    assert client.get("/zookeeper") == b""
    client.close()


@pytest.mark.parametrize(
    ("ip", "plain"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:a", "::ffff:a"),
    ],
)
def test_addresses(ip: str, plain: str) -> None:
    assert plain_ip(ip) == plain


def test_an_ipv6_client(tmp_path: Path) -> None:
    server = InThread(tmp_path, None, **ALL_WORDS)
    server.sockets[0].close()
    try:
        server.sockets = [socket.create_server(("::1", 0), family=socket.AF_INET6)]
    except OSError as error:
        server.storage.close()
        pytest.skip(f"no IPv6 here: {error}")
    server.sockets[0].setblocking(False)
    port = server.sockets[0].getsockname()[1]
    with server, socket.create_connection(("::1", port), 20) as link:
        link.sendall(b"cons")
        assert link.recv(65536).startswith(b" /[::1]:")


# --- counting


def test_counts_after_real_traffic(tmp_path: Path) -> None:
    with InThread(tmp_path, None, **ALL_WORDS) as server:
        client = Client(server.port)
        for i in range(10):
            client.create(f"/{i}", b"x")
        for i in range(10):
            client.call(SET_DATA, set_body(f"/{i}", b"y"))
        counts = mntr(server.port)
        assert int(counts["zk_packets_received"]) >= 20
        assert int(counts["zk_packets_sent"]) >= 20
        assert counts["zk_num_alive_connections"] == "2"
        assert counts["zk_outstanding_requests"] == "0"
        assert counts["zk_global_sessions"] == "1"
        assert int(counts["zk_cnt_updatelatency"]) == 21
        assert counts["zk_sync_processor_request_queued"] == "21"
        assert counts["zk_sum_sync_processor_batch_size"] == "21"
        wait_for(lambda: int(mntr(server.port)["zk_bytes_received_count"]) > 1000, "a tick")
        assert int(mntr(server.port)["zk_response_bytes"]) > 20 * 16
        assert mntr(server.port)["zk_connection_drop_count"] == "0"
        client.close()
        wait_for(lambda: mntr(server.port)["zk_connection_drop_count"] == "1", "the drop")
        closing = Client(server.port)
        closing.call(CLOSE)
        closing.close()
        wait_for(lambda: connections(server) == 0, "the orderly end")
        assert mntr(server.port)["zk_connection_drop_count"] == "1"
