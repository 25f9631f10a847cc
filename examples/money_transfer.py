"""Money moves between two banks, or does not, whoever is killed when: two-phase commit.

Each bank keeps its accounts in a database of its own (an SQLite file). A transfer takes from one
and gives to the other; its outcome is decided by one write to ZooKeeper. What a bank has promised
is in its database before it votes, so it can be killed at any point and goes on when it is started
again. The teller writes down nothing: with the same number the transfer can be asked for again.

    zoo serve &
    python examples/money_transfer.py bank 127.0.0.1:2181 north north.db alice=100 &
    python examples/money_transfer.py bank 127.0.0.1:2181 south south.db bob=100 &
    python examples/money_transfer.py transfer 127.0.0.1:2181 no-1 north/alice south/bob 30
    python examples/money_transfer.py show north.db south.db

PAUSE_AT=step makes a process wait at a step for its kill -9; the steps are those named in `step`.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys

import zoo
from zoo.recipes import Refused
from zoo.recipes.blocking import Coordinator, Participant

PATH = "/transfers"
TABLES = """
CREATE TABLE IF NOT EXISTS accounts(name TEXT PRIMARY KEY, balance INTEGER);
CREATE TABLE IF NOT EXISTS promised(txid TEXT PRIMARY KEY, account TEXT, amount INTEGER);
"""


def say(text: str) -> None:
    print(text, flush=True)


def step(name: str) -> None:
    """A point at which the process may be killed."""
    if os.environ.get("PAUSE_AT") == name:
        say(f"paused at {name}")
        signal.pause()


class Bank:
    """The resource that takes part. Each method is one transaction of the database."""

    def __init__(self, file: str) -> None:
        self.database = sqlite3.connect(
            file, timeout=30, isolation_level=None, check_same_thread=False
        )
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.executescript(TABLES)

    def open_account(self, name: str, balance: int) -> None:
        self.database.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (name, balance))

    def prepare(self, txid: str, part: bytes) -> None:
        account, amount = json.loads(part)
        step("preparing")
        with self.database:
            self.database.execute("BEGIN IMMEDIATE")
            row = self.database.execute(
                "SELECT balance + (SELECT coalesce(sum(min(amount, 0)), 0) FROM promised"
                "                  WHERE account = name AND txid <> ?) "
                "FROM accounts WHERE name = ?",
                (txid, account),
            ).fetchone()
            if row is None:
                raise Refused(f"there is no account {account}")
            if row[0] + amount < 0:
                raise Refused(f"{account} has {row[0]}, and that is not enough")
            self.database.execute(
                "INSERT OR REPLACE INTO promised VALUES (?, ?, ?)", (txid, account, amount)
            )
        step("promised")

    def commit(self, txid: str) -> None:
        step("committing")
        with self.database:
            self.database.execute("BEGIN IMMEDIATE")
            self.database.execute(
                "UPDATE accounts SET balance = balance + amount FROM promised "
                "WHERE account = name AND txid = ?",
                (txid,),
            )
            self.database.execute("DELETE FROM promised WHERE txid = ?", (txid,))
        step("committed")

    def rollback(self, txid: str) -> None:
        with self.database:
            self.database.execute("DELETE FROM promised WHERE txid = ?", (txid,))


def run_bank(hosts: str, name: str, file: str, accounts: list[str]) -> None:
    bank = Bank(file)
    for account in accounts:
        owner, _, balance = account.partition("=")
        bank.open_account(owner, int(balance))
    with zoo.Client(hosts) as zk, Participant(zk, PATH, name, bank):
        say(f"{name} is open")
        signal.pause()


def transfer(hosts: str, txid: str, source: str, target: str, amount: int) -> None:
    (payer, payer_account), (payee, payee_account) = source.split("/"), target.split("/")
    parts = {
        payer: json.dumps([payer_account, -amount]).encode(),
        payee: json.dumps([payee_account, amount]).encode(),
    }
    with zoo.Client(hosts) as zk:
        teller = Coordinator(zk, PATH, "teller")
        decision = teller.execute(parts, txid=txid, timeout=float(os.environ.get("TIMEOUT", 10)))
        step("decided")
        # Here a real teller stores the outcome. Until `forget` it can ask for it again.
        say(f"{txid}: {'done' if decision.committed else f'not done: {decision.reason}'}")
        teller.forget(txid)


def main() -> None:
    match sys.argv[1:]:
        case ["bank", hosts, name, file, *accounts]:
            run_bank(hosts, name, file, accounts)
        case ["transfer", hosts, txid, source, target, amount]:
            transfer(hosts, txid, source, target, int(amount))
        case ["show", *files]:
            for file in files:
                for row in Bank(file).database.execute("SELECT name, balance FROM accounts"):
                    print(*row)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
