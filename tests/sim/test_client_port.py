"""A server's client port: sockets with their buffers, and what a dead one leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from zoo.sim.client_port import ClientPort, ServerLink
from zoo.sim.network import Link
from zoo.sim.schedule import Schedule


class Connection:
    """As much of a ClientConnection as a port sees."""

    def __init__(self) -> None:
        self.session_id = 7
        self.paused = self.closing = self.dirty = False
        self.heard: list[bytes] = []
        self.out: list[bytes] = []
        self.gone = False

    def receive(self, data: bytes) -> None:
        self.heard.append(data)

    def take_output(self) -> bytes:
        return self.out.pop(0) if self.out else b""

    def sent(self, size: int) -> None:
        """Nothing waits for it."""

    def closed(self) -> None:
        self.gone = True


class Port(ClientPort):
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.connection = Connection()
        self.core: Any = self
        self.is_up = True
        self.sockets = {}
        self.dirty: list[Any] = []
        self.heard: list[int] = []

    def connect(self, peer: str, ip: str) -> Any:
        return self.connection

    def trace(self, text: str) -> None:
        raise AssertionError(text)

    def later(self, delay: int, action: Callable[[], None]) -> None:
        self.schedule.after(delay, action)

    def heard_from(self, session_id: int) -> None:
        self.heard.append(session_id)

    def _begin_turn(self) -> None:
        """No clock here."""

    def _end_turn(self) -> None:
        self.flush_dirty()


class Client:
    def __init__(self) -> None:
        self.data = b""
        self.is_broken = False

    def received(self, data: bytes) -> None:
        self.data += data

    def broken(self) -> None:
        self.is_broken = True


def connected() -> tuple[Schedule, Port, Client, Link]:
    schedule = Schedule()
    port, client = Port(schedule), Client()
    end = ServerLink(port)
    link = Link(schedule, Random(1), client, end, (10, 20))
    port.accept(end, link, "c:1")
    schedule.run_until(10)
    return schedule, port, client, link


def test_bytes_reach_the_connection_and_come_back() -> None:
    schedule, port, client, link = connected()
    link.to_server.send(b"ping")
    schedule.run_until(1_000)
    assert b"".join(port.connection.heard) == b"ping"
    assert port.heard[0] == 7
    port.connection.out = [b"po", b"ng"]
    port.connection.dirty = True
    port.dirty.append(port.connection)
    port.flush_dirty()
    schedule.run_until(2_000)
    assert client.data == b"pong"


def test_a_paused_connection_leaves_bytes_in_the_socket() -> None:
    schedule, port, _, link = connected()
    port.connection.paused = True
    link.to_server.send(b"ping")
    schedule.run_until(1_000)
    assert port.connection.heard == []


def test_a_client_that_gives_up_is_missed_behind_its_last_byte() -> None:
    schedule, port, client, link = connected()
    link.to_server.send(b"last")
    link.give_up()
    schedule.run_until(1_000)
    assert client.is_broken
    assert b"".join(port.connection.heard) == b"last"
    assert port.connection.gone


def test_clients_of_a_dead_process_learn_it_at_once_or_when_they_speak() -> None:
    schedule, port, client, _ = connected()
    port.break_clients()
    schedule.run_until(1_000)
    assert client.is_broken

    schedule, port, client, link = connected()
    port.is_up = False
    port.break_clients(quietly=True)
    link.to_server.send(b"hello?")
    schedule.run_until(1_000)
    assert not client.is_broken
    port.is_up = True
    link.to_server.send(b"hello?")
    schedule.run_until(2_000)
    assert client.is_broken
    assert port.connection.heard == []


def test_a_server_that_is_down_takes_nobody() -> None:
    schedule = Schedule()
    port, client = Port(schedule), Client()
    port.is_up = False
    end = ServerLink(port)
    port.accept(end, Link(schedule, Random(1), client, end), "c:1")
    schedule.run_until(1_000)
    assert client.is_broken
