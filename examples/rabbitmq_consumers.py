"""A consumer group over RabbitMQ: many consumers, one at a time for each partition.

Orders of one account must be handled in order, so they go into one of several queues (the
partition, by account) and each queue may have only one consumer. Consumers come and go: the
partitioner shares the queues out, and a queue changes hands only after its consumer has let go.
What was handled goes to a database that knows the largest fencing token of each partition, so a
consumer that was paused too long cannot write after its successor. Messages are acknowledged after
that write: what a killed consumer had not acknowledged, its successor gets again, and skips.

    zoo serve &                                        # and a RabbitMQ server; pip install pika
    python examples/rabbitmq_consumers.py consume 127.0.0.1:2181 amqp://127.0.0.1 one handled.db &
    python examples/rabbitmq_consumers.py consume 127.0.0.1:2181 amqp://127.0.0.1 two handled.db &
    python examples/rabbitmq_consumers.py publish amqp://127.0.0.1 1 1000
    python examples/rabbitmq_consumers.py show handled.db
"""

from __future__ import annotations

import signal
import sqlite3
import sys

import pika

import zoo
from zoo.recipes.blocking import Partition, Partitioner

PARTITIONS = 4
TABLES = """
CREATE TABLE IF NOT EXISTS handled(number INTEGER PRIMARY KEY, partition TEXT, consumer TEXT,
                                   token INTEGER);
CREATE TABLE IF NOT EXISTS fence(partition TEXT PRIMARY KEY, token INTEGER);
"""


def say(text: str) -> None:
    print(text, flush=True)


def queue_of(partition: str | int) -> str:
    return f"orders.{partition}"


def open_database(file: str) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=30, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(TABLES)
    return database


def handle(database: sqlite3.Connection, partition: Partition, consumer: str, order: int) -> bool:
    """Once each, and only with the newest token; False: another owns the partition."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        newest = database.execute(
            "SELECT token FROM fence WHERE partition = ?", (partition.name,)
        ).fetchone()
        if newest is not None and newest[0] > partition.token:
            return False
        database.execute("REPLACE INTO fence VALUES (?, ?)", (partition.name, partition.token))
        database.execute(
            "INSERT OR IGNORE INTO handled VALUES (?, ?, ?, ?)",
            (order, partition.name, consumer, partition.token),
        )
    return True


def consume(url: str, file: str, consumer: str, partition: Partition) -> None:
    """Runs in a thread of its own as long as the partition is ours."""
    say(f"{consumer} owns {partition.name} with token {partition.token}")
    database = open_database(file)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)
        channel.queue_declare(queue_of(partition.name), durable=True)
        # It yields None every so often, so that we can look whether to stop.
        for method, _, body in channel.consume(queue_of(partition.name), inactivity_timeout=0.1):
            if partition.stopping.is_set():
                break
            if method is None:
                continue
            if not handle(database, partition, consumer, int(body)):
                say(f"{consumer} is fenced off {partition.name}")
                break
            channel.basic_ack(method.delivery_tag)
        channel.cancel()  # what was not acknowledged goes back to the queue
    database.close()
    say(f"{consumer} let go of {partition.name}")


def run_consumer(hosts: str, url: str, consumer: str, file: str) -> None:
    def work(partition: Partition) -> None:
        consume(url, file, consumer, partition)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with (
        zoo.Client(hosts, session_timeout=2.0) as zk,
        Partitioner(zk, "/consumers/orders", consumer, PARTITIONS, work),
    ):
        while True:
            signal.pause()


def publish(url: str, first: int, last: int) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for partition in range(PARTITIONS):
            channel.queue_declare(queue_of(partition), durable=True)
        for order in range(first, last + 1):
            durable = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish("", queue_of(order % PARTITIONS), b"%d" % order, durable)


def main() -> None:
    match sys.argv[1:]:
        case ["consume", hosts, url, consumer, file]:
            run_consumer(hosts, url, consumer, file)
        case ["publish", url, first, last]:
            publish(url, int(first), int(last))
        case ["show", file]:
            rows = open_database(file).execute(
                "SELECT partition, consumer, count(*) FROM handled GROUP BY partition, consumer"
            )
            for partition, consumer, count in rows:
                print(f"partition {partition}: {count} by {consumer}")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
