from __future__ import annotations

import json

import pytest

from zoo.client.hosts import Server
from zoo.config_ensemble import parse_ensemble_text
from zoo.tools.config_show import as_json, columns, connect_string, now, quorum_rule, table
from zoo.tools.config_survey import Answer

THREE = parse_ensemble_text(
    "server.1=a:2888:3888;2181\nserver.2=b:2888:3888;b2:2182\n"
    "server.3=c:2888:3888:observer\nserver.4=d:2888:3888;2181\nversion=10000000a"
)
ANSWERS = {
    1: Answer("leader", Server("a"), 0x10000000C),
    2: Answer("follower", Server("b2", 2182), 0x100000004),
    3: Answer("no answer", Server("c", 7), why="connection refused"),
    4: Answer("unknown address", why="nobody said"),
}


def test_a_configuration_as_text() -> None:
    assert table(THREE, ANSWERS) == [
        "version 10000000a; a quorum is any 2 of 1, 2, 4: 1 may fail; there is one now",
        "server  role         quorum, election  clients at  now",
        "1       participant  a:2888:3888       a:2181      leader, zxid 0x10000000c",
        "2       participant  b:2888:3888       b2:2182     "
        "follower, zxid 0x100000004, 8 transactions behind",
        "3       observer     c:2888:3888       c:7         no answer: connection refused",
        "4       participant  d:2888:3888       d:2181      unknown address: nobody said",
    ]
    alone = dict.fromkeys(ANSWERS, ANSWERS[3])
    assert table(THREE, alone)[0].endswith("; none is seen now")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("server.1=a:1:2", "a quorum is all of 1: none may fail"),
        ("server.1=a:1:2\nserver.2=b:1:2", "a quorum is all of 1, 2: none may fail"),
        (
            "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\n"
            "group.1=1:2\ngroup.2=3\nweight.1=2\nweight.2=1\nweight.3=1",
            "a quorum is more than half of the weight in each of 2 groups: "
            "group 1: 1 (weight 2), 2; group 2: 3",
        ),
    ],
)
def test_who_must_be_up(text: str, rule: str) -> None:
    assert quorum_rule(parse_ensemble_text(text)) == rule


def test_a_configuration_for_machines() -> None:
    told = json.loads(json.dumps(as_json(THREE, ANSWERS)))
    assert (told["version"], told["leader"], told["quorum"]["up"]) == ("10000000a", 1, True)
    assert told["quorum"]["voters"] == [1, 2, 4]
    assert told["members"][1] == {
        "id": 2,
        "role": "participant",
        "peers": "b:2888:3888",
        "client": "b2:2182",
        "state": "follower",
        "zxid": "0x100000004",
        "behind": 8,
        "version": "",
        "why": "",
    }
    assert "state" not in as_json(THREE)["members"][0]
    groups = as_json(parse_ensemble_text("server.1=a:1:2\ngroup.7=1"))["quorum"]
    assert (groups["rule"], groups["groups"], groups["weights"]) == ("groups", {"1": 7}, {"1": 1})


def test_small_things() -> None:
    assert connect_string(THREE) == "a:2181,b2:2182,d:2181"
    assert now(Answer("follower", zxid=1), Answer("leader", zxid=2)).endswith(
        "1 transaction behind"
    )
    assert columns([("a", "b"), ("long", "c")]) == ["a     b", "long  c"]
