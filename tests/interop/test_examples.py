"""Each example runs as its docstring says, and keeps its promise when processes are killed."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.interop.example import DEADLINE, EXAMPLES, Program, launching
from tests.interop.harness import wait_until
from zoo.testing import EmbeddedServer

pytestmark = pytest.mark.interop
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture(scope="module")
def hosts() -> Iterator[str]:
    with EmbeddedServer({"tickTime": 200}) as server:
        yield server.hosts


def module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_says_what_it_shows_and_how_to_run_it(script: Path) -> None:
    text = script.read_text()
    document = ast.get_docstring(ast.parse(text))
    assert document is not None
    assert "zoo serve &" in document
    assert f"python examples/{script.name}" in document
    assert 60 <= len(text.splitlines()) <= 160
    assert f"[{script.name}]({script.name})" in (EXAMPLES / "README.md").read_text()


# --- one active matching engine


def test_one_matching_engine_is_active(hosts: str, tmp_path: Path) -> None:
    book_file = tmp_path / "book.db"
    example = module("matching_engine")
    book = example.Book(str(book_file))
    orders = iter(range(1, 100))

    def trade() -> None:
        """A pair of orders that match; waits until they are traded."""
        number = next(orders)
        book.order("buy", 100 + number, 5)
        book.order("sell", 100 + number, 5)
        wait_until(lambda: traded() == number, DEADLINE, f"trade {number}")

    def traded() -> int:
        (count,) = book.database.execute("SELECT count(*) FROM trades").fetchone()
        return int(count)

    with launching(tmp_path, "matching_engine.py") as launch:

        def engine(name: str) -> Program:
            return launch("engine", hosts, name, book_file)

        first = engine("first")
        old = int(first.wait_for(r"first leads with token (\d+)")[1])
        second = engine("second")
        assert launch("order", book_file, "buy", 100, 7).end() == ""
        trade()
        first.kill()
        second.wait_for("second leads")
        trade()
        with pytest.raises(example.FencedOffError):
            book.take_over(old)
        third = engine("third")
        second.signal(signal.SIGSTOP)
        third.wait_for("third leads")
        trade()
        third.signal(signal.SIGSTOP)  # while only the one that led before is awake
        book.order("buy", 500, 1)
        book.order("sell", 500, 1)
        second.signal(signal.SIGCONT)
        second.wait_for("fenced off|has lost its leadership")
        third.signal(signal.SIGCONT)
        number = next(orders)
        wait_until(lambda: traded() == number, DEADLINE, "whoever leads now has made the trade")
        trade()
        lines = launch("trades", book_file).end().splitlines()
    tokens = [int(line.rpartition(" ")[2]) for line in lines]
    assert len(tokens) == 5
    assert tokens == sorted(tokens), "nobody wrote after a successor"
    assert len(set(tokens)) >= 3
    left = book.database.execute("SELECT sum(left) FROM orders").fetchone()
    assert left == (7,), "each order was matched once"


# --- money transfer


class Ledgers:
    """The two databases, looked at from outside."""

    def __init__(self, folder: Path) -> None:
        self.files = {"north": folder / "north.db", "south": folder / "south.db"}

    def balances(self) -> tuple[int, int]:
        return self._sum("north", "balance", "accounts"), self._sum("south", "balance", "accounts")

    def promised(self) -> int:
        return sum(self._sum(bank, "1", "promised") for bank in self.files)

    def _sum(self, bank: str, column: str, table: str) -> int:
        with closing(sqlite3.connect(self.files[bank], timeout=30)) as database:
            query = f"SELECT coalesce(sum({column}), 0) FROM {table}"
            return int(database.execute(query).fetchone()[0])

    def wait_until_settled(self, paid: int) -> None:
        expected = (100 - paid, 100 + paid)

        def is_settled() -> bool:
            return self.balances() == expected and self.promised() == 0

        wait_until(is_settled, DEADLINE, f"{expected}, and nothing promised", 0.02)


def test_money_is_transferred_or_not_whoever_is_killed(hosts: str, tmp_path: Path) -> None:
    ledgers = Ledgers(tmp_path)
    with launching(tmp_path, "money_transfer.py") as launch:

        def bank(name: str, owner: str, pause_at: str = "") -> Program:
            program = launch(
                "bank", hosts, name, ledgers.files[name], f"{owner}=100", PAUSE_AT=pause_at
            )
            program.wait_for(f"{name} is open")
            return program

        def transfer(
            number: str, amount: int = 10, pause_at: str = "", timeout: int = 20
        ) -> Program:
            where = ("north/alice", "south/bob")
            environment = {"PAUSE_AT": pause_at, "TIMEOUT": str(timeout)}
            return launch("transfer", hosts, number, *where, amount, **environment)

        north, south = bank("north", "alice"), bank("south", "bob")
        assert transfer("no-1").end() == "no-1: done\n"
        ledgers.wait_until_settled(10)
        answer = transfer("no-2", 1000).end()
        assert answer == "no-2: not done: north: alice has 90, and that is not enough\n"
        ledgers.wait_until_settled(10)
        # One transfer through a bank that is killed at every step of it.
        south.kill()
        south = bank("south", "bob", pause_at="preparing")
        teller = transfer("hard", timeout=60)
        for step, following in itertools.pairwise(
            ("preparing", "promised", "committing", "committed", "")
        ):
            south.wait_for(f"paused at {step}")
            south.kill()
            south = bank("south", "bob", pause_at=following)
        assert teller.end() == "hard: done\n"
        ledgers.wait_until_settled(20)
        # The teller is killed when all is decided, and asks again with the same number.
        teller = transfer("twice", pause_at="decided")
        teller.wait_for("paused at decided")
        teller.kill()
        assert transfer("twice").end() == "twice: done\n"
        ledgers.wait_until_settled(30)
        # It is killed before: the banks decide without it.
        south.kill()
        south = bank("south", "bob", pause_at="promised")
        teller = transfer("orphan", timeout=3)
        south.wait_for("paused at promised")
        teller.kill()
        south.kill()
        bank("south", "bob")
        ledgers.wait_until_settled(30)
        assert north.process.poll() is None
        shown = launch("show", *ledgers.files.values()).end()
        assert shown == "alice 70\nbob 130\n"


# --- market settings


def test_settings_reach_all_processes_and_can_be_taken_back(hosts: str, tmp_path: Path) -> None:
    with launching(tmp_path, "market_config.py") as launch:
        traders = [launch("follow", hosts, f"trader-{n}") for n in range(1, 4)]
        for trader in traders:
            trader.wait_for("at revision 0: open, orders up to 1000, tick 0.01")
        assert launch("set", hosts, "max_order=500", "before the data").end() == "revision 1\n"
        for trader in traders:
            trader.wait_for("at revision 1: open, orders up to 500")
        refused = launch("set", hosts, "max_order=0", "a typing error")
        assert refused.process.wait(DEADLINE) == 1
        assert "max_order 0 leaves nothing to trade" in refused.output
        traders[0].kill()
        launch("set", hosts, "trading=halted", "circuit breaker").end()
        assert launch("rollback", hosts, 1).end() == "revision 3\n"
        late = launch("follow", hosts, "late")
        for trader in (*traders[1:], late):
            trader.wait_for("at revision 3: open, orders up to 500")
        lines = launch("history", hosts).end().splitlines()
        assert [line.partition(" ")[0] for line in lines] == ["#3", "#2", "#1"]
        assert "circuit breaker (trading: open -> halted)" in lines[1]


# --- service discovery


def test_a_pricing_service_is_found_while_servers_come_and_go(hosts: str, tmp_path: Path) -> None:
    with launching(tmp_path, "pricing_service.py") as launch:

        def ask(count: int) -> dict[str, int]:
            output = launch("ask", hosts, count).end()
            return {name: int(n) for name, n in re.findall(r"^(\S+) answered (\d+)$", output, re.M)}

        servers = {name: launch("serve", hosts, name) for name in ("one", "two", "three")}
        for server in servers.values():
            server.wait_for("serves on port")
        answers = ask(60)
        assert sum(answers.values()) == 60
        assert answers.keys() == servers.keys()
        assert min(answers.values()) >= 10, answers
        servers["one"].kill()  # it stays on the list until its session has expired
        answers = ask(30)
        assert sum(answers.values()) == 30
        assert answers.keys() == {"two", "three"}
        servers["two"].signal(signal.SIGTERM)
        assert "two has ended" in servers["two"].end()
        assert ask(10) == {"three": 10}
