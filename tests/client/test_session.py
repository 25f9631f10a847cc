"""The runtime of the core against servers that misbehave."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.client.live import poll, run
from zoo.client.errors import ClientClosedError, OperationTimeoutError
from zoo.client.hosts import Server
from zoo.client.retry import RetryPolicy
from zoo.client.session import Options, Session
from zoo.jute.client_records import ConnectResponse
from zoo.jute.framing import frame
from zoo.jute.operations import Op
from zoo.jute.schema import encode
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


def test_a_name_that_is_none_beside_a_server_is_passed_over(hosts: str) -> None:
    async def main() -> None:
        port = int(hosts.partition("/")[0].rpartition(":")[2])
        for seed in range(8):
            servers = (Server("a..b", 1), Server("127.0.0.1", port))
            them = Session(servers, Options(), Random(seed))
            them.start()
            await them.wait_for_server(10)
            assert them.server == servers[1]
            await them.close(1)

    run(main())


def test_dialing_goes_on_whatever_the_policy_says_of_attempts() -> None:
    async def main() -> None:
        policy = RetryPolicy(attempts=2, base=0.001, ceiling=0.001)
        them = Session((Server("127.0.0.1", 1),), Options(reconnect=policy), Random(1))
        them.start()
        dialed: list[str] = []
        lost = them.core.lost

        def count(why: str) -> None:
            dialed.append(why)
            lost(why)

        them.core.lost = count  # type: ignore[method-assign]
        await poll(lambda: len(dialed) > 5, "more than the two attempts")
        assert not them.state.is_final
        await them.close(0.1)

    run(main())


def test_a_bug_in_dialing_closes_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        them = session(1)

        def broken() -> tuple[Server, bool]:
            raise LookupError("a bug")

        them.hosts.next = broken  # type: ignore[method-assign]
        them.start()
        with pytest.raises(ClientClosedError):
            await them.wait_for_server(5)
        assert "a bug" in them.core.reason
        await them.close(0.1)

    run(main())
    assert "the client stops" in caplog.text


def test_another_loop_is_told_so_before_anything_is_sent(hosts: str) -> None:
    port = int(hosts.partition("/")[0].rpartition(":")[2])
    them = session(port)

    async def begin() -> None:
        them.start()
        await them.wait_for_server(10)

    async def elsewhere() -> None:
        for use in (them.request(Op.sync, None, "/"), them.close(1), them.add_auth("a", b"", 1)):
            with pytest.raises(RuntimeError, match="belongs to the event loop"):
                await use
        assert them.core.is_idle

    async def end() -> None:
        await them.close(1)

    with asyncio.Runner() as runner:
        runner.run(begin())
        asyncio.run(elsewhere())
        runner.run(end())


def test_a_timeout_that_does_not_fit_is_refused() -> None:
    for seconds in (0, -1, 3e6, float("nan")):
        with pytest.raises(ValueError, match="session_timeout"):
            Options(session_timeout=seconds)


def test_a_client_that_was_never_started_is_closed_without_a_word() -> None:
    async def main() -> None:
        them, states = session(1), []
        them.listeners[states.append] = None
        await them.close(1)
        assert them.state.is_final

    run(main())


def test_connections_that_break_behind_the_greeting_are_made_with_pauses() -> None:
    async def main() -> None:
        connections: list[float] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(asyncio.get_running_loop().time())
            await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
            writer.write(frame(encode(ConnectResponse(0, 9000, 7, bytes(16), False))))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            policy = RetryPolicy(None, None, 0.2, 0.2)
            servers = (Server("127.0.0.1", server.sockets[0].getsockname()[1]),)
            them = Session(servers, Options(reconnect=policy), Random(1))
            them.start()
            await poll(lambda: len(connections) >= 12, "dialled again and again")
            await them.close(0.1)
        assert connections[11] - connections[4] > 0.2, "seven pauses of 0.1 s in the mean"

    run(main())
