"""The words' answers against the recording of the Java server, and its parsers' expectations."""

from __future__ import annotations

import re

import pytest

from tests.server import java_recording as java
from tests.server.view_double import (
    NOW_MS,
    SESSION_A,
    SESSION_B,
    ViewDouble,
    conforms,
    of_ensemble,
    two_clients,
)
from zoo.config_values import FOUR_LETTER_WORDS
from zoo.server.four_letter_words import NOT_SERVING, WORDS, answer, full_version

ALL = tuple(word.decode() for word in sorted(WORDS))


def ask(view: ViewDouble, word: str, argument: bytes = b"") -> str:
    return answer(word.encode() + argument, conforms(view), ALL, NOW_MS).decode()


@pytest.fixture
def view() -> ViewDouble:
    view = ViewDouble()
    view.clients = two_clients()
    return view


def test_the_words_are_those_the_configuration_knows() -> None:
    assert sorted(FOUR_LETTER_WORDS) == list(ALL)


@pytest.mark.parametrize("word", sorted(java.SHAPES))
def test_lines_have_java_s_shape(view: ViewDouble, word: str) -> None:
    text = ask(view, word)
    assert text.endswith("\n")
    assert java.shape(text) == list(java.SHAPES[word])


def test_the_short_answers(view: ViewDouble) -> None:
    assert ask(view, "ruok") == "imok"
    assert ask(view, "isro") == "rw"
    assert ask(view, "gtmk") == "306"
    assert ask(view, "stmk", (130).to_bytes(8, "big")) == "130"
    assert ask(view, "gtmk") == "130"
    assert ask(view, "stmk", b"\xff" * 8) == "-1"


def test_conf_has_java_s_keys_in_java_s_order(view: ViewDouble) -> None:
    lines = ask(view, "conf").splitlines()
    assert tuple(line.split("=")[0] for line in lines) == java.CONF_KEYS
    assert lines[2] == "dataDir=/data/version-2"


def test_cons_in_full(view: ViewDouble) -> None:
    """To the byte, but for llat and the averages, which depend on the invented latencies."""
    first, second = ask(view, "cons").splitlines()[:2]
    assert first == (
        " /127.0.0.1:35316[1](queued=0,recved=3,sent=3,sid=0x100000e8bda0001,lop=GETD,"
        "est=1795227798511,to=10000,lcxid=0x2,lzxid=0x6,lresp=953544,llat=1,minlat=0,avglat=0,"
        "maxlat=1)"
    )
    assert second == " /127.0.0.1:35336[0](queued=0,recved=1,sent=0)"
    keys = re.findall(r"[(,](\w+)=", first)
    assert tuple(keys) == java.CONS_KEYS


def test_crst_then_cons_shows_a_blank_history(view: ViewDouble) -> None:
    ask(view, "crst")
    assert ask(view, "cons").splitlines()[0] == (
        " /127.0.0.1:35316[1](queued=0,recved=0,sent=0,sid=0x100000e8bda0001,lop=NA,"
        "est=1795227798511,to=10000,lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0,avglat=0,"
        "maxlat=0)"
    )


def test_srvr_in_full_and_after_srst(view: ViewDouble) -> None:
    view.stats.packets_received += 22
    view.stats.packets_sent += 21
    for latency in (8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1):
        view.stats.record_reads(latency, 1)
    assert ask(view, "srvr").splitlines()[1:] == [
        "Latency min/avg/max: 1/2.2727/8",
        "Received: 22",
        "Sent: 21",
        "Connections: 2",
        "Outstanding: 0",
        "Zxid: 0x6",
        "Mode: standalone",
        "Node count: 8",
    ]
    ask(view, "srst")
    assert ask(view, "srvr").splitlines()[1:4] == [
        "Latency min/avg/max: 0/0.0/0",
        "Received: 0",
        "Sent: 0",
    ]


def test_dump_dates_are_wall_clock_in_utc(view: ViewDouble) -> None:
    assert "2 expire at Sat Nov 21 02:23:28 UTC 2026:" in ask(view, "dump")
    assert f"\tip: /127.0.0.1:35316 sessionId: 0x{SESSION_B:x}" in ask(view, "dump")


def test_hash_lists_zxid_in_hex_and_digest_in_decimal(view: ViewDouble) -> None:
    assert ask(view, "hash") == "80: 1371985504\n100: -5\n"


def test_envi_begins_with_what_kazoo_looks_for(view: ViewDouble) -> None:
    lines = ask(view, "envi").splitlines()
    assert lines[0] == "Environment:"
    assert lines[1] == "zookeeper.version=" + view.version
    assert lines[2:] == ["host.name=localhost", "os.name=Linux"]


def test_mntr_has_only_names_that_java_has_but_one(view: ViewDouble) -> None:
    keys = [line.split("\t")[0].removeprefix("zk_") for line in ask(view, "mntr").splitlines()]
    assert keys[:2] == list(java.MNTR_HEAD)
    assert len(keys) == len(set(keys))
    # ZooKeeper 3.5 had it in mntr too, and agents still read it; 3.9 shows it in JMX alone.
    assert set(keys) - java.mntr_keys() == {"fsync_threshold_exceed_count"}


def test_mntr_has_all_of_java_s_gauges_that_mean_something_here(view: ViewDouble) -> None:
    keys = {line.split("\t")[0].removeprefix("zk_") for line in ask(view, "mntr").splitlines()}
    assert java.MNTR_GAUGES - keys == {
        "connection_drop_probability",
        "outstanding_tls_handshake",
        "non_mtls_local_conn_count",
        "non_mtls_remote_conn_count",
    }


def test_mntr_leaves_out_what_the_platform_does_not_tell(view: ViewDouble) -> None:
    assert "zk_open_file_descriptor_count\t55\n" in ask(view, "mntr")
    view.open_files = None
    assert "zk_open_file_descriptor_count" not in ask(view, "mntr")


def test_each_line_of_mntr_is_one_that_agents_accept(view: ViewDouble) -> None:
    """telegraf and the OpenTelemetry collector fail on the first line that does not match."""
    view.stats.record_reads(10**9, 1)
    for line in ask(view, "mntr").splitlines():
        assert re.match(r"^zk_(\w[\w\.\-]*)\s+([\w\.\-]+)", line), line


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"Zookeeper version: ([^.]+)\.([^.]+)\.([^-]+)", ("3", "9", "5")),  # Datadog
        (r"Zookeeper version: (\d+)\.(\d+)\.(\d+)-.*", ("3", "9", "5")),  # aiozk
        (r"^Zookeeper version: ([A-Za-z0-9\.\-]+), built on ", ("3.9.5-zoo-0.1.0",)),  # Go
    ],
)
def test_the_version_line_parses(view: ViewDouble, pattern: str, groups: tuple[str, ...]) -> None:
    match = re.match(pattern, ask(view, "srvr"))
    assert match is not None
    assert match.groups() == groups
    assert full_version("0.1.0").startswith("3.9.5-zoo-0.1.0, built on 20")


def test_a_word_off_the_whitelist_is_refused_and_does_nothing(view: ViewDouble) -> None:
    refusal = answer(b"crst", view, ("srvr",), NOW_MS)
    assert refusal == b"crst is not executed because it is not in the whitelist.\n"
    answer(b"stmk" + bytes(8), view, ("srvr",), NOW_MS)
    assert view.trace_mask == 306
    assert view.clients[0].packets_received == 3


def test_while_not_serving(view: ViewDouble) -> None:
    view.is_serving = False
    assert ask(view, "ruok") == "imok"
    assert ask(view, "isro") == "null"
    assert ask(view, "envi").startswith("Environment:\n")
    silent = set(ALL) - {"ruok", "isro", "envi", "gtmk", "stmk"}
    assert {ask(view, word) for word in silent} == {NOT_SERVING}


def test_read_only_mode_says_so(view: ViewDouble) -> None:
    view.mode = "read-only"
    assert ask(view, "isro") == "ro"
    for word in ("srvr", "stat"):
        assert ask(view, word).splitlines()[1].startswith("READ-ONLY mode")


def test_a_member_tells_its_ensemble() -> None:
    conf = answer(b"conf", of_ensemble(leads=False), ("conf",), NOW_MS).decode()
    assert conf.endswith(
        "serverId=7\ninitLimit=10\npeerType=0\nmembership: \nserver.1=a:1:2:participant\nversion=0"
    )


def test_a_member_that_was_moved_tells_its_present_client_port() -> None:
    view = of_ensemble(leads=False)
    assert view.facts is not None
    view.facts = view.facts._replace(client_port=2999)
    assert answer(b"conf", view, ("conf",), NOW_MS).startswith(b"clientPort=2999\n")


def test_a_leader_tells_the_sizes_of_its_proposals() -> None:
    view = of_ensemble(leads=True)
    for word in (b"srvr", b"stat"):
        told = answer(word, view, ("srvr", "stat"), NOW_MS).decode()
        assert told.endswith("Node count: 8\nProposal sizes last/min/max: 100/50/900\n")
    assert b"Proposal" not in answer(b"srvr", of_ensemble(leads=False), ("srvr",), NOW_MS)


def test_a_learner_does_not_know_when_sessions_expire() -> None:
    told = answer(b"dump", of_ensemble(leads=False), ("dump",), NOW_MS).decode()
    assert told.startswith(
        "SessionTracker dump:\nGlobal Sessions(2):\n"
        f"{SESSION_A:#x}\t4000ms\n{SESSION_B:#x}\t10000ms\nephemeral nodes dump:\n"
    )
    assert b"Session Sets (1)/(2):" in answer(b"dump", of_ensemble(leads=True), ("dump",), NOW_MS)
