from __future__ import annotations

import pytest

from tests.zab.configured import listing
from zoo.errors import Code, KeeperError
from zoo.jute.client_records import ReconfigRequest
from zoo.pipeline.reconfig import Policy, next_configuration
from zoo.zab.configurations import Configuration, parse_configuration
from zoo.zab.quorum import QuorumVerifier

ZXID = 0x700000009
FOUR = "server.4=ten:1:2:participant;3"


class Leader:
    """Leads servers 1, 2, 3 and has those of them, and others, in step that it is told."""

    def __init__(self, *in_step: int) -> None:
        self.in_step = in_step or (1, 2, 3)
        self.configuration = listing(1, 2, 3, version=5)
        self.is_changing = False

    def has_in_step(self, quorum: QuorumVerifier) -> bool:
        return quorum.contains_quorum(self.in_step)

    def propose_configuration(self, zxid: int, entry: bytes, new: Configuration) -> None:
        raise AssertionError("not asked for")


def ask(
    joining: str | None = None,
    leaving: str | None = None,
    members: str | None = None,
    version: int = -1,
    leader: Leader | None = None,
    policy: Policy | None = None,
) -> list[str]:
    request = ReconfigRequest(joining, leaving, members, version)
    new = next_configuration(leader or Leader(), policy or Policy(True), request, ZXID)
    assert new.version == ZXID
    return new.text.decode().split("\n")[:-1]


def refusal(**asked: object) -> Code:
    with pytest.raises(KeeperError) as caught:
        ask(**asked)  # type: ignore[arg-type]
    return Code(caught.value.code)


OLD = ["server.1=host1:2888:3888:participant", "server.2=host2:2888:3888:participant"]
THIRD = "server.3=host3:2888:3888:participant"


def test_servers_join_and_leave() -> None:
    four = "server.4=ten:1:2:participant;0.0.0.0:3"
    assert ask(FOUR) == [*OLD, THIRD, four]
    assert ask(FOUR, "3") == [*OLD, four]
    assert ask(leaving="3,77") == OLD
    again = "server.3=host3:2888:3888:observer;9"
    assert ask(again + " , " + FOUR) == [
        *OLD,
        "server.3=host3:2888:3888:observer;0.0.0.0:9",
        four,
    ]


def test_all_members_are_listed() -> None:
    lines = "server.1=one:1:2;3,server.2=two:1:2;3\nserver.9=nine:1:2:observer;3"
    assert ask(members=lines)[0] == "server.1=one:1:2:participant;0.0.0.0:3"
    assert len(ask(members=lines)) == 3
    assert refusal(members="tickTime=7") == Code.BADARGUMENTS
    assert refusal(members="") == Code.BADARGUMENTS
    assert refusal(members="server.1=a:1:2|b:1:2;3,server.2=c:1:2;3") == Code.BADARGUMENTS


def test_the_version_asked_for_must_hold() -> None:
    assert ask(leaving="3", version=5) == OLD
    assert refusal(leaving="3", version=4) == Code.BADVERSION


def test_one_change_at_a_time() -> None:
    leader = Leader()
    leader.is_changing = True
    assert refusal(leaving="3", version=4, leader=leader) == Code.RECONFIGINPROGRESS


def test_a_quorum_of_the_new_must_be_there() -> None:
    five = "server.4=d:1:2;3,server.5=e:1:2;3"
    assert refusal(joining=five, leader=Leader(1, 2)) == Code.NEWCONFIGNOQUORUM
    assert len(ask(five, leader=Leader(1, 2, 5))) == 5


def test_how_many_must_be_left() -> None:
    assert refusal(leaving="2,3") == Code.BADARGUMENTS
    assert ask(leaving="2,3", policy=Policy(True, standalone_enabled=False)) == OLD[:1]
    alone = Policy(True, standalone_enabled=False)
    assert refusal(leaving="1,2,3", policy=alone) == Code.BADARGUMENTS


@pytest.mark.parametrize(
    "joining",
    [
        "server.4",
        "server.4=a:1:2;3=5",
        "server.4=a:1:2",
        "server.4=a:1;3",
        "server.4=a:1:1;3",
        "server.4=a:1:2:leader;3",
        "server.4=a:1:2|b:1:2;3",
        "server.4=host1:2888:9;3",
        "server.4=host9:9:8;host1:2888",
    ],
)
def test_joiners_that_are_none(joining: str) -> None:
    assert refusal(joining=joining) == Code.BADARGUMENTS


def test_numbers_that_are_none_cannot_be_read() -> None:
    assert refusal(joining="server.x=a:1:2;3") == Code.MARSHALLINGERROR
    assert refusal(leaving="server.3") == Code.MARSHALLINGERROR


def test_a_server_may_keep_its_own_addresses_and_this_machine_its_own() -> None:
    assert ask("server.1=host1:2888:3888;4")[-1].startswith("server.")
    local = "server.4=127.0.0.1:1:2;5,server.5=127.0.0.1:1:2;5"
    assert len(ask(local)) == 5


def test_groups_are_listed_as_a_whole() -> None:
    leader = Leader()
    text = b"server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nversion=5"
    leader.configuration = parse_configuration(text)
    assert refusal(joining=FOUR, leader=leader) == Code.BADARGUMENTS
