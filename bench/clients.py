"""Zoo's clients beside kazoo, against one Zoo server: the same work, measured in turns.

    python -m bench.clients [--cells lock] [--rounds 15] [--seconds 0.3] [--json FILE]
                            [--ours ".venv/bin/zoo serve {config}"]

A cell is a kind of work; its figure is operations in a second. Both clients do it in slices that
take turns, so that a busy machine slows both; shown is the median of each and their ratio.

    get      one thread reads a znode of 100 bytes, over and over
    set      one thread writes it
    gets     100 reads at a time: asyncio here, kazoo's get_async there
    sets     100 writes at a time, likewise
    lock     an uncontended lock, acquired and released by one thread
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from kazoo.client import KazooClient

from bench.servers import OURS, Server, median, table
from zoo.client.async_client import connect
from zoo.client.blocking import Client
from zoo.recipes import blocking

Work = Callable[[], int]
"""Does a little, and returns how many operations that was."""
Cell = Callable[[str], contextlib.AbstractContextManager[dict[str, Work]]]
"""Client -> its work, given the address of a server."""
CLIENTS = ("zoo", "kazoo")


@contextlib.contextmanager
def both(address: str) -> Iterator[tuple[Client[bytes], KazooClient]]:
    """The two blocking clients, connected."""
    theirs = KazooClient(address)
    theirs.start()
    try:
        with Client(address) as ours:
            yield ours, theirs
    finally:
        theirs.stop()
        theirs.close()


@contextlib.contextmanager
def lock(address: str) -> Iterator[dict[str, Work]]:
    with both(address) as (ours, theirs):
        locks = {"zoo": blocking.Lock(ours, "/lock/zoo"), "kazoo": theirs.Lock("/lock/kazoo")}

        def cycle(client: str) -> int:
            for _ in range(10):
                with locks[client]:
                    pass
            return 10

        yield {client: lambda client=client: cycle(client) for client in CLIENTS}  # type: ignore[misc]


DATA = b"x" * 100
AT_A_TIME = 100


def one_by_one(operation: str) -> Cell:
    """A cell of a blocking call, `get` or `set`."""

    @contextlib.contextmanager
    def cell(address: str) -> Iterator[dict[str, Work]]:
        arguments = ("/cell",) if operation == "get" else ("/cell", DATA)
        with both(address) as clients:
            clients[0].ensure_path("/cell")
            clients[0].set("/cell", DATA)

            def work(client: Client[bytes] | KazooClient) -> int:
                call = getattr(client, operation)
                for _ in range(20):
                    call(*arguments)
                return 20

            yield {name: partial(work, client) for name, client in zip(CLIENTS, clients)}

    return cell


def at_a_time(operation: str) -> Cell:
    """A cell of many calls under way at a time."""

    @contextlib.contextmanager
    def cell(address: str) -> Iterator[dict[str, Work]]:
        arguments = ("/cell",) if operation == "get" else ("/cell", DATA)
        with both(address) as (blocking_one, theirs), asyncio.Runner() as runner:
            blocking_one.ensure_path("/cell")
            blocking_one.set("/cell", DATA)
            ours = connect(address)
            runner.run(ours.start())

            async def together() -> None:
                call = getattr(ours, operation)
                await asyncio.gather(*(call(*arguments) for _ in range(AT_A_TIME)))

            def work_of_zoo() -> int:
                runner.run(together())
                return AT_A_TIME

            def work_of_kazoo() -> int:
                call = getattr(theirs, f"{operation}_async")
                for result in [call(*arguments) for _ in range(AT_A_TIME)]:
                    result.get()
                return AT_A_TIME

            yield {"zoo": work_of_zoo, "kazoo": work_of_kazoo}
            runner.run(ours.close())

    return cell


CELLS: dict[str, Cell] = {
    "get": one_by_one("get"),
    "set": one_by_one("set"),
    "gets": at_a_time("get"),
    "sets": at_a_time("set"),
    "lock": lock,
}


def rate(work: Work, seconds: float) -> float:
    """Operations in a second, over so many seconds."""
    done, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        done += work()
    return done / spent


def measure(cell: Cell, address: str, rounds: int, seconds: float) -> dict[str, float]:
    rates: dict[str, list[float]] = {client: [] for client in CLIENTS}
    with cell(address) as works:
        for client in CLIENTS:
            works[client]()  # whatever is made once is made
        for _ in range(rounds):
            for client in CLIENTS:
                rates[client].append(rate(works[client], seconds))
    return {client: median(rates[client]) for client in CLIENTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--ours", default=OURS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    server = Server("ours", options.ours)
    figures = {}
    try:
        server.start()
        address = f"127.0.0.1:{server.port}"
        for name in options.cells.split(","):
            figures[name] = measure(CELLS[name], address, options.rounds, options.seconds)
    finally:
        server.remove()
    rows = [
        (name, *(f"{each[client]:.0f}" for client in CLIENTS), f"{each['zoo'] / each['kazoo']:.2f}")
        for name, each in figures.items()
    ]
    print(table(("operations/s", *CLIENTS, "ratio"), rows))
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
