from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.config_ensemble import (
    OBSERVER,
    PARTICIPANT,
    Ensemble,
    PeerAddress,
    QuorumServer,
    file_version,
    is_member_key,
    java_order,
    parse_ensemble,
    parse_ensemble_text,
    parse_server,
    split_address,
)
from zoo.config_properties import ConfigError, Origin, Setting, parse_properties


def server(value: str, key: str = "server.1", multi_address: bool = True) -> QuorumServer:
    return parse_server(Setting(key, value, Origin("f", 1)), multi_address)


def ensemble(text: str) -> Ensemble:
    return parse_ensemble(parse_properties(text, "f"))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a:2888:3888", "a:2888:3888:participant"),
        ("a:2888:3888:observer", "a:2888:3888:observer"),
        ("a:2888:3888:OBSERVER", "a:2888:3888:observer"),
        ("a:2888:3888;2181", "a:2888:3888:participant;0.0.0.0:2181"),
        ("a:2888:3888:participant;b:2181", "a:2888:3888:participant;b:2181"),
        (
            "[::1]:2888:3888;[fe80::1]:2181",
            "[0:0:0:0:0:0:0:1]:2888:3888:participant;[fe80:0:0:0:0:0:0:1]:2181",
        ),
        ("[::ffff:1.2.3.4]:1:2", "1.2.3.4:1:2:participant"),
        ("b:1:2|a:3:4:observer", "a:3:4|b:1:2:observer"),
    ],
)
def test_a_member_is_written_as_zookeeper_writes_it(value: str, written: str) -> None:
    assert str(server(value)) == written


def test_a_member_has_its_parts() -> None:
    assert server("h:1:2:observer;c:3", "server.-7") == QuorumServer(
        -7, (PeerAddress("h", 1, 2),), OBSERVER, ("c", 3)
    )


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "a",
            "a:1",
            "a:1:x",
            "a:0:2",
            "a:1:65536",
            ":1:2",
            "a:1:2:leader",
            "a:1:2:observer:3",
        ),
        *(
            "a:1:2;",
            "a:1:2;x",
            "a:1:2;:5",
            "a:1:2;b:c:5",
            "a:1:2;5;6",
            "[::1:1:2",
            "[::1]x:1:2",
            "::1:1:2",
        ),
        *("a:1:1", "a:1:2:observer|b:1:2:participant", "a:1:2|", "a:1:2:"),
    ],
)
def test_a_torn_member_is_an_error_with_its_place(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^f:1: server\.1"):
        server(value)


def test_several_addresses_need_the_switch() -> None:
    with pytest.raises(ConfigError, match=r"multiAddress\.enabled"):
        server("a:1:2|b:1:2", multi_address=False)


def test_a_member_needs_a_number() -> None:
    with pytest.raises(ConfigError, match=r"must be server\.<number>"):
        server("a:1:2", "server.one")


@given(st.text(alphabet="ab1:;|[].observer "))
def test_no_member_text_is_fatal(value: str) -> None:
    try:
        member = server(value)
    except ConfigError:
        return
    assert server(str(member)).role == member.role


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a:1:2", ["a", "1", "2"]), ("[::1]:5", ["::1", "5"]), ("[::1]", ["::1"]), ("5", ["5"])],
)
def test_splits_addresses(text: str, parts: list[str]) -> None:
    assert split_address(text) == parts


def test_a_majority_ensemble() -> None:
    found = ensemble("server.1=a:1:2\nserver.2=b:1:2:observer\ntickTime=5")
    assert [s.id for s in found.voters] == [1]
    assert [s.id for s in found.observers] == [2]
    assert (found.groups, found.weights) == ({}, {})


def test_a_hierarchical_ensemble_weighs_every_voter() -> None:
    members = "\n".join(f"server.{n}=h{n}:1:2" for n in range(1, 5))
    found = ensemble(f"{members}\ngroup.1=1:2\ngroup.2=3:4\nweight.1=0\nweight.3=5")
    assert found.groups == {1: 1, 2: 1, 3: 2, 4: 2}
    assert found.weights == {1: 0, 2: 1, 3: 5, 4: 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server.1=a:1:2:observer", "at least one participant"),
        ("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1", "server.2=b:1:2: is in no group"),
        ("server.1=a:1:2\ngroup.1=1\ngroup.2=1", "server 1 is in two groups"),
        ("group.1=1:x", "server numbers separated by ':'"),
        ("group.x=1", "must be group.<number>"),
        ("weight.1=-3", "integer of 0 or more"),
    ],
)
def test_an_impossible_ensemble_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"^f:\d: ") as caught:
        ensemble(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("zoo.cfg.dynamic", 0),
        ("zoo.cfg.dynamic.0", 0),
        ("conf/zoo.cfg.dynamic.100000000", 1 << 32),
        ("zoo.cfg.dynamic.1A", 26),
        ("dynamic", 0),
    ],
)
def test_the_version_is_in_the_name_of_the_file(name: str, version: int) -> None:
    assert file_version(name) == version


def test_knows_the_keys_of_members() -> None:
    assert all(map(is_member_key, ["server.1", "group.1", "weight.2"]))
    assert not any(map(is_member_key, ["serverCnxnFactory", "tickTime", "version"]))


# What QuorumMaj and QuorumHierarchical of ZooKeeper 3.9.5 print for these files.
SPREAD = [196, 133, 70, 7, 203, 140, 77, 14, 210, 147, 84, 21, 154, 91, 28, 161, 98, 35]
SPREAD += [168, 105, 42, 175, 112, 49, 182, 119, 56, 189, 126, 63]
MIXED = """server.1=[::1]:2888:3888;[fe80::1]:2181
server.300=[::ffff:1.2.3.4]:1:2
server.-2=h:1:2:observer
server.3=b:1:2|a:3:4;2181"""
MIXED_TEXT = """server.1=[0:0:0:0:0:0:0:1]:2888:3888:participant;[fe80:0:0:0:0:0:0:1]:2181
server.-2=h:1:2:observer
server.3=a:3:4|b:1:2:participant;0.0.0.0:2181
server.300=1.2.3.4:1:2:participant
version=1000000ab"""
GROUPED = "".join(f"server.{n}=h{n}:1:2\n" for n in range(1, 7)) + "server.7=o:1:2:observer\n"
GROUPED_TEXT = (
    "".join(f"server.{n}=h{n}:1:2:participant\n" for n in range(1, 7))
    + "server.7=o:1:2:observer\ngroup.17=1:2:3\ngroup.2=4:5:6\n"
    + "".join(f"weight.{n}={w}\n" for n, w in enumerate((2, 1, 1, 1, 1, 0, 5), 1))
    + "version=0"
)


def test_the_text_is_zookeepers() -> None:
    spread = ensemble("\n".join(f"server.{n * 7}=h:1:2" for n in range(1, 31)))
    lines = [f"server.{sid}=h:1:2:participant" for sid in SPREAD]
    assert spread.text() == "\n".join([*lines, "version=0"])
    mixed = parse_ensemble(parse_properties(MIXED, "f"), True, 0x1000000AB)
    assert mixed.text() == MIXED_TEXT
    weights = "weight.6=0\nweight.7=5\nweight.1=2"
    grouped = ensemble(f"{GROUPED}group.17=3:1:2\ngroup.2=4:5:6\n{weights}")
    assert grouped.text() == GROUPED_TEXT


ports = st.integers(1, 65535)
hosts = st.sampled_from(["a", "b.example", "10.0.0.1", "::1", "fe80::1:2", "localhost"])
sids = st.one_of(st.integers(-3, 300), st.integers(-(2**63) + 1, 2**63 - 1))


@st.composite
def ensembles(draw: st.DrawFn) -> Ensemble:
    servers: dict[int, QuorumServer] = {}
    for sid in draw(st.lists(sids, min_size=1, max_size=30, unique=True)):
        first = draw(ports)
        peers = tuple(
            PeerAddress(host, first, first % 65535 + 1)
            for host in draw(st.lists(hosts, min_size=1, max_size=3, unique=True))
        )
        role = draw(st.sampled_from([PARTICIPANT, OBSERVER])) if servers else PARTICIPANT
        client = draw(st.none() | st.tuples(hosts, ports))
        servers[sid] = QuorumServer(sid, peers, role, client)
    voters = [sid for sid, server in servers.items() if server.role == PARTICIPANT]
    groups: dict[int, int] = {}
    weights: dict[int, int] = {}
    if draw(st.booleans()):
        groups = {sid: draw(st.integers(1, 20)) for sid in voters}
        weights = {sid: draw(st.integers(0, 9)) for sid in voters}
    return Ensemble(servers, groups, weights, draw(st.integers(0, 2**63 - 1)))


@given(ensembles())
def test_a_configuration_survives_its_text(given_ensemble: Ensemble) -> None:
    text = given_ensemble.text()
    again = parse_ensemble_text(text)
    assert again.text() == text
    assert again.version == given_ensemble.version
    assert again.groups == given_ensemble.groups
    assert again.weights == given_ensemble.weights
    assert {sid: str(s) for sid, s in again.servers.items()} == {
        sid: str(s) for sid, s in given_ensemble.servers.items()
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "lists no member"),
        ("version=0", "lists no member"),
        ("server.1=a:1:2\nversion=xyz", "must be hexadecimal"),
        ("server.1=a:1:2\ntickTime=3", "does not belong"),
        ("server.1=a:1", "must have the form"),
    ],
)
def test_text_that_is_no_configuration_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_ensemble_text(text)


def test_a_java_map_is_walked_by_buckets() -> None:
    assert java_order([33, 1, 17, -2, 3, 300]) == [33, 1, 17, -2, 3, 300]
    assert java_order(range(20, 0, -1)) == list(range(1, 21))
