from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.interop.raw_client import LinkClosed, Silence
from tests.persistence.history import log_bytes
from tests.runtime.servers import (
    CREATE,
    SET_DATA,
    Client,
    Process,
    ask,
    create_body,
    mntr,
    set_body,
    settings,
    wait_for,
)
from zoo.runtime import main as main_module
from zoo.runtime.main import EXIT_DATA_DIR, EXIT_INVOCATION, EXIT_OK, EXIT_UNEXPECTED

HANGING_FSYNC = """
import os, threading
from zoo.runtime.files import Files
real = Files.fdatasync
def hang(fd):
    if os.path.exists("hang"):
        open("hanging", "w").close()
        threading.Event().wait()
    real(fd)
Files.fdatasync = staticmethod(hang)
"""
FAILING = """
from zoo.{module} import {name}
def fail(*_):
    raise {error}
{name}.{attribute} = fail
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path) as server:
        yield server


def one_line(output: str) -> str:
    assert output.endswith("\n")
    assert output.count("\n") == 1, output
    return output


# --- starting


def test_the_line_that_says_it_serves(server: Process) -> None:
    line = one_line(server.log())
    assert re.search(
        rf"Zoo \S+ serves standalone at 127\.0\.0\.1:{server.port}, "
        rf"data in {server.data}: recovered zxid 0x0, 5 znodes, 0 sessions in \d+\.\d\d s "
        r"\(no snapshot, 0 transactions replayed\)$",
        line.rstrip(),
    ), line
    assert ask(server.port, b"ruok") == b"imok"
    assert f"clientPort={server.port}\n".encode() in ask(server.port, b"conf")


def test_a_second_server_on_the_same_directory(server: Process) -> None:
    code, output = Process(server.directory).run()
    assert code == EXIT_DATA_DIR
    assert f"another server uses this directory (pid {server.process.pid})" in one_line(output)
    assert ask(server.port, b"ruok") == b"imok"


def test_a_port_in_use(server: Process, tmp_path: Path) -> None:
    code, output = Process(tmp_path / "other", "--client-port", str(server.port)).run()
    assert code == EXIT_UNEXPECTED
    assert f"cannot listen on 127.0.0.1 port {server.port}: Address already in use" in output
    one_line(output)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("192.0.2.1", "no interface of this machine has that address"),
        ("no.such.host.invalid", "clientPortAddress=no.such.host.invalid"),
    ],
)
def test_an_address_that_is_not_ours(tmp_path: Path, address: str, says: str) -> None:
    code, output = Process(tmp_path, "--client-address", address).run()
    assert code == EXIT_UNEXPECTED
    assert says in one_line(output)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("address", ["0.0.0.0", "localhost", "::1"])
def test_other_addresses(tmp_path: Path, address: str) -> None:
    if address == "::1" and not has_ipv6():
        pytest.skip("no IPv6 here")
    with Process(tmp_path, "--client-address", address) as server:
        with socket.create_connection((address, server.port), 20) as link:
            link.sendall(b"ruok")
            assert link.recv(4) == b"imok"
        assert server.stop() == EXIT_OK


def test_a_wrong_value(tmp_path: Path) -> None:
    config = tmp_path / "zoo.cfg"
    config.write_text("dataDir=data\nclientPort=2181\ntickTime=soon\n")
    code, output = Process(tmp_path, str(config)).run()
    assert code == EXIT_INVOCATION
    assert f"{config}:3" in one_line(output)
    assert "tickTime" in output


# --- the data directory


def damaged_log(data: Path) -> str:
    log = data / "version-2" / "log.1"
    content = bytearray(log_bytes([1, 2, 3]))
    content[len(log_bytes([])) + 20] ^= 1
    log.write_bytes(content)
    return r"log\.1.* byte \d+"


def lost_log(data: Path) -> str:
    (data / "version-2" / "log.5").write_bytes(log_bytes([5, 6]))
    return "transactions are missing|begin only at"


def nonsense(data: Path) -> str:
    (data / "version-2" / "log.1").write_bytes(log_bytes([1, 2, 3]))
    return "0x1 has the right checksum and cannot be decoded"


def a_file_in_its_place(data: Path) -> str:
    (data / "version-2").rmdir()
    data.rmdir()
    data.write_text("")
    return "is not a directory"


def files_one_level_too_high(data: Path) -> str:
    (data / "snapshot.0").touch()
    return "logs and snapshots belong into"


def an_unreadable_log(data: Path) -> str:
    (data / "version-2" / "log.1").mkdir()
    return r"cannot read .*log\.1: Is a directory"


@pytest.mark.parametrize(
    "damage",
    [
        damaged_log,
        lost_log,
        nonsense,
        a_file_in_its_place,
        files_one_level_too_high,
        an_unreadable_log,
    ],
)
def test_unusable_data_is_refused_with_one_line(
    tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    server = Process(tmp_path)
    (server.data / "version-2").mkdir(parents=True)
    expected = damage(server.data)
    code, output = server.run()
    assert code == EXIT_DATA_DIR
    assert re.search(expected, one_line(output)), output


def test_starting_empty_may_be_forbidden(tmp_path: Path) -> None:
    server = Process(tmp_path, "--set", "zookeeper.db.autocreate=false")
    code, output = server.run()
    assert code == EXIT_DATA_DIR
    assert "`initialize`" in one_line(output)
    (server.data / "initialize").touch()
    with server:
        assert server.stop() == EXIT_OK
    assert not (server.data / "initialize").exists()
    with server:  # no longer empty: a snapshot says that it was begun
        assert server.stop() == EXIT_OK


def test_creating_directories_may_be_forbidden(tmp_path: Path) -> None:
    code, output = Process(tmp_path, "--set", "zookeeper.datadir.autocreate=false").run()
    assert code == EXIT_DATA_DIR
    assert "does not exist" in one_line(output)


def test_logs_in_a_directory_of_their_own(tmp_path: Path) -> None:
    server = Process(tmp_path, "--data-log-dir", str(tmp_path / "logs"), "--set", "snapCount=20")
    with server:
        client = Client(server.port)
        for i in range(100):
            client.create(f"/{i}")
        client.close()
        assert server.stop() == EXIT_OK
    names = {path.name.partition(".")[0] for path in (server.data / "version-2").iterdir()}
    assert names == {"snapshot", "zoo"}
    assert {path.name.partition(".")[0] for path in (tmp_path / "logs/version-2").iterdir()} == {
        "log",
        "zoo",
    }
    with server:
        client = Client(server.port)
        assert client.get("/99") == b""
        client.close()
    with Process(tmp_path) as forgetful:
        assert "Was dataLogDir another directory before?" in forgetful.log()


# --- stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_under_load_loses_nothing(tmp_path: Path, number: int) -> None:
    with Process(tmp_path) as server:
        client = Client(server.port)
        client.create("/n", b"0")
        done = check_writes_until_the_end(client, lambda: server.stop(number))
        assert server.process.returncode == EXIT_OK
        lines = server.log().splitlines()
        assert f"{signal.Signals(number).name}: draining, then stopping" in lines[-2]
        assert re.search("stopped at zxid 0x[0-9a-f]+$", lines[-1])
        assert server.log().endswith("\n")
    with server:
        again = Client(server.port)
        # The last one may have been durable with its answer still on the way.
        assert int(again.get("/n") or b"") in (done, done + 1)
        again.close()


def test_kill_9_under_load_loses_nothing_acknowledged(tmp_path: Path) -> None:
    server = Process(tmp_path)
    done = -1
    for _ in range(3):
        with server:
            client = Client(server.port)
            if done < 0:
                client.create("/n", b"0")
            assert int(client.get("/n") or b"") >= done
            done = check_writes_until_the_end(client, lambda: server.stop(signal.SIGKILL))
            assert server.process.returncode == -signal.SIGKILL
    with server:
        client = Client(server.port)
        assert int(client.get("/n") or b"") >= done
        client.close()


def check_writes_until_the_end(client: Client, end: Callable[[], object]) -> int:
    """Write ascending numbers to /n, call `end` after 50; returns the last one acknowledged."""
    done = int(client.get("/n") or b"")
    first = done
    ending = threading.Thread(target=end)
    try:
        while True:
            assert client.call(SET_DATA, set_body("/n", b"%d" % (done + 1)))[0] == 0
            done += 1
            if done == first + 50:
                ending.start()
    except (LinkClosed, Silence):
        ending.join()
        client.close()
        return done


def test_a_hanging_disk_is_left_behind(tmp_path: Path) -> None:
    breaking = HANGING_FSYNC + (
        "from zoo.runtime import driver\n"
        "driver._DRAIN_SECONDS = driver._THREADS_END_SECONDS = 0.3\n"
    )
    with Process(tmp_path, breaking=breaking) as server:
        client = Client(server.port)
        (tmp_path / "hang").touch()
        client.send(client.request(CREATE, create_body("/a")))
        wait_for((tmp_path / "hanging").exists, "the hang")
        assert server.stop() == EXIT_UNEXPECTED
        assert "the disk still hangs" in server.log()
        with pytest.raises(LinkClosed):
            client.reply()
        client.close()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Process(tmp_path, breaking=HANGING_FSYNC) as server:
        client = Client(server.port)
        (tmp_path / "hang").touch()
        client.send(client.request(CREATE, create_body("/a")))
        wait_for((tmp_path / "hanging").exists, "the hang")
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in server.log(), "the first signal")
        assert not server.ended
        assert server.stop() == EXIT_UNEXPECTED
        assert "SIGTERM again: leaving at once" in server.log()
        client.close()


# --- failing


@pytest.mark.parametrize(
    ("module", "name", "attribute"),
    [
        ("server.core", "ServerCore", "persisted"),
        ("server.core", "ServerCore", "tick"),
        ("server.connection", "ClientConnection", "receive"),
        ("runtime.driver", "Driver", "_drained"),
        ("runtime.driver", "Driver", "_purge"),
    ],
)
def test_an_internal_error_ends_the_process_with_a_reason(
    tmp_path: Path, module: str, name: str, attribute: str
) -> None:
    breaking = FAILING.format(
        module=module, name=name, attribute=attribute, error="ZeroDivisionError('injected')"
    )
    with Process(tmp_path, breaking=breaking) as server:
        try:
            Client(server.port).close()
        except (LinkClosed, OSError):
            assert attribute != "_drained"
        if attribute == "_drained":
            server.process.send_signal(signal.SIGTERM)
        assert server.wait() == EXIT_UNEXPECTED
        assert "stopping after an internal error" in server.log()
        assert "ZeroDivisionError: injected" in server.log()
        assert server.log().endswith("\n")


def test_a_full_disk_ends_the_process_with_advice(tmp_path: Path) -> None:
    breaking = FAILING.format(
        module="runtime.file_storage",
        name="Files",
        attribute="posix_fallocate",
        error="OSError(28, 'No space left on device')",
    )
    with Process(tmp_path, breaking=breaking) as server:
        with pytest.raises(LinkClosed):
            Client(server.port)
        assert server.wait() == EXIT_UNEXPECTED
        last = server.log().splitlines()[-1]
        assert "CRITICAL" in last
        assert "nothing unlogged was acknowledged" in last
        assert "No space left on device (ENOSPC). Free space" in last


def test_an_error_before_serving(tmp_path: Path) -> None:
    breaking = FAILING.format(
        module="runtime.loading", name="SessionTracker", attribute="load", error="RuntimeError('x')"
    )
    code, output = Process(tmp_path, breaking=breaking).run()
    assert code == EXIT_UNEXPECTED
    assert "stopping after an internal error" in output


# --- in this process


def test_no_client_port(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    config = settings(tmp_path)
    assert main_module.serve(replace(config, client_port=None)) == EXIT_INVOCATION
    assert "no clientPort" in caplog.text


def test_host_facts(server: Process) -> None:
    facts = mntr(server.port)
    assert int(facts["zk_open_file_descriptor_count"]) > 5
    assert int(facts["zk_max_file_descriptor_count"]) >= 64
    conf = ask(server.port, b"conf").decode()
    assert f"dataDir={server.data}/version-2\n" in conf
    assert "dataDirSize=" in conf
