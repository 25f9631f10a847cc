"""`zoo serve` as users start it: the command, its defaults, its log."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.interop.raw_client import buffer
from tests.runtime.servers import Client, Process, ask

AUTH = 100
WRONG = buffer(b"digest") + buffer(b"somebody:hunter2")


def test_without_a_configuration(tmp_path: Path) -> None:
    """`zoo serve` alone; only the port is another, so that tests do not meet."""
    server = Process(tmp_path)
    zoo = Path(sys.executable).with_name("zoo")
    server.command = [str(zoo), "serve", "--client-port", "0"]
    with server:
        assert f"data in {tmp_path / 'zoo-data'}: recovered" in server.log()
        assert "serves standalone at 127.0.0.1:" in server.log()
        assert ask(server.port, b"ruok") == b"imok"
        assert server.stop() == 0
    assert (tmp_path / "zoo-data" / "version-2" / "snapshot.0").exists()


def test_with_a_configuration_and_options_that_win(tmp_path: Path) -> None:
    config = tmp_path / "zoo.cfg"
    config.write_text("dataDir=elsewhere\nclientPort=1\ntickTime=1234\nnetty.thing=1\n")
    with Process(tmp_path, str(config)) as server:
        first = server.log().splitlines()[0]
        assert "WARNING zoo.config" in first
        assert "netty.thing" in first
        assert b"tickTime=1234\n" in ask(server.port, b"conf")
        assert server.stop() == 0
    assert not (tmp_path / "elsewhere").exists()


def test_json_lines(tmp_path: Path) -> None:
    with Process(tmp_path, "--log-format", "json") as server:
        # The usual start-up line is inside a JSON string here.
        assert ask(server.port, b"ruok") == b"imok"
        assert server.stop() == 0
        assert server.log().endswith("\n")
        events = [json.loads(line) for line in server.log().splitlines()]
    assert [event["message"].split()[0] for event in events] == ["Zoo", "SIGTERM:", "stopped"]
    assert {event["level"] for event in events} == {"INFO"}


@pytest.mark.parametrize("level", ["debug", "info"])
def test_secrets_stay_out_of_the_log(tmp_path: Path, level: str) -> None:
    secret = "zookeeper.DigestAuthenticationProvider.superDigest=super:c2VjcmV0c2VjcmV0"
    with Process(tmp_path, "--log-level", level, "--set", secret) as server:
        client = Client(server.port)
        assert client.call(AUTH, bytes(4) + WRONG) == (0, b"")
        client.send(client.request(AUTH, bytes(4) + buffer(b"nonesuch") + buffer(b"hunter2")))
        client.reply()
        client.close()
        assert server.stop() == 0
        text = server.log()
    assert "authentication failed" in text
    assert "hunter2" not in text
    assert "c2VjcmV0" not in text
    assert client.handshake.password is not None
    assert client.handshake.password.hex() not in text


def test_strangers_on_the_port(tmp_path: Path) -> None:
    with Process(tmp_path) as server:
        answer = ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert ask(server.port, b"\x16\x03\x01\x00\xf8\x01" + bytes(200))[:1] == b"\x15"
        assert server.stop() == 0
        warnings = [line for line in server.log().splitlines() if "WARNING" in line]
    assert len(warnings) == 2
    assert "HTTP request from 127.0.0.1" in warnings[0]
    assert "TLS handshake from 127.0.0.1" in warnings[1]
