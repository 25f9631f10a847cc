from __future__ import annotations

import asyncio

import pytest

from tests.sim.virtual import wait
from zoo.client.errors import ClientError
from zoo.jute.client_records import ConnectRequest
from zoo.jute.schema import encode
from zoo.sim.client_loop_process import Process, Program
from zoo.sim.client_loop_transport import SimTransport
from zoo.sim.client_loop_world import ProcessFaults, ProgramWorld
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.cluster_scenario import ClusterScenario

CALM = ClusterScenario(voters=1, faults=FaultMix(every=0))


def calm(program: Program, processes: int = 1) -> ProgramWorld:
    return ProgramWorld(1, [program] * processes, scenario=CALM, faults=ProcessFaults(every=0))


def test_a_client_connects_and_is_answered() -> None:
    async def program(process: Process) -> bytes:
        async with process.connect() as zk:
            await zk.create("/a", b"x" * 50_000)
            return (await zk.get("/a")).data

    world = calm(program)
    world.run(SECOND)
    assert world.processes[0].result == b"x" * 50_000


def test_a_machine_without_a_server_refuses_and_one_that_is_not_there_is_no_host() -> None:
    async def program(process: Process) -> None:
        loop = asyncio.get_running_loop()
        world.servers[0].crash(power=False)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, "10.0.0.1", 2181)
        with pytest.raises(OSError, match="no route"):
            await loop.create_connection(asyncio.Protocol, "10.0.0.9", 2181)
        world.servers[0].start()

    world = calm(program)
    world.run(SECOND)
    assert world.processes[0].is_done


def test_what_is_cut_off_hears_nothing_and_goes_on_later() -> None:
    async def program(process: Process) -> float:
        async with process.connect(session_timeout=60) as zk:
            world.reach.split(["p0"], [1])
            world.schedule.after(3 * SECOND, world.reach.heal)
            began = process.now
            await zk.sync()
            return process.now - began

    world = calm(program)
    world.run(10 * SECOND)
    assert 3 <= world.processes[0].result < 4


def test_connections_break() -> None:
    async def program(process: Process) -> int:
        async with process.connect() as zk:
            process.break_links()
            with pytest.raises(ClientError):
                await zk.create("/a")
            session_id = zk.session_id
            await zk.wait_until_connected()
            return int(zk.session_id == session_id)

    world = calm(program)
    world.run(SECOND)
    assert world.processes[0].result == 1


def test_a_transport_closes_with_what_was_written() -> None:
    class Heard(asyncio.Protocol):
        data = b""
        lost = 0

        def data_received(self, data: bytes) -> None:
            self.data += data

        def connection_lost(self, error: Exception | None) -> None:
            self.lost += 1

    greeting = ConnectRequest(0, 0, 9_000, 0, bytes(16), None)

    async def program(process: Process) -> tuple[int, int, bool]:
        loop = asyncio.get_running_loop()
        await wait(1)  # until all servers have been started
        transport, heard = await loop.create_connection(Heard, "10.0.0.1", 2181)
        transport.write(b"\0\0\0\x2c" + encode(greeting))
        await wait(1)
        other, _ = await loop.create_connection(Heard, "10.0.0.1", 2181)
        other.abort()
        other.close()
        transport.close()
        await wait(1)
        return len(heard.data), heard.lost, other.is_closing()

    world = calm(program)
    world.run(SECOND)
    assert world.processes[0].result == (4 + 36, 1, True)


def test_after_an_abort_nothing_is_received_any_more() -> None:
    class Heard(asyncio.Protocol):
        def __init__(self) -> None:
            self.data: list[bytes] = []
            self.is_lost = False

        def data_received(self, data: bytes) -> None:
            self.data.append(data)

        def connection_lost(self, error: Exception | None) -> None:
            self.is_lost = True

    async def program(process: Process) -> tuple[list[bytes], bool]:
        loop = asyncio.get_running_loop()
        await wait(1)  # until all servers have been started
        transport, heard = await loop.create_connection(Heard, "10.0.0.1", 2181)
        assert isinstance(transport, SimTransport)
        transport.received(b"heard")
        await wait(0.01)
        transport.received(b"under way when it is aborted")
        transport.abort()
        await wait(0.01)
        return heard.data, heard.is_lost

    world = calm(program)
    world.run(SECOND)
    assert world.processes[0].result == ([b"heard"], True)
