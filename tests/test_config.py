from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.config import (
    Config,
    ConfigError,
    Origin,
    Setting,
    build_config,
    config_from,
    effective,
    parse_my_id,
    parse_zoo_cfg,
)
from zoo.config_keys import KEYS
from zoo.config_properties import parse_properties
from zoo.config_row import Key, Status

BASE = "dataDir=/d\nclientPort=2181\n"
THREE = BASE + "initLimit=10\nsyncLimit=5\n" + "".join(f"server.{n}=h{n}:1:2\n" for n in (1, 2, 3))
CLOSED = THREE
THREE += "clientPortAddress=0.0.0.0\n"


def members(text: str, my_id: int | None = 1) -> Config:
    return build_config(parse_properties(text, "zoo.cfg"), my_id=my_id)


def wrong(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_zoo_cfg(text)
    return str(caught.value)


def test_defaults_are_safe_and_otherwise_zookeepers() -> None:
    config = parse_zoo_cfg(BASE)
    assert config.warnings == ()
    assert (config.client_port, config.client_port_address) == (2181, "127.0.0.1")
    assert (config.tick_time_ms, config.max_client_cnxns, config.max_cnxns) == (3000, 60, 0)
    assert (config.min_session_timeout_ms, config.max_session_timeout_ms) == (6000, 60000)
    assert (config.snap_count, config.jute_max_buffer) == (100_000, 0xFFFFF)
    assert (config.snap_retain_count, config.purge_interval_ms) == (3, 3_600_000)
    assert (config.pre_alloc_size_bytes, config.snap_size_limit_bytes) == (64 << 20, 4 << 30)
    assert config.txn_log_size_limit_bytes == 0
    assert set(config.four_letter_words) == {"ruok", "srvr", "stat", "mntr", "isro", "conf"}
    assert config.data_log_dir == "/d"
    assert not config.is_distributed


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_zoo_cfg(BASE).tick_time_ms = 1  # type: ignore[misc]


@pytest.mark.parametrize("prefix", ["", "zookeeper."])
def test_system_properties_count_with_and_without_their_prefix(prefix: str) -> None:
    lines = ("snapCount=7", "jute.maxbuffer=0x200000", "fsync.warningthresholdms=9")
    config = parse_zoo_cfg(BASE + "".join(f"{prefix}{line}\n" for line in lines))
    found = (config.snap_count, config.jute_max_buffer, config.fsync_warning_threshold_ms)
    assert found == (7, 1 << 21, 9)


def test_values_are_typed() -> None:
    config = parse_zoo_cfg(
        BASE + "autopurge.purgeInterval=30m\nskipACL=yes\nsnapshot.compression.method=gz\n"
        "preAllocSize=1024\n4lw.commands.whitelist=ruok\nreadonlymode.enabled=true\n"
        "DigestAuthenticationProvider.digestAlg=SHA-256\nenforceQuota=TRUE\n"
    )
    assert config.purge_interval_ms == 1_800_000
    assert config.skip_acl is True
    assert config.enforce_quota is True
    assert config.snapshot_compression == "gz"
    assert config.pre_alloc_size_bytes == 1 << 20
    assert config.four_letter_words == ("isro", "ruok", "srvr")
    assert config.digest_algorithm == "sha256"


def test_session_timeouts_follow_the_tick() -> None:
    config = parse_zoo_cfg(BASE + "tickTime=100\nmaxSessionTimeout=5000")
    assert (config.min_session_timeout_ms, config.max_session_timeout_ms) == (200, 5000)


TYPED = [
    key
    for key in KEYS
    if key.status in (Status.SUPPORTED, Status.ENSEMBLE) and not key.name.endswith("*")
]
FREE = {"dataDir", "dataLogDir", "clientPortAddress", "dynamicConfigFile"}


@pytest.mark.parametrize("key", TYPED, ids=lambda key: key.name)
def test_a_wrong_value_names_file_line_key_value_and_what_is_allowed(key: Key) -> None:
    value = "" if key.name in FREE else "@wrong@"
    message = wrong(f"# a comment\nclientPort=1\n{key.name}={value}\n")
    shown = "****" if key.secret else value
    assert message == f"zoo.cfg:3: {key.name}={shown}: must be {key.kind.allowed}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("forceSync=no", "a crash would lose them; remove the line"),
        ("zookeeper.forceSync=NO", "a crash would lose them; remove the line"),
        ("snapshot.trust.empty=true", "restore the snapshot"),
        ("test.allowDiscontinuousProposals=true", "lose acknowledged data"),
        ("enforce.auth.enabled=true", "not supported yet"),
        ("sslQuorum=true", "not supported yet"),
    ],
)
def test_what_would_cost_data_or_safety_is_refused_with_reason(line: str, reason: str) -> None:
    message = wrong(BASE + line)
    assert message.startswith(f"zoo.cfg:3: {line}: ")
    assert reason in message


@pytest.mark.parametrize("line", ["forceSync=yes", "snapshot.trust.empty=false", "sslQuorum=false"])
def test_the_safe_value_of_such_a_key_is_silent(line: str) -> None:
    assert parse_zoo_cfg(BASE + line).warnings == ()


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("tickTme=2000", "tickTme: unknown key, ignored; did you mean tickTime?"),
        (
            "zookeeper.SNAPCOUNT=1",
            "zookeeper.SNAPCOUNT: unknown key, ignored; did you mean snapCount?",
        ),
        ("qqq=1", "qqq: unknown key, ignored"),
        ("secureClientPort=2281", "secureClientPort=2281: not supported yet, ignored"),
        ("ssl.keyStore.password=x", "ssl.keyStore.password=****: not supported yet, ignored"),
        ("admin.enableServer=true", "admin.enableServer=true: not supported yet, ignored"),
        ("syncEnabled=false", "syncEnabled=false: not supported yet, ignored"),
        (
            "snapshotSizeFactor=0.5",
            "snapshotSizeFactor=0.5: has no meaning without ZooKeeper's Java server, ignored",
        ),
        (
            "nio.numWorkerThreads=4",
            "nio.numWorkerThreads=4: has no meaning without ZooKeeper's Java server, ignored",
        ),
        (
            "skipACL=yes",
            "skipACL=yes: ACLs are not checked: every client may read and change everything",
        ),
        ("snapCount=1", "snapCount=1: too small, 2 is used"),
        ("autopurge.snapRetainCount=1", "autopurge.snapRetainCount=1: too small, 3 is used"),
        ("commitLogCount=0", "commitLogCount=0: too small, 500 is used"),
        ("clientPort=2182", "clientPort=2182: replaces the value given in zoo.cfg:2"),
    ],
)
def test_warns(line: str, warning: str) -> None:
    assert parse_zoo_cfg(BASE + line).warnings == (f"zoo.cfg:3: {warning}",)


@pytest.mark.parametrize(
    "line",
    [
        "admin.enableServer=false",
        "audit.enable=false",
        "observerMasterPort=0",
        "syncEnabled=true",
    ],
)
def test_switching_off_what_does_not_exist_is_silent(line: str) -> None:
    assert parse_zoo_cfg(BASE + line).warnings == ()


def test_a_value_that_is_too_small_is_raised() -> None:
    config = parse_zoo_cfg(BASE + "snapCount=-5\nautopurge.snapRetainCount=0")
    assert (config.snap_count, config.snap_retain_count) == (2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clientPort=1", "dataDir: is not set"),
        ("datadir=/x\n", "zoo.cfg:1: datadir=/x: dataDir is not set; misspelled?"),
        (
            "dataDir=/d\nclientPortAddress=::1",
            "zoo.cfg:2: clientPortAddress=::1: is set but clientPort is not",
        ),
        (
            BASE + "minSessionTimeout=70000",
            "zoo.cfg:3: minSessionTimeout=70000: "
            "minSessionTimeout 70000 must not exceed maxSessionTimeout 60000",
        ),
        (
            BASE + "maxSessionTimeout=5999",
            "zoo.cfg:3: maxSessionTimeout=5999: "
            "minSessionTimeout 6000 must not exceed maxSessionTimeout 5999",
        ),
    ],
)
def test_keys_that_contradict_each_other(text: str, message: str) -> None:
    assert wrong(text) == message


def test_without_a_client_port_there_is_none_and_a_warning() -> None:
    config = parse_zoo_cfg("dataDir=/d\nclientport=1")
    assert config.client_port is None
    assert config.warnings[-1] == (
        "clientPort is not set: no client can connect (zoo.cfg:2 has clientport)"
    )


def test_options_override_the_file_silently_and_their_errors_name_the_option() -> None:
    file = parse_properties(BASE)
    config = build_config([*file, Setting("clientPort", "99", Origin("--client-port"))])
    assert (config.client_port, config.warnings) == (99, ())
    with pytest.raises(ConfigError, match=r"^--set: snapCount=x: must be an integer"):
        build_config([*file, Setting("snapCount", "x", Origin("--set"))])


def test_a_single_listed_server_runs_alone_unless_told_otherwise() -> None:
    lone = BASE + "server.1=h:1:2\n"
    assert not members(lone).is_distributed
    grown = members(lone + "standaloneEnabled=false\ninitLimit=1\nsyncLimit=1\n")
    assert grown.is_distributed


def test_an_ensemble() -> None:
    config = members(THREE, 2)
    assert config.is_distributed
    assert list(config.ensemble.servers) == [1, 2, 3]
    assert (config.my_id, config.init_limit, config.sync_limit) == (2, 10, 5)
    assert config.peer_type == "participant"
    assert config.warnings == ()


def test_the_role_comes_from_the_server_line() -> None:
    config = members(THREE + "server.4=h4:1:2:observer\npeerType=participant", 4)
    assert config.peer_type == "observer"
    assert config.warnings == ("peerType=participant differs from server.4",)


def test_warns_of_a_client_port_that_nobody_else_reaches() -> None:
    assert "set clientPortAddress" in members(CLOSED).warnings[0]
    assert members(CLOSED.replace("h1:1:2", "h1:1:2;0.0.0.0:2181")).warnings == ()
    assert members(CLOSED.replace("h1", "127.0.0.1")).warnings == ()
    assert members(CLOSED.replace("h1", "localhost")).warnings == ()


def test_warns_of_ensembles_that_survive_too_little() -> None:
    assert "survive no failure" in members(THREE.replace("server.3=h3:1:2\n", "")).warnings[0]
    assert "no more failures than 3" in members(THREE + "server.4=h4:1:2").warnings[0]


def test_warns_of_a_number_that_session_ids_cannot_hold() -> None:
    text = THREE.replace("server.3=", "server.300=")
    assert "myid=300 is not in 1..255" in members(text, 300).warnings[0]
    assert members(text, 1).warnings == ()


@pytest.mark.parametrize(
    ("text", "my_id", "problem"),
    [
        (THREE.replace("initLimit=10\n", ""), 1, "initLimit: must be 1 or more"),
        (
            THREE.replace("syncLimit=5", "syncLimit=0"),
            1,
            "zoo.cfg:4: syncLimit=0: must be 1 or more",
        ),
        (THREE, None, "/d: myid: file is missing"),
        (THREE, 9, "/d: myid=9: must be a listed server: 1, 2, 3"),
        (BASE + "server.1=h:1:2\nserver.2=g:1:2:observer", 1, "at least two participants"),
        (THREE + "server.1=h1:1:2;99", 1, "clientPort=2181: differs from client port 99"),
        (THREE + "electionAlg=2", 1, "electionAlg=2: must be 3"),
        (BASE + "standaloneEnabled=false", 1, "standaloneEnabled=false: without it, server lines"),
    ],
)
def test_an_incomplete_ensemble_is_an_error(text: str, my_id: int | None, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        members(text, my_id)
    assert problem in str(caught.value)


def test_the_client_address_of_a_server_line_counts() -> None:
    text = CLOSED.replace("clientPort=2181\n", "").replace(
        "server.1=h1:1:2", "server.1=h1:1:2;h1:77"
    )
    config = members(text)
    assert (config.client_port, config.client_port_address) == (77, "h1")
    assert config.warnings == ()


def dynamic(static: str, text: str) -> Config:
    return build_config(
        parse_properties(BASE + "initLimit=1\nsyncLimit=1\ndynamicConfigFile=f\n" + static),
        dynamic=parse_properties(text, "f"),
        dynamic_version=0x12,
        my_id=1,
    )


def test_members_from_a_dynamic_file() -> None:
    config = dynamic("", "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2;2183\n")
    assert config.ensemble.version == 0x12
    assert config.ensemble.servers[3].client == ("0.0.0.0", 2183)


@pytest.mark.parametrize(
    ("static", "text", "problem"),
    [
        ("server.1=a:1:2", "", "zoo.cfg:6: server.1=a:1:2: must stand in the file"),
        ("", "tickTime=5", "f:1: tickTime=5: a dynamic configuration file may hold"),
        ("", "version=5", "f:1: version=5: the version is the end of the file's name"),
    ],
)
def test_a_dynamic_file_holds_the_members_and_nothing_else(
    static: str, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        dynamic(static, text)
    assert problem in str(caught.value)


def test_my_id_is_the_first_line() -> None:
    assert parse_my_id(" 7 \nrest", "myid") == 7
    with pytest.raises(ConfigError, match=r"^/d/myid:1: myid=x: must be an integer$"):
        parse_my_id("x\n", "/d/myid")


def test_the_effective_configuration_names_origins_and_hides_secrets() -> None:
    text = BASE + "zookeeper.snapCount=9\nDigestAuthenticationProvider.superDigest=super:abc\n"
    config = parse_zoo_cfg(text + "ssl.keyStore.password=geheim")
    rows = {name: (value, str(origin)) for _, name, value, origin in effective(config)}
    assert rows["snapCount"] == ("9", "zoo.cfg:3")
    assert rows["tickTime"] == ("3000", "built-in default")
    assert rows["DigestAuthenticationProvider.superDigest"] == ("****", "zoo.cfg:4")
    assert config.super_digest == "super:abc"
    assert "super:abc" not in repr(config)
    assert "geheim" not in str((rows, config.warnings, config))


def test_embedding_needs_no_text() -> None:
    config = config_from({"dataDir": "/e", "clientPort": 0, "enforceQuota": True})
    assert (config.data_dir, config.client_port, config.enforce_quota) == ("/e", 0, True)


@given(st.dictionaries(st.sampled_from([key.name for key in KEYS]), st.text(max_size=8)))
def test_no_value_is_fatal(pairs: dict[str, str]) -> None:
    settings = [Setting(key, value, Origin("f", 1)) for key, value in pairs.items()]
    try:
        said = build_config(settings).warnings
    except ConfigError as error:
        said = (str(error),)
    assert all(line.isprintable() for line in said)


# Read, checked, and without effect so far.
IDLE = {
    "emulate_353_ttl_nodes",
    "large_request_max_bytes",
    "large_request_threshold",
    "leader_serves",
    "serialize_last_processed_zxid_enabled",
    "txn_log_size_limit_bytes",
}


def test_every_value_has_somebody_who_uses_it() -> None:
    """A key that is read and then forgotten would be a promise that nobody keeps."""
    source = Path(__file__).resolve().parent.parent / "src" / "zoo"
    texts = [path.read_text() for path in source.rglob("*.py") if "config_" not in path.name]
    used = {name for text in texts for name in re.findall(r"config\.(\w+)", text)}
    used |= {name for text in texts for name in re.findall(r'values\["(\w+)"\]', text)}
    fields = {field.name for field in dataclasses.fields(Config)}
    assert fields - used - {"warnings"} == IDLE
