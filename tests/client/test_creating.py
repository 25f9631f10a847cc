from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import poll_until, run
from tests.sim.virtual import wait
from zoo.client.async_client import AsyncClient, connect
from zoo.client.creating import CreateSpec
from zoo.client.errors import (
    ConnectionLossError,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
    Outcome,
)
from zoo.client.results import Node
from zoo.jute.client_records import ConnectResponse
from zoo.jute.framing import frame
from zoo.jute.schema import encode
from zoo.testing import Process, simulate


async def cut_while(zk: AsyncClient[bytes], task: asyncio.Future[Node[bytes]]) -> None:
    """Let the request leave and break the connection before the answer is read."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    zk._session.flush()
    zk._session.drop_connection("cut by the test")


def test_every_mode(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            assert (await zk.create("/p")).stat.ephemeral_owner == 0
            assert (await zk.create("/e", ephemeral=True)).stat.ephemeral_owner == zk.session_id
            assert (await zk.create("/p/s-", sequence=True)).path == "/p/s-0000000000"
            both = await zk.create("/p/s-", sequence=True, ephemeral=True)
            assert both.path == "/p/s-0000000001"
            assert both.is_ephemeral
            assert not (await zk.create("/c", container=True)).is_ephemeral
            assert not (await zk.create("/t", ttl=60)).is_ephemeral
            assert (await zk.create("/p/t-", ttl=60, sequence=True)).path == "/p/t-0000000002"

    run(main())


def test_parents(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            with pytest.raises(NoNodeError):
                await zk.create("/a/b/c")
            await zk.create("/a/b/c", b"x", make_parents=True)
            await zk.ensure_path("/a/b")
            await zk.ensure_path("/d/e")
            assert await zk.children() == ["a", "d"]
            with pytest.raises(NodeExistsError):
                await zk.create("/a/b/c", make_parents=True)
        async with connect(hosts + "/new/chroot") as zk:
            await zk.create("/x", b"", make_parents=True)
            assert await zk.children() == ["x"]

    run(main())


@pytest.mark.parametrize(
    "spec",
    [
        CreateSpec(container=True, ephemeral=True),
        CreateSpec(ttl=5, ephemeral=True),
        CreateSpec(ttl=0),
    ],
)
def test_impossible_combinations(spec: CreateSpec) -> None:
    with pytest.raises(ValueError, match=r"container|ephemeral|ttl"):
        spec.operation()


def test_a_lost_connection_leaves_a_plain_create_unknown(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            task = asyncio.ensure_future(zk.create("/a", b"x"))
            await cut_while(zk, task)
            with pytest.raises(ConnectionLossError) as failure:
                await task
            assert failure.value.outcome is Outcome.UNKNOWN

    run(main())


def test_protected_and_ephemeral_creates_happen_exactly_once(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/q")
            for round_ in range(5):
                task = asyncio.ensure_future(
                    zk.create("/q/n-", b"x", sequence=True, ephemeral=True, protected=True)
                )
                await cut_while(zk, task)
                made = await task
                assert made.name.startswith("_c_")
                assert await zk.children("/q") == [made.name]
                await zk.delete(made.path)
                task = asyncio.ensure_future(zk.create(f"/e{round_}", b"y", ephemeral=True))
                await cut_while(zk, task)
                assert (await task).stat.ephemeral_owner == zk.session_id
            with pytest.raises(NodeExistsError):
                await zk.create("/e0", ephemeral=True)

    run(main())


def test_an_abandoned_protected_create_leaves_no_orphan(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/q")
            for _ in range(5):
                task = asyncio.ensure_future(
                    zk.create("/q/n-", sequence=True, ephemeral=True, protected=True)
                )
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            async def is_clean() -> bool:
                stat = await zk.exists("/q")
                assert stat is not None
                return stat.num_children == 0 and not zk._session.tasks

            await poll_until(is_clean, "no orphans")
            stat = await zk.exists("/q")
            assert stat is not None
            assert stat.cversion == 10, "five were created and five deleted"

    run(main())


def test_a_protected_create_stays_wherever_the_connection_breaks() -> None:
    """Also where the parent was missing when the lost create was looked for."""

    async def program(process: Process) -> None:
        async with process.connect() as zk:
            for step in range(40):
                path = f"/parent{step}/item-"
                asyncio.get_running_loop().call_later(step * 0.0005, process.break_links)
                node = await zk.create(
                    path, sequence=True, ephemeral=True, protected=True, make_parents=True
                )
                await wait(1)
                assert await zk.children(f"/parent{step}") == [node.name]

    for seed in range(2):
        run = simulate(program, seed=seed, processes=1, servers=3, duration=1, faults=False)
        assert run.results == [None]


def test_a_znode_that_others_may_take_away_is_not_created_again() -> None:
    """It was made, the answer was lost, and by the time it is looked for it has been taken."""
    outcomes: dict[str, int] = {}

    async def taker(process: Process) -> None:
        async with process.connect() as zk:
            while not process.is_ending:
                for name in await zk.children("/"):
                    if "item" in name:
                        await zk.delete(f"/{name}")

    async def putter(process: Process) -> None:
        async with process.connect() as zk:
            began = process.now
            await zk.create("/usual")
            usual = process.now - began
            for step in range(60):
                asyncio.get_running_loop().call_later(step / 60 * usual, process.break_links)
                try:
                    await zk.create("/item-", b"%d" % step, sequence=True, protected=True)
                    outcomes[f"put {step}"] = step
                except ConnectionLossError as error:
                    outcomes[f"{error.outcome.name} {step}"] = step
                await wait(0.1)

    run = simulate([taker, putter], seed=5, servers=1, duration=20, faults=False)
    items = [run.versions(path)[0][1] for path in run.paths() if "item" in path]
    stored = [state.data for state in items if state is not None]
    assert len(stored) == len(set(stored)), "created twice"
    assert len(stored) >= sum(key.startswith("put") for key in outcomes)
    assert any(key.startswith("UNKNOWN") for key in outcomes)


def test_a_path_is_there_whenever_the_connection_broke(
    hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            create, asked = zk.create, []

            async def interrupted(path: str, **more: Any) -> Any:
                asked.append(path)
                if asked.count("/p/q") == 2:  # the one after its parent was made
                    raise ConnectionLossError(outcome=Outcome.UNKNOWN)
                return await create(path, **more)

            monkeypatch.setattr(zk, "create", interrupted)
            await zk.ensure_path("/p/q")
            assert asked == ["/p/q", "/p", "/p/q", "/p/q"]
            assert await zk.exists("/p/q") is not None

    run(main())


@pytest.mark.parametrize("protected", [False, True])
def test_what_may_have_been_created_is_unknown_also_at_the_deadline(
    hosts: str, protected: bool
) -> None:
    """The answer is lost, and nobody is there to be asked again."""

    async def main() -> None:
        async with connect(hosts) as zk:
            create = zk.create("/a", ephemeral=True, protected=protected, timeout=0.5)
            task = asyncio.ensure_future(create)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            zk._session.flush()
            zk.set_hosts("127.0.0.1:1")
            with pytest.raises(OperationTimeoutError, match=r"after 0\.5 s") as failure:
                await task
            assert failure.value.outcome is Outcome.UNKNOWN
            assert (failure.value.operation, failure.value.path) == ("create", "/a")
            zk.set_hosts(hosts.partition("/")[0])
            await zk.wait_until_connected()
            if protected:
                await poll_until(lambda: is_empty(zk), "cleaned up behind its back")

    async def is_empty(zk: AsyncClient[bytes]) -> bool:
        return await zk.children() == []

    run(main())


def test_ensure_path_has_one_deadline() -> None:
    """A server that breaks the connection at each create."""

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
            writer.write(frame(encode(ConnectResponse(0, 9000, 7, bytes(16), False))))
            await reader.read(1)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, connect(f"127.0.0.1:{port}") as zk:
            began = asyncio.get_running_loop().time()
            with pytest.raises(OperationTimeoutError, match=r"ensure_path /a/b.*after 0\.3 s"):
                await zk.ensure_path("/a/b", timeout=0.3)
            assert asyncio.get_running_loop().time() - began < 5
            server.close()
            await zk.close(timeout=0.1)

    run(main())
