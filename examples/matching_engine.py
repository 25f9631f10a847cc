"""Exactly one active matching engine: election, failover, and writes that are fenced.

Several engines run; one leads and matches the orders in a shared book (an SQLite file, standing for
whatever an engine writes to). When it is killed another leads within the session timeout. What if
it was only paused, and wakes up believing that it still leads? Then the book itself refuses it: it
remembers the largest fencing token that it has seen, in the same transaction as the trades.

    zoo serve &
    python examples/matching_engine.py engine 127.0.0.1:2181 engine-1 book.db &
    python examples/matching_engine.py engine 127.0.0.1:2181 engine-2 book.db &
    python examples/matching_engine.py order book.db buy 101 5
    python examples/matching_engine.py order book.db sell 100 3
    python examples/matching_engine.py trades book.db

Kill the engine that leads (kill -9), or stop it (kill -STOP) and let it go on later (kill -CONT).
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from collections.abc import Iterator

import zoo
from zoo.client.errors import ClientError
from zoo.recipes.blocking import Election, Place

TABLES = """
CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, side TEXT, price INTEGER, left INTEGER);
CREATE TABLE IF NOT EXISTS trades(id INTEGER PRIMARY KEY, buy INTEGER, sell INTEGER,
                                  price INTEGER, quantity INTEGER, engine TEXT, token INTEGER);
CREATE TABLE IF NOT EXISTS fence(id INTEGER PRIMARY KEY, token INTEGER);
INSERT OR IGNORE INTO fence VALUES (1, 0);
"""
BEST_PAIR = """
SELECT buy.id, sell.id, sell.price, min(buy.left, sell.left) FROM orders buy, orders sell
WHERE buy.side = 'buy' AND sell.side = 'sell' AND buy.left > 0 AND sell.left > 0
  AND buy.price >= sell.price
ORDER BY buy.price DESC, buy.id, sell.price, sell.id LIMIT 1
"""


class FencedOffError(Exception):
    """A newer engine has written: we lead no more, whatever we believe."""


class Book:
    """Orders and trades. Every write of an engine carries its token."""

    def __init__(self, file: str) -> None:
        self.database = sqlite3.connect(file, timeout=30, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.executescript(TABLES)

    @contextlib.contextmanager
    def fenced(self, token: int) -> Iterator[sqlite3.Connection]:
        """A transaction of the engine with this token. Raises FencedOffError."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            (newest,) = self.database.execute("SELECT token FROM fence").fetchone()
            if token < newest:
                raise FencedOffError(f"token {token}, and {newest} has written already")
            self.database.execute("UPDATE fence SET token = ?", (token,))
            yield self.database
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            raise

    def take_over(self, token: int) -> None:
        """From now on nobody with an older token can write."""
        with self.fenced(token):
            return

    def match(self, engine: str, token: int) -> int:
        """Match what can be matched; the number of trades."""
        trades = 0
        if self.database.execute(BEST_PAIR).fetchone() is None:
            return trades  # without a lock on the book
        with self.fenced(token) as book:
            while (pair := book.execute(BEST_PAIR).fetchone()) is not None:
                buy, sell, price, quantity = pair
                book.execute(
                    "UPDATE orders SET left = left - ? WHERE id IN (?, ?)", (quantity, buy, sell)
                )
                book.execute(
                    "INSERT INTO trades VALUES (NULL, ?, ?, ?, ?, ?, ?)",
                    (buy, sell, price, quantity, engine, token),
                )
                trades += 1
        return trades

    def order(self, side: str, price: int, quantity: int) -> None:
        self.database.execute("INSERT INTO orders VALUES (NULL, ?, ?, ?)", (side, price, quantity))


def say(text: str) -> None:
    print(text, flush=True)


def run_engine(hosts: str, name: str, book: Book) -> None:
    with zoo.Client(hosts, session_timeout=2.0) as zk:
        while True:
            try:
                with Election(zk, "/matching-engine", name=name) as leadership:
                    lead(name, book, leadership)
            except FencedOffError as error:
                say(f"{name} is fenced off: {error}")
            except ClientError as error:  # the session of a standby that was stopped, say
                say(f"{name} stands for election again: {error}")
                time.sleep(0.1)


def lead(name: str, book: Book, leadership: Place) -> None:
    """Until it is lost."""
    book.take_over(leadership.token)
    say(f"{name} leads with token {leadership.token}")
    # Pause between two rounds, or be told at once that the leadership is lost.
    while not leadership.wait_until_lost(timeout=0.02):
        if trades := book.match(name, leadership.token):
            say(f"{name} made {trades} trades")
    say(f"{name} has lost its leadership")


def main() -> None:
    match sys.argv[1:]:
        case ["engine", hosts, name, file]:
            run_engine(hosts, name, Book(file))
        case ["order", file, "buy" | "sell" as side, price, quantity]:
            Book(file).order(side, int(price), int(quantity))
        case ["trades", file]:
            for trade in Book(file).database.execute("SELECT * FROM trades ORDER BY id"):
                print("#{} buy {} sell {} at {}: {} by {} token {}".format(*trade))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
