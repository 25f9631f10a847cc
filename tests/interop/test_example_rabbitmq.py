"""The consumer group over RabbitMQ, with consumers that are killed and stopped."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tests.interop import rabbitmq
from tests.interop.example import DEADLINE, Program, launching
from tests.interop.harness import wait_until
from zoo.testing import EmbeddedServer

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if reason := rabbitmq.missing():
        pytest.skip(reason)
    with rabbitmq.broker(tmp_path_factory.mktemp("rabbitmq")) as found:
        yield found


def test_each_partition_has_one_consumer_at_a_time(url: str, tmp_path: Path) -> None:
    file = tmp_path / "handled.db"

    def handled() -> list[tuple[int, str, str, int]]:
        with closing(sqlite3.connect(file, timeout=30)) as database:
            return database.execute("SELECT * FROM handled ORDER BY number").fetchall()

    def wait_until_handled(count: int) -> None:
        wait_until(lambda: len(handled()) == count, DEADLINE, f"{count} handled", 0.05)

    with (
        EmbeddedServer({"tickTime": 200}) as server,
        launching(tmp_path, "rabbitmq_consumers.py") as launch,
    ):

        def consumer(name: str) -> Program:
            return launch("consume", server.hosts, url, name, file)

        one, two = consumer("one"), consumer("two")
        one.wait_for("one owns", 2)
        two.wait_for("two owns", 2)
        launch("publish", url, 1, 200).end()
        wait_until_handled(200)
        assert {name for _, _, name, _ in handled()[-20:]} == {"one", "two"}
        publisher = launch("publish", url, 201, 600)
        wait_until(lambda: len(handled()) > 220, DEADLINE, "at work", 0.01)
        one.kill()
        two.wait_for("two owns", 4)
        publisher.end()
        wait_until_handled(600)
        three = consumer("three")
        three.wait_for("three owns", 2)
        two.signal(signal.SIGSTOP)
        three.wait_for("three owns", 4)
        two.signal(signal.SIGCONT)  # it believes for a moment that it still owns two of them
        launch("publish", url, 601, 800).end()
        wait_until_handled(800)
        two.signal(signal.SIGTERM)
        two.end()
        assert "by three" in launch("show", file).end()
    rows = handled()
    assert [number for number, *_ in rows] == list(range(1, 801)), "each once"
    for partition in {each for _, each, *_ in rows}:
        tokens = [token for _, each, _, token in rows if each == partition]
        assert all(a <= b for a, b in pairwise(tokens)), (
            "in order, and no owner after its successor"
        )
