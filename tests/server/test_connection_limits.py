"""What keeps one client from filling the server's memory, and that nobody is forgotten for it."""

from __future__ import annotations

import pytest

from tests.server.rig import Client, Server, create, put, request
from zoo.jute.client_records import (
    AddWatchRequest,
    GetChildrenRequest,
    GetDataRequest,
    SetWatches,
)
from zoo.jute.constants import AddWatchMode
from zoo.jute.operations import Op

SET = (Op.setData, put(b"/a"))
GET = (Op.getData, GetDataRequest(b"/a", False))
WATCH = (Op.getData, GetDataRequest(b"/a", True))
CREATE = (Op.create, create(b"/a"))  # refused after the first, which is a write like any other


def serving(data: bytes = b"", **values: object) -> tuple[Server, Client]:
    """A server with a node /a, and a client."""
    server = Server(**values)
    client = server.client()
    client.ask((Op.create, create(b"/a", data)))
    return server, client


def xids(client: Client) -> list[int]:
    return [reply.xid for reply in client.replies()]


# --- requests behind a write


@pytest.mark.parametrize("write", [SET, CREATE])
def test_so_many_requests_may_wait_behind_a_write(write: tuple[int, object]) -> None:
    server, client = serving(globalOutstandingLimit=10)
    server.disk_works = False
    client.send(request(0, *write) + b"".join(request(i, *GET) for i in range(1, 9)))
    assert not client.connection.paused
    client.send(b"".join(request(i, *GET) for i in range(9, 40)))
    assert client.connection.paused
    assert len(client.connection.waiting) == 10
    server.commit()
    assert xids(client) == list(range(40))
    assert not client.connection.paused


@pytest.mark.parametrize("write", [SET, CREATE])
def test_so_many_bytes_may_wait_behind_a_write(write: tuple[int, object]) -> None:
    server, client = serving()
    server.core.max_unsent = 2000
    server.disk_works = False
    long = (Op.exists, GetDataRequest(b"/" + bytes(500).replace(b"\0", b"x"), False))
    for _ in range(3):  # what has been answered is not held against those that follow
        client.send(request(0, *write) + b"".join(request(i, *long) for i in range(1, 4)))
        assert not client.connection.paused
        client.send(b"".join(request(i, *long) for i in range(4, 10)))
        assert client.connection.paused
        assert len(client.connection.waiting) == 5
        server.commit()
        assert xids(client) == list(range(10))
        assert not client.connection.paused


# --- writes under way


@pytest.mark.parametrize("write", [SET, CREATE])
def test_past_the_limit_on_writes_their_senders_are_not_listened_to(
    write: tuple[int, object],
) -> None:
    server, client = serving(globalOutstandingLimit=3)
    others = [server.client() for _ in range(3)]
    server.disk_works = False
    client.send(b"".join(request(i, *write) for i in range(7)))
    assert client.connection.paused
    assert server.core.outstanding == 3
    for other in others:
        other.send(request(0, *GET) + request(1, *write) + request(2, *GET) + request(3, *write))
        assert other.connection.paused
        assert xids(other) == [0]  # a read needs no place
    assert server.core.outstanding == 6
    server.disk_works = True
    server.tick()
    assert xids(client) == list(range(7))
    assert [xids(other) for other in others] == [[1, 2, 3]] * 3
    assert not any(c.connection.paused for c in [client, *others])
    assert server.core.outstanding == 0
    assert server.core.stats.metrics.request_throttle_wait_count.value >= 4


def test_the_limit_holds_while_part_of_the_writes_is_durable() -> None:
    server, client = serving(globalOutstandingLimit=4)
    server.disk_works = False
    client.send(request(0, *SET))
    server.hand_over()
    client.send(b"".join(request(i, *SET) for i in range(1, 12)))
    answered = []
    for _ in range(12):
        assert server.core.outstanding <= 4
        server.commit()
        answered += xids(client)
    assert answered == list(range(12))
    assert not client.connection.paused


def test_throttled_clients_that_leave_are_forgotten() -> None:
    server, client = serving(globalOutstandingLimit=2)
    other = server.client()
    server.disk_works = False
    client.send(request(1, *SET) * 5)
    other.send(request(2, *SET))
    client.leave()
    server.commit()
    assert xids(other) == [2]
    assert server.core.outstanding == 0
    assert client.take() == b""


# --- replies that are not read


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    server, client = serving(data=bytes(1000))
    server.core.max_unsent = 10_000
    client.reads = False
    client.send(b"".join(request(i, *GET) for i in range(50)))
    connection = client.connection
    assert connection.paused
    assert connection.out_size == sum(map(len, connection.out)) < 12_000
    client.read_on()
    assert xids(client) == list(range(50))
    assert not connection.paused
    assert connection.out_size == 0


def test_output_leaves_in_pieces_and_requests_are_taken_again_at_half() -> None:
    server, client = serving(data=bytes(100_000))
    server.core.max_unsent = 400_000
    client.reads = False
    client.send(b"".join(request(i, *GET) for i in range(5)))
    connection = client.connection
    unsent = connection.out_size
    piece = connection.take_output()
    assert 0 < len(piece) < unsent
    connection.sent(0)
    assert connection.paused
    connection.sent(unsent - 200_001)
    assert connection.paused
    connection.sent(1)
    assert not connection.paused
    assert len(connection.out) > 0


def test_the_writes_of_a_client_that_does_not_read_are_answered_in_turn() -> None:
    server, client = serving(data=bytes(1000))
    server.core.max_unsent = 3000
    client.reads = False
    server.disk_works = False
    client.send(b"".join(request(2 * i, *SET) + request(2 * i + 1, *WATCH) for i in range(20)))
    server.disk_works = True
    server.tick()
    client.read_on()
    assert [xid for xid in xids(client) if xid != -1] == list(range(40))


@pytest.fixture
def small_backlog(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("zoo.server.connection.MAX_BACKLOG", 5000)
    return 5000


def test_who_leaves_too_many_events_unread_is_cut_off(
    small_backlog: int, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = serving()
    watcher = server.client()
    watcher.ask((Op.addWatch, AddWatchRequest(b"/a", AddWatchMode.PERSISTENT)))
    watcher.reads = False
    for _ in range(small_backlog // 34 + 2):
        client.ask(SET)
        assert watcher.connection.out_size <= small_backlog + 34
    assert watcher.connection.closing
    assert "leaves" in caplog.text
    client.ask(SET)
    watcher.read_on()
    assert watcher.take() == b""  # not even what came later: it would stand behind a gap
    assert not watcher.is_open


def test_who_reads_may_be_sent_any_number_of_events(small_backlog: int) -> None:
    server, client = serving()
    watcher = server.client()
    watcher.ask((Op.addWatch, AddWatchRequest(b"/a", AddWatchMode.PERSISTENT)))
    for _ in range(10):
        client.ask(*[SET] * 100)
        assert len(watcher.frames()) >= 100
    assert watcher.is_open


def test_lists_count_as_unread_and_the_trees_own_records_do_not(small_backlog: int) -> None:
    server, client = serving(data=bytes(2000))
    server.core.max_unsent = 1 << 20
    client.ask(*((Op.create, create(b"/%0200d" % i)) for i in range(10)))
    client.reads = False
    client.send(request(1, *WATCH) * 10)
    assert not client.connection.closing
    children = (Op.getChildren, GetChildrenRequest(b"/", False))
    client.send(b"".join(request(i, *children) for i in range(5)))
    assert client.connection.closing


def test_one_request_may_bring_too_much_behind_reads_that_were_answered(
    small_backlog: int,
) -> None:
    server, client = serving()
    sent = client.connection.stats.packets_sent
    missed = SetWatches(0, [], [b"/a"] * 1000, [])
    assert client.ask(GET, (Op.setWatches, missed), GET) == []
    assert not client.is_open
    assert server.core.stats.packets_sent >= client.connection.stats.packets_sent >= sent


def test_exactly_one_event_too_many(small_backlog: int) -> None:
    """The last thing that the request sends is what cuts the client off."""
    for count in range(140, 155):
        _, client = serving()
        answers = client.ask(GET, (Op.setWatches, SetWatches(0, [], [b"/a"] * count, [])))
        assert client.is_open == bool(answers)
    assert not client.is_open


def test_the_header_of_a_list_may_be_too_much(small_backlog: int) -> None:
    """Neither the list without its header goes out then, nor is it counted."""
    server, client = serving()
    server.core.max_unsent = 1 << 20
    for i in range(30):
        client.ask((Op.create, create(b"/%0200d" % i)))
    assert client.is_open
    children = (Op.getChildren, GetChildrenRequest(b"/", False))
    client.reads = False
    client.send(request(1, *GET) + request(2, *children) + request(3, *children) + request(4, *GET))
    assert client.connection.closing
    assert client.connection.out == []
    client.read_on()
    assert client.take() == b""
