"""The runtime of the core against servers that misbehave."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.client.live import run
from zoo.client.errors import ClientClosedError, OperationTimeoutError
from zoo.client.hosts import Server
from zoo.client.session import Options, Session
from zoo.jute.operations import Op
from zoo.sim.client_loop_process import Process
from zoo.sim.client_loop_world import ProcessFaults, ProgramWorld
from zoo.sim.cluster_faults import FaultMix
from zoo.sim.cluster_scenario import ClusterScenario


def session(*ports: int, timeout: float = 1.0) -> Session:
    servers = tuple(Server("127.0.0.1", port) for port in ports)
    return Session(servers, Options(session_timeout=timeout), Random(1))


async def start_mute_server() -> tuple[asyncio.Server, list[asyncio.StreamWriter]]:
    """Takes connections and never says a word."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    return await asyncio.start_server(accept, "127.0.0.1", 0), writers


def test_a_silent_server_is_passed_over(hosts: str) -> None:
    async def main() -> None:
        mute, connections = await start_mute_server()
        port = int(hosts.partition("/")[0].rpartition(":")[2])
        async with mute:
            them = session(mute.sockets[0].getsockname()[1], port)
            them.start()
            await them.wait_for_server(10)
            assert them.server == Server("127.0.0.1", port)
            await them.close(1)
            for writer in connections:
                writer.close()

    run(main())


def test_nonsense_breaks_the_connection_and_says_so() -> None:
    async def main() -> None:
        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server:
            them = session(server.sockets[0].getsockname()[1])
            them.start()
            with pytest.raises(OperationTimeoutError, match="frame length 1213486160"):
                await them.wait_for_server(0.3)
            await them.close(0.1)

    run(main())


def test_requests_need_a_session_that_was_started() -> None:
    async def main() -> None:
        them = session(1)
        with pytest.raises(ClientClosedError):
            await them.request(Op.sync, None)
        await them.close(0.1)

    run(main())


def test_a_slow_net_is_not_taken_for_dead_servers_for_ever() -> None:
    """A handshake takes longer here than each of the nine has at first."""

    async def program(process: Process) -> float:
        began = process.now
        async with process.connect(session_timeout=2.0):
            return process.now - began

    slow = ClusterScenario(
        voters=9,
        tick_ms=200,
        latency=(60_000, 90_000),
        fsync_us=(2_000, 60_000),
        faults=FaultMix(every=0),
    )
    world = ProgramWorld(1, [program], scenario=slow, faults=ProcessFaults(every=0))
    world.run(5_000_000)
    assert 0.4 < world.processes[0].result < 15
