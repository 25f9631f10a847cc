from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.interop.ensemble import lone_member
from tests.interop.harness import free_port
from zoo.client.hosts import Server
from zoo.config_ensemble import parse_ensemble_text
from zoo.tools.config_survey import (
    Answer,
    Known,
    client_address,
    leader_of,
    leading,
    look,
    parse_srvr,
    survey,
)

SRVR = """Zookeeper version: 3.9.5-zoo-0.1.0, built on 2026-11-21 00:00 UTC
Latency min/avg/max: 0/0.0/0
Zxid: 0x100000007
Mode: follower
Node count: 5
"""


def answer(zxid: int, state: str = "follower") -> Answer:
    return Answer(state, zxid=zxid)


def test_what_srvr_tells() -> None:
    found = parse_srvr(SRVR)
    assert found == Answer("follower", zxid=0x100000007, version="3.9.5-zoo-0.1.0")
    assert found.is_in_step
    texts = {
        "This ZooKeeper instance is not currently serving requests\n": "not serving",
        "srvr is not executed because it is not in the whitelist.\n": "does not say",
        "HTTP/1.1 400 Bad Request": "does not say",
    }
    for text, state in texts.items():
        assert parse_srvr(text).state == state
        assert not parse_srvr(text).is_in_step


@pytest.mark.parametrize(
    ("zxid", "leader", "behind"),
    [
        (0x100000005, 0x100000007, 2),
        (0x100000007, 0x100000007, 0),
        (0x100000008, 0x100000007, 0),
        (0x100000008, 0x200000000, None),
        (0x200000000, 0x100000008, 0),
    ],
)
def test_how_far_a_server_is_behind(zxid: int, leader: int, behind: int | None) -> None:
    assert answer(zxid).behind(answer(leader, "leader")) == behind
    assert answer(zxid).behind(None) is None


def test_addresses_for_clients() -> None:
    text = "server.1=a:1:2;0.0.0.0:3\nserver.2=b:1:2;c:4\nserver.3=d:1:2"
    servers = parse_ensemble_text(text).servers
    found = [client_address(servers[sid]) for sid in (1, 2, 3)]
    assert found == [Server("a", 3), Server("c", 4), None]


def test_who_leads() -> None:
    assert leader_of({1: answer(1), 2: answer(1, "leader")}) == 2
    assert leader_of({1: answer(9, "leader"), 2: answer(1, "leader")}) == 1
    assert leading({0: answer(1, "leader")}) == answer(1, "leader")
    assert leader_of({0: answer(1)}) is leading({0: answer(1)}) is None


def test_members_are_asked_where_they_are_known_to_be(tmp_path: Path) -> None:
    server = lone_member(tmp_path)
    here, nowhere = Server("127.0.0.1", server.port), Server("127.0.0.1", free_port())
    listed = parse_ensemble_text(
        f"server.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4;{nowhere}\nserver.3=127.0.0.1:5:6"
    )
    try:
        server.start()
        answers = asyncio.run(survey(listed, Known((nowhere, here))))
    finally:
        server.kill()
    assert [answers[sid].state for sid in (1, 2, 3)] == ["leader", "no answer", "unknown address"]
    assert (answers[1].at, answers[2].why) == (here, "connection refused")


def test_a_lone_server_of_its_host_is_known_by_that() -> None:
    place = Server("127.0.0.1", free_port())
    listed = parse_ensemble_text("server.1=127.0.0.1:1:2\nserver.2=elsewhere.invalid:3:4")
    answers = asyncio.run(survey(listed, Known((place,))))
    assert (answers[1].at, answers[2].state) == (place, "unknown address")
    assert asyncio.run(look(Server("elsewhere.invalid", 1))).state == "no answer"
