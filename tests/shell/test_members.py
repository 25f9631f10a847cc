from __future__ import annotations

import pytest

from tests.client.live import run
from tests.interop.harness import Server as Process
from zoo.client.hosts import Server
from zoo.shell.members import Look, ask, lag, leader_of, look, member_json, read_answers

SRVR = """Zookeeper version: 3.9.5-x, built on 2026-01-01 00:00 UTC
Latency min/avg/max: 0/0.5/7
Received: 120
Sent: 119
Connections: 3
Outstanding: 1
Zxid: 0x100000010
Mode: leader
Node count: 42
Proposal sizes last/min/max: 36/36/36
"""
MNTR = "zk_version\t3.9.5\nzk_server_state\tleader\nzk_global_sessions\t2\nzk_avg_latency\t0.25\n"


def _seen(srvr: str = SRVR, mntr: str = MNTR, at: float = 0.0) -> Look:
    seen = Look(Server("h", 1), at)
    read_answers(seen, srvr, mntr)
    return seen


def test_what_they_say() -> None:
    seen = _seen()
    assert (seen.role, seen.zxid, seen.received) == ("leader", 0x100000010, 120)
    assert seen.number("global_sessions") == 2
    assert seen.number("avg_latency") == 0.25
    assert seen.number("max_latency") == 7
    assert seen.number("watch_count") is None


def test_srvr_alone_has_to_do_where_mntr_is_forbidden() -> None:
    seen = _seen(mntr="mntr is not executed because it is not in the whitelist.\n")
    assert seen.number("avg_latency") == 0.5
    assert seen.number("global_sessions") is None
    assert seen.number("znode_count") == 42


def test_one_that_does_not_serve() -> None:
    seen = _seen("This ZooKeeper instance is not currently serving requests\n", "")
    assert (seen.role, seen.trouble) == (
        "",
        "This ZooKeeper instance is not currently serving requests",
    )
    assert _seen("", "").trouble == "does not serve"
    told = member_json(seen, None, None)
    assert told == {"server": "h:1", "role": None, "trouble": seen.trouble}


def test_requests_per_second() -> None:
    before, after = _seen(), _seen(SRVR.replace("120", "320"), at=2.0)
    assert after.rate(before) == 100.0
    assert after.rate(None) is None
    assert before.rate(after) is None  # it has started anew in between
    assert after.rate(_seen("", "")) is None


def test_lag() -> None:
    leader = _seen()
    follower = _seen(SRVR.replace("leader", "follower").replace("10\n", "0c\n"))
    assert leader_of([follower, leader]) is leader
    assert lag(follower, leader) == 4
    assert lag(leader, leader) == 0
    assert lag(follower, None) is None
    assert lag(_seen(SRVR.replace("0x1", "0x2")), leader) is None  # other epochs


def test_as_json() -> None:
    told = member_json(_seen(at=1.0), _seen(SRVR.replace("120", "20")), _seen())
    assert told["role"] == "leader"
    assert (told["zxid"], told["lag"], told["requestsPerSecond"]) == ("0x100000010", 0, 100.0)
    assert told["latencyMs"]["avg"] == 0.25
    assert told["sessions"] == 2


def test_a_live_member(live_server: Process) -> None:
    seen = run(look(Server("127.0.0.1", live_server.port)))
    assert seen.role == "standalone"
    assert seen.number("znode_count")
    assert "Mode: standalone" in run(ask(Server("127.0.0.1", live_server.port), "srvr", 10.0))


def test_nobody_there() -> None:
    seen = run(look(Server("127.0.0.1", 1)))
    assert (seen.role, seen.trouble != "") == ("", True)
    with pytest.raises(OSError, match=r"refused|failed"):
        run(ask(Server("127.0.0.1", 1), "srvr", 5.0))
