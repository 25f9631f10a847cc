from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from threading import Event

import pytest

from tests.runtime.hubs import LoneHub, wait_until
from zoo.runtime import hub as hub_module
from zoo.runtime.hub import IN, Endpoint


@pytest.fixture
def hub() -> Iterator[LoneHub]:
    made = LoneHub()
    yield made
    made.close()


def test_calls_back_who_is_ready_and_nobody_who_has_gone(hub: LoneHub) -> None:
    a, b = socket.socketpair()
    c, d = socket.socketpair()
    calls: list[str] = []
    with a, b, c, d:

        def of_a(_mask: int) -> None:
            calls.append("a")
            hub.unwatch(c.fileno())
            hub.unwatch(a.fileno())

        hub.watch(a.fileno(), IN, of_a)
        hub.watch(c.fileno(), IN, lambda _mask: hub.unwatch(c.fileno()))
        b.send(b"x")
        d.send(b"x")
        hub.on_ready()
        hub.on_ready()
    assert calls in (["a"], [])  # whoever is first may take the other's watch away


def test_timers_run_in_their_order_and_can_be_cancelled(hub: LoneHub) -> None:
    ran: list[int] = []
    hub.later(0.02, lambda: ran.append(3))
    hub.later(0.01, lambda: ran.append(2))
    hub.later(0, lambda: ran.append(1))
    hub.later(0.005, lambda: ran.append(9)).cancel()
    wait_until(lambda: len(ran) == 3, hub)
    assert ran == [1, 2, 3]
    assert hub.next_due() is None


def test_a_timer_that_was_cancelled_is_not_waited_for(hub: LoneHub) -> None:
    hub.later(0, lambda: None).cancel()
    assert hub.next_due() is None
    hub.later(1, lambda: None)
    due = hub.next_due()
    assert due is not None
    assert 0.5 < due - time.monotonic() <= 1


def test_an_address_needs_no_thread(hub: LoneHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "Thread", None)
    found: list[tuple[list[Endpoint], str]] = []
    hub.resolve("127.0.0.1", 99, lambda *result: found.append(result))
    hub.resolve("::1", 99, lambda *result: found.append(result))
    assert found == [
        ([Endpoint(socket.AF_INET, ("127.0.0.1", 99))], ""),
        ([Endpoint(socket.AF_INET6, ("::1", 99, 0, 0))], ""),
    ]


def test_a_name_is_looked_up_beside_the_turns_once_for_all_who_ask(
    hub: LoneHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, asked = Event(), []
    real = socket.getaddrinfo

    def slow(host: str, port: int, **options: int) -> object:
        if options["flags"]:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        asked.append(host)
        assert go_on.wait(10)
        return real("127.0.0.1", port, type=options["type"])

    monkeypatch.setattr("zoo.runtime.hub.socket.getaddrinfo", slow)
    found: list[list[Endpoint]] = []
    hub.resolve("name.example", 7, lambda endpoints, _: found.append(endpoints))
    hub.resolve("name.example", 7, lambda endpoints, _: found.append(endpoints))
    assert found == []
    go_on.set()
    wait_until(lambda: len(found) == 2, hub)
    assert found == [[Endpoint(socket.AF_INET, ("127.0.0.1", 7))]] * 2
    assert asked == ["name.example"]


def test_a_name_that_means_nothing_is_a_reason(
    hub: LoneHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("zoo.runtime.hub.socket.getaddrinfo", fails)
    found: list[tuple[list[Endpoint], str]] = []
    hub.resolve("nowhere.example", 7, lambda *result: found.append(result))
    wait_until(lambda: found, hub)
    assert found == [([], "nowhere.example cannot be resolved: Name or service not known")]


def test_a_hub_may_be_closed_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, done = Event(), Event()

    def slow(*_args: object, **options: int) -> list[object]:
        if options["flags"]:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        assert go_on.wait(10)
        done.set()
        return []

    monkeypatch.setattr("zoo.runtime.hub.socket.getaddrinfo", slow)
    hub = LoneHub()
    found: list[object] = []
    hub.resolve("late.example", 7, lambda *result: found.append(result))
    hub.close()
    go_on.set()
    assert done.wait(10)
    assert found == []
