"""A RabbitMQ broker of the test's own: Debian's package, on loopback and free ports, in a folder.

`missing()` says why there can be none. Erlang's port mapper would stay behind as a daemon, so it is
started here, too, on a port of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.harness import free_port, wait_until

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
ADDRESS = "127.0.0.1"
DEADLINE = 120.0


def missing() -> str | None:
    if not SERVER.exists() or shutil.which("epmd") is None:
        return "no RabbitMQ on this machine (Debian package rabbitmq-server)"
    if importlib.util.find_spec("pika") is None:
        return "pika is not installed"
    return None


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Its URL, once it serves."""
    port, mapper_port = free_port(), free_port()
    environment = {
        **os.environ,
        "HOME": str(folder),  # where Erlang puts its cookie
        "ERL_EPMD_ADDRESS": ADDRESS,
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_NODENAME": f"zoo{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": ADDRESS,
        "RABBITMQ_NODE_PORT": str(port),
    }
    with (folder / "broker.log").open("wb") as log:
        mapper = subprocess.Popen(
            ["epmd", "-address", ADDRESS, "-port", str(mapper_port)], stdout=log, stderr=log
        )
        server = subprocess.Popen(
            [str(SERVER)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: _greets(port, server), DEADLINE, f"RabbitMQ in {folder}", 0.1)
        yield f"amqp://guest:guest@{ADDRESS}:{port}/"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        mapper.kill()
        mapper.wait()


def _greets(port: int, server: subprocess.Popen[bytes]) -> bool:
    """Does it answer the protocol's header with connection.start?"""
    assert server.poll() is None, "RabbitMQ has ended; see broker.log"
    try:
        with socket.create_connection((ADDRESS, port), 5.0) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            return link.recv(1) == b"\x01"
    except OSError:
        return False
