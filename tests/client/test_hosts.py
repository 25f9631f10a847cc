from __future__ import annotations

from random import Random
from typing import Any

import pytest

from zoo.client.hosts import ConnectString, HostList, Server, parse

A, B, C, D = (Server(name) for name in "abcd")


@pytest.mark.parametrize(
    ("text", "servers", "chroot"),
    [
        ("a", (Server("a", 2181),), ""),
        ("a:1,b:2", (Server("a", 1), Server("b", 2)), ""),
        (" a , b/app/x/", (Server("a"), Server("b")), "/app/x"),
        ("[::1]:7,[fe80::1]/", (Server("::1", 7), Server("fe80::1")), ""),
    ],
)
def test_parse(text: str, servers: tuple[Server, ...], chroot: str) -> None:
    assert parse(text) == ConnectString(servers, chroot)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no server"),
        ("/app", "names no server"),
        ("a:x", "'x' in 'a:x' is not a port"),
        ("a:70000", "is not a port"),
        (":1", "has no host"),
        ("::1", r"write the address in '::1' as \[address\]"),
        ("[::1]7", r"is not \[address\]:port"),
        ("a/b//c", "empty component"),
        ("a/\ud800", "connect string 'a/.*': chroot .* is not valid UTF-8"),
    ],
)
def test_parse_names_the_part_at_fault(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(text)


@pytest.mark.parametrize("hosts", [None, ["a"], b"a:1"])
def test_a_connect_string_is_a_str(hosts: Any) -> None:
    with pytest.raises(TypeError, match="a connect string is a str such as 'host:2181,host/app'"):
        parse(hosts)


def test_how_servers_are_shown() -> None:
    assert str(Server("::1", 7)) == "[::1]:7"
    assert str(A) == "a:2181"


def test_rounds() -> None:
    hosts = HostList([A, B, C, A], Random(1))
    assert len(hosts) == 3
    first = [hosts.next() for _ in range(3)]
    assert {server for server, _ in first} == {A, B, C}
    assert [is_new for _, is_new in first] == [False, False, False]
    assert hosts.next()[1] is True
    orders = {tuple(HostList([A, B, C], Random(n)).next()[0]) for n in range(20)}
    assert len(orders) == 3


def test_a_new_list_moves_those_whose_server_is_gone_and_some_others() -> None:
    assert HostList([A], Random(1)).update([B], A)
    assert not HostList([A], Random(1)).update([A, B], None)
    assert not HostList([A, B], Random(1)).update([A], A)
    moves = [HostList([A, B], Random(n)).update([A, B, C, D], A) for n in range(400)]
    assert 150 < sum(moves) < 250, "half of the clients of half of the servers"
    with pytest.raises(ValueError, match="at least one server"):
        HostList([A], Random(1)).update([])


def where_clients_go(old: list[Server], new: list[Server], each: int = 600) -> list[int]:
    """Clients per server of `new` (and on others) when each server of `old` had `each`."""
    now = dict.fromkeys([*old, *new], 0)
    for server in old:
        for n in range(each):
            hosts = HostList(old, Random(f"{server} {n}"))
            moves = hosts.update(new, server)
            now[hosts.next()[0] if moves else server] += 1
    return list(now.values())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([A, B], [A, B, C], [400, 400, 400]),
        ([A, B, C], [A, B], [900, 900, 0]),
        ([A, B, C], [A, B, D], [600, 600, 0, 600]),
        ([A, B], [B, C, D], [0, 400, 400, 400]),
        ([A, B, C, D], [A, Server("e")], [1200, 0, 0, 0, 1200]),
        ([A, B], [C, D], [0, 0, 600, 600]),
    ],
)
def test_the_load_evens_out(old: list[Server], new: list[Server], expected: list[int]) -> None:
    found = where_clients_go(old, new)
    assert all(abs(f - e) < max(90, e // 10) for f, e in zip(found, expected)), found
    assert [bool(f) for f in found] == [bool(e) for e in expected]


def test_a_server_that_no_list_names_is_left_for_any() -> None:
    hosts = HostList([A, B], Random(1))
    assert hosts.update([A, B], C)
    assert {hosts.next()[0], hosts.next()[0]} == {A, B}
