from __future__ import annotations

from random import Random

from zoo.sim.network import WINDOW, Link
from zoo.sim.schedule import Schedule


class End:
    def __init__(self) -> None:
        self.data = b""
        self.pieces = 0
        self.ended = 0

    def received(self, data: bytes) -> None:
        self.data += data
        self.pieces += 1

    def broken(self) -> None:
        self.ended += 1


def linked(seed: int) -> tuple[Schedule, Link, End, End]:
    schedule, client, server = Schedule(), End(), End()
    return schedule, Link(schedule, Random(seed), client, server), client, server


def test_bytes_arrive_in_order_and_in_pieces() -> None:
    schedule, link, client, server = linked(1)
    data = bytes(range(200))
    for start in range(0, 200, 10):
        link.to_server.send(data[start : start + 10])
        link.to_client.send(data[start : start + 10])
    schedule.run_until(1_000_000)
    assert client.data == server.data == data
    assert server.pieces > 20


def test_a_broken_link_loses_what_is_under_way_and_tells_both() -> None:
    schedule, link, client, server = linked(2)
    link.to_server.send(b"lost")
    link.break_both()
    link.break_both()
    schedule.run_until(1_000_000)
    assert (server.data, client.ended, server.ended) == (b"", 1, 1)


def test_a_server_that_closes_sends_the_rest_first() -> None:
    schedule, link, client, server = linked(3)
    link.to_client.send(b"goodbye")
    link.close_behind()
    schedule.run_until(1_000_000)
    assert (client.data, client.ended, server.ended) == (b"goodbye", 1, 0)


def test_room_is_what_the_window_has_left() -> None:
    schedule, link, _, _ = linked(4)
    link.to_client.send(bytes(100))
    assert link.room == WINDOW - 100
    schedule.run_until(1_000_000)
    assert link.room == WINDOW
