"""Servers of a pricing service come and go; clients find them and share the load among them.

A server registers itself with its address; it is found as long as its session lives. Clients follow
the list and choose by themselves: of those that are up, the one with the fewest requests under way.
A server that was killed stays on the list until its session has expired: the client notices
first, puts it aside and asks another. A server that is told to end (SIGTERM) wants no new requests
before it goes, so that nobody notices anything.

    zoo serve &
    python examples/pricing_service.py serve 127.0.0.1:2181 pricing-1 &
    python examples/pricing_service.py serve 127.0.0.1:2181 pricing-2 &
    python examples/pricing_service.py ask 127.0.0.1:2181 100
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter

import zoo
from zoo.recipes import Health, Instance, LeastUsed, ServiceCache, ServiceRegistry

PRICES = {"EURUSD": "1.0932", "USDJPY": "151.30"}


def say(text: str) -> None:
    print(text, flush=True)


async def serve(hosts: str, name: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        symbol = (await reader.readline()).decode().strip()
        writer.write(f"{name} {PRICES.get(symbol, 'unknown')}\n".encode())
        await writer.drain()
        writer.close()

    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()

    async def is_well() -> bool:
        return server.is_serving()

    async with server, zoo.connect(hosts, session_timeout=4.0) as zk:
        registry = ServiceRegistry(zk)
        me = Instance("pricing", host, port, id=name, metadata={"symbols": sorted(PRICES)})
        async with await registry.register(me, check=is_well, every=1.0) as registration:
            say(f"{name} serves on port {port}")
            await told_to_end.wait()
            await registration.set_health(Health.DRAINING)
            await asyncio.sleep(0.5)  # clients hear of it, and requests under way are answered
    say(f"{name} has ended")


async def price(pricing: ServiceCache, symbol: str) -> str:
    """Ask until somebody answers."""
    while True:
        try:
            with pricing.use() as instance:
                async with asyncio.timeout(1.0):
                    reader, writer = await asyncio.open_connection(instance.address, instance.port)
                    writer.write(f"{symbol}\n".encode())
                    line = await reader.readline()
                    writer.close()
                    if line:
                        return line.decode().strip()
        except OSError as error:
            say(f"{instance.id} does not answer: {error!r}")


async def ask(hosts: str, count: int) -> None:
    answers: Counter[str] = Counter()

    async def ask_some(pricing: ServiceCache, symbols: list[str]) -> None:
        for symbol in symbols:
            answers[(await price(pricing, symbol)).split()[0]] += 1

    async with (
        zoo.connect(hosts) as zk,
        ServiceRegistry(zk).find("pricing", LeastUsed()) as pricing,
    ):
        await pricing.wait_for(1, timeout=10)
        symbols = [list(PRICES)[n % len(PRICES)] for n in range(count)]
        await asyncio.gather(*(ask_some(pricing, symbols[n::4]) for n in range(4)))
    for name, answered in sorted(answers.items()):
        say(f"{name} answered {answered}")


def main() -> None:
    match sys.argv[1:]:
        case ["serve", hosts, name]:
            asyncio.run(serve(hosts, name))
        case ["ask", hosts, count]:
            asyncio.run(ask(hosts, int(count)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
