from __future__ import annotations

from dataclasses import replace

import pytest

from zoo.client.hosts import Server
from zoo.config_ensemble import parse_ensemble_text
from zoo.errors import Code
from zoo.tools.config_survey import NO_ANSWER, NOT_SERVING, SILENT, UNKNOWN, Answer
from zoo.tools.reconfig_plan import Facts, Impossible, Level, Wish, findings, plan

OLD = parse_ensemble_text(
    "server.1=a:2888:3888;2181\nserver.2=b:2888:3888;2181\nserver.3=c:2888:3888;2181\n"
    "version=100000005"
)
FOUR, FIVE = "server.4=d:2888:3888;2181", "server.5=e:2888:3888;2181"
UP = Answer("follower", Server("x"), 0x100000009)
LEADS = Answer("leader", Server("x"), 0x100000009)
DOWN = Answer(NO_ANSWER, Server("x"), why="connection refused")
STARTS = Answer(NOT_SERVING, Server("x"), why="it looks for a leader")
ALL_UP = {1: LEADS, 2: UP, 3: UP}


def found(wish: Wish, answers: dict[int, Answer], **more: object) -> list[tuple[str, str]]:
    facts = Facts(answers, **more)  # type: ignore[arg-type]
    return [(level.value, text) for level, text in findings(plan(OLD, wish), facts)]


def test_the_request_names_the_version_that_was_looked_at() -> None:
    both = plan(OLD, Wish(f"{FOUR},{FIVE}", "3", None, 0x100000005))
    assert sorted(both.new.servers) == [1, 2, 4, 5]
    assert (both.joiners, both.leavers) == ([4, 5], [3])
    assert both.request.cur_config_id == 0x100000005
    assert not both.changes_nothing
    assert plan(OLD, Wish(leaving="9")).changes_nothing
    listed = plan(OLD, Wish(members="server.1=a:2888:3888:observer;2181,server.2=b:1:2;2182"))
    assert (listed.joiners, listed.leavers) == ([1, 2], [3])


def test_the_same_address_in_another_form_is_no_change() -> None:
    old = parse_ensemble_text("server.1=[0:0:0:0:0:0:0:1]:1:2:participant;[0:0:0:0:0:0:0:1]:3")
    same = plan(old, Wish("server.1=[::1]:1:2;[::1]:3"))
    assert (same.changes_nothing, same.joiners) == (True, [])


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Wish("server.4=d"), "must have the form"),
        (Wish("server.4=d:1:2"), "says no port for clients"),
        (Wish("server.4=a:2888:4;5"), "server.4 has an address of server.1"),
        (Wish(leaving="x"), "no number"),
        (Wish(leaving="1,2,3"), "0 voters would be left"),
        (Wish(leaving="1", version=7), "version 100000005 holds, not 7"),
        (Wish(members="nonsense"), "does not belong into a configuration"),
    ],
)
def test_what_no_ensemble_takes(wish: Wish, why: str) -> None:
    with pytest.raises(Impossible, match=why):
        plan(OLD, wish)


def test_nothing_speaks_against_an_odd_number_in_step() -> None:
    assert found(Wish(f"{FOUR},{FIVE}"), {**ALL_UP, 4: UP, 5: UP}) == []


def test_a_joiner_that_does_not_run_is_a_danger_one_that_starts_is_not() -> None:
    (danger, why), (note, what) = found(Wish(f"{FOUR},{FIVE}"), {**ALL_UP, 4: DOWN, 5: STARTS})[:2]
    assert (danger, note) == ("danger", "note")
    assert why.startswith("server 4 does not run")
    assert "loss of one of 1, 2, 3" in what
    waited_for = "server 5 is not in step yet (not serving), and will be waited for"
    assert ("note", waited_for) in found(Wish(f"{FOUR},{FIVE}"), {**ALL_UP, 4: DOWN, 5: STARTS})
    one = parse_ensemble_text("server.1=a:1:2;3\nversion=5")
    told = findings(plan(one, Wish(FOUR)), Facts({1: LEADS, 4: STARTS}))
    assert [finding.level for finding in told] == [Level.NOTE, Level.NOTE]


@pytest.mark.parametrize("state", ["leader", "standalone"])
def test_a_newcomer_that_serves_without_us(state: str) -> None:
    stranger = Answer(state, Server("x"), 0x100000001)
    told = found(Wish(f"{FOUR},{FIVE}", "3"), {**ALL_UP, 2: DOWN, 4: stranger, 5: UP})
    assert told[0][1].startswith("no quorum of the new configuration")
    assert told[1][1].startswith(f"server 4 serves without this ensemble ({state})")


def test_quorums_that_are_not_in_step() -> None:
    told = found(Wish(leaving="2"), {1: LEADS, 2: UP, 3: DOWN})
    assert told[0][0] == "danger"
    assert "no quorum of the new configuration is seen to be in step; in step: 1" in told[0][1]
    assert ("note", "server 3 stays, and is not in step now: no answer: connection refused") in told
    told = found(Wish(leaving="2"), {1: LEADS, 2: UP, 3: Answer(SILENT, Server("x"), why="x")})
    assert "(not all can be asked from here)" in told[0][1]
    told = found(Wish(FOUR), {1: DOWN, 2: DOWN, 3: UP, 4: UP})
    assert "no quorum of the present configuration" in told[0][1]


def test_an_observer_does_not_count_before_it_votes() -> None:
    old = parse_ensemble_text("server.1=a:1:2;3\nserver.2=b:1:2:observer;3\nversion=5")
    facts = Facts({1: LEADS, 2: replace(UP, state="observer")})
    told = findings(plan(old, Wish("server.2=b:1:2;3")), facts)
    assert told[0].level is Level.DANGER
    assert told[0].text.endswith("in step: 1 (who observes now does not count yet)")


def test_the_number_of_voters() -> None:
    assert [level for level, _ in found(Wish(FOUR), {**ALL_UP, 4: UP})] == ["note"]
    told = found(Wish(leaving="1,2"), ALL_UP)
    assert told[0] == (
        "danger",
        "one voter is left: it is a single point of failure, and servers with"
        " standaloneEnabled=true (the default) refuse this",
    )
    assert told[1][1].startswith("server 1 leads and will not vote any more")
    told = found(Wish(f"{FOUR},{FIVE}", "1,2,3"), {**ALL_UP, 4: UP, 5: UP})
    assert ("danger", "no voter stays: everything depends on servers that are new") in told


def test_more_than_one_leader() -> None:
    told = found(Wish(leaving="3"), {1: LEADS, 2: LEADS, 3: UP})
    assert told[0] == (
        "danger",
        "servers 1, 2 all say that they lead: are their files what they were?",
    )


def test_addresses() -> None:
    everywhere = {**ALL_UP, 4: UP, 5: UP}
    joining = f"{FOUR},server.5=127.0.0.1:2888:3888;3888"
    loopback = {"a": False, "b": None, "127.0.0.1": True}
    told = found(Wish(joining), everywhere, loopback=loopback)
    assert [text for _, text in told] == [
        "127.0.0.1 port 3888 is to be used twice: by server 5 (election) and 5 (clients)",
        "b has no address, seen from here",
        "127.0.0.1 means each machine itself, and other members are elsewhere:"
        " they will not reach it there",
    ]
    assert found(Wish(f"{FOUR},{FIVE}"), everywhere, loopback={"a": True, "b": True}) == []


def test_what_the_leader_would_say_to_anything() -> None:
    told = found(Wish(f"{FOUR},{FIVE}"), {**ALL_UP, 4: UP, 5: UP}, refusals=(Code.NOAUTH,))
    assert [level for level, _ in told] == [Level.REFUSED.value]
    assert "--auth digest:super:PASSWORD" in told[0][1]


def test_who_cannot_be_watched() -> None:
    old = replace(OLD, servers={s: replace(m, client=None) for s, m in OLD.servers.items()})
    wanted = plan(old, Wish("server.3=c:2888:3888:observer;2181"))
    answers = {1: LEADS, 2: UP, 3: Answer(UNKNOWN, why="nobody said")}
    texts = [text for _, text in findings(wanted, Facts(answers))]
    assert "server 3 cannot be watched: nobody said" in texts
