from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client.live import poll, poll_until, run
from zoo.client.async_client import connect
from zoo.client.errors import NodeExistsError
from zoo.recipes.balancing import ConsistentHash, LeastUsed
from zoo.recipes.instances import Health, Instance
from zoo.recipes.registry import NoInstanceError, ServiceRegistry
from zoo.testing import drop_connection, expire_session


def test_instances_are_found_and_take_turns(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            registry, offering = ServiceRegistry(zk), ServiceRegistry(other)
            changes: list[list[str]] = []
            assert await registry.services() == []

            def note(instances: list[Instance]) -> None:
                changes.append([each.id for each in instances])

            async with registry.find("pricing", listener=note) as pricing:
                with pytest.raises(NoInstanceError, match="pricing"):
                    pricing.pick()
                async with await offering.register(Instance("pricing", "h", 1, id="a")):
                    async with await offering.register(Instance("pricing", "h", 2, id="b")) as b:
                        await pricing.wait_for(2, 10)
                        assert [pricing.pick().id for _ in range(4)] == ["a", "b", "a", "b"]
                        await b.set_health(Health.DRAINING)
                        await poll(lambda: len(pricing.instances) == 2 != len(up(pricing)), "drain")
                        assert {pricing.pick().id for _ in range(3)} == {"a"}
                        await b.update(health=Health.UP, weight=3, metadata={"zone": "x"})
                        found = await pricing.wait_for(2, 10)
                        assert (found[1].weight, found[1].metadata) == (3, {"zone": "x"})
                        with pytest.raises(ValueError, match="another registration"):
                            await b.update(id="c")
                    await poll(lambda: len(pricing.instances) == 1, "b withdrew")
                    assert await registry.services() == ["pricing"]
                    assert [each.id for each in await registry.instances("pricing")] == ["a"]
                await poll(lambda: not pricing.instances, "a withdrew")
                assert changes[0] == ["a"]
                assert changes[-1] == []

    def up(pricing: object) -> list[Instance]:
        return pricing._up  # type: ignore[attr-defined, no-any-return]

    run(main())


def test_an_instance_is_registered_again_after_its_session_was_lost(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            told: list[bool] = []
            registry = ServiceRegistry(zk, "/s")
            async with (
                ServiceRegistry(other, "/s").find("svc") as found,
                await registry.register(Instance("svc", "h", 1, id="a"), listener=told.append) as a,
            ):
                await found.wait_for(1, 10)
                assert told == [True]
                drop_connection(zk)
                await expire_session(zk)
                await poll(lambda: a.times == 2 and a.is_registered, "registered again")
                assert told == [True, False, True]
                await found.wait_for(1, 10)
                stat = await other.exists(a.path)
                assert stat is None or stat.ephemeral_owner == zk.session_id
                await other.delete(a.path)

                async def is_back() -> bool:
                    return await other.exists(a.path) is not None

                await poll_until(is_back, "registered again after somebody deleted it")
                assert "up" in repr(a)
            assert not a.is_registered
            assert await other.exists(a.path) is None

    run(main())


def test_an_id_belongs_to_one_address(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            first = await ServiceRegistry(zk).register(Instance("s", "h", 1, id="a"))
            with pytest.raises(NodeExistsError, match="another session"):
                await ServiceRegistry(other).register(Instance("s", "h", 2, id="a"))
            # The same address: the process was restarted before its old session expired.
            await zk.close()
            async with connect(hosts) as dead:
                await dead.create("/services/s/a", first.instance.to_bytes(), ephemeral=True)
                second = await ServiceRegistry(other).register(Instance("s", "h", 1, id="a"))
                stat = await dead.exists("/services/s/a")
                assert stat is not None
                assert stat.ephemeral_owner == other.session_id
                await second.withdraw()

    run(main())


@pytest.mark.parametrize("is_one_client", [False, True])
def test_of_two_with_one_id_the_later_stays(hosts: str, is_one_client: bool) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as another:
            told: list[bool] = []
            other = zk if is_one_client else another
            first, second = Instance("s", "h", 1, id="a"), Instance("s", "h", 1, id="a", weight=2)
            a = await ServiceRegistry(zk).register(first, listener=told.append)
            b = await ServiceRegistry(other).register(second)
            czxid = (await another.get(a.path)).stat.czxid
            await poll(lambda: told == [True, False], "the first is told of its loss")
            await a.update(metadata={"zone": "x"})
            assert (a.is_registered, b.is_registered) == (False, True)
            assert (await another.get(a.path)).data == second.to_bytes()
            assert len(zk._session.core.watches) == 1 + is_one_client, "each waits once"
            await b.withdraw()
            await poll(lambda: told == [True, False, True], "the first is back")
            assert (await another.get(a.path)).stat.czxid > czxid
            c = await ServiceRegistry(other).register(second)
            await poll(lambda: not a.is_registered, "replaced again")
            await a.withdraw()
            assert (await another.get(a.path)).data == second.to_bytes(), "not ours to delete"
            await c.withdraw()

    run(main())


def test_an_id_that_went_elsewhere_is_waited_for(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, connect(hosts) as other:
            a = await ServiceRegistry(zk).register(Instance("s", "h", 1, id="a"))
            async with other.transaction() as both:
                both.delete(a.path)
                both.create(a.path, Instance("s", "h", 2, id="a").to_bytes(), ephemeral=True)
            await poll(lambda: not a.is_registered, "it is told")
            await other.set(a.path, b"changed")
            await zk.sync()
            await a.update(weight=2)
            assert (await other.get(a.path)).data == b"changed"
            await poll(lambda: len(zk._session.core.watches) == 1, "one watch")
            await other.delete(a.path)
            await poll(lambda: a.is_registered, "it is back")

    run(main())


def test_an_update_under_way_does_not_outlive_the_withdrawal(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            for turns in range(12):
                mine = await ServiceRegistry(zk).register(Instance("s", "h", 1))
                updating = asyncio.ensure_future(mine.update(weight=2.0))
                for _ in range(turns):
                    await asyncio.sleep(0)
                await mine.withdraw()
                await updating
                assert await zk.children("/services/s") == [], f"after {turns} turns"
                await mine.update(weight=3.0)
                assert await zk.children("/services/s") == []

    run(main())


def test_a_listener_that_fails_does_not_end_the_registration(
    hosts: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def fail(_: bool) -> None:
            raise KeyError("a bug")

        async with (
            connect(hosts) as zk,
            await ServiceRegistry(zk).register(Instance("s", "h", 1), listener=fail) as mine,
        ):
            await zk.delete(mine.path)
            await poll(lambda: mine.times == 2, "registered again")

    run(main())
    assert "a bug" in caplog.text


@pytest.mark.parametrize("moments", [range(8), range(8, 16)])
def test_cancelled_while_it_comes_or_goes_nothing_stays(hosts: str, moments: range) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            registry = ServiceRegistry(zk)

            async def is_gone() -> bool:
                return not await registry.instances("s")

            for moment in moments:
                coming = asyncio.ensure_future(registry.register(Instance("s", "h", 1, id="a")))
                await cancel_after(moment, coming)
                if not coming.cancelled():
                    await coming.result().withdraw()
                await poll_until(is_gone, f"coming, cancelled after {moment} turns: gone")
                registration = await registry.register(Instance("s", "h", 1, id="a"))
                going = asyncio.ensure_future(registration.withdraw())
                await cancel_after(moment + 1, going)  # not before it begins
                assert not registration.is_registered
                await poll_until(is_gone, f"going, cancelled after {moment} turns: gone")

    async def cancel_after(turns: int, task: asyncio.Future[Any]) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())


def test_a_check_says_whether_it_is_up(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            answers: list[bool | OSError] = [True]

            async def check() -> bool:
                if isinstance(answers[0], OSError):
                    raise answers[0]
                return answers[0]

            instance = Instance("s", "h", 1)
            registry = ServiceRegistry(zk)
            async with await registry.register(instance, check=check, every=0.02) as mine:
                for answer, health in (
                    (False, Health.DOWN),
                    (True, Health.UP),
                    (OSError("no"), Health.DOWN),
                ):
                    answers[0] = answer

                    async def is_told(health: Health = health) -> bool:
                        return [each.health for each in await registry.instances("s")] == [health]

                    await poll_until(is_told, str(health))
                assert mine.instance.health is Health.DOWN

    run(main())


def test_a_request_that_fails_puts_its_instance_aside(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            registry, used = ServiceRegistry(zk), LeastUsed()
            for name in ("a", "b"):
                await registry.register(Instance("s", "h", 1, id=name))
            async with registry.find("s", used) as found:
                await found.wait_for(2, 10)
                with found.use() as first, found.use() as second:
                    assert {first.id, second.id} == {"a", "b"}
                    assert used.in_use(first) == 1
                assert used.in_use(first) == 0
                with pytest.raises(ConnectionError), found.use() as failed:
                    raise ConnectionRefusedError
                assert {found.pick().id for _ in range(4)} == {"a", "b"} - {failed.id}
                found.put_aside(next(each for each in found.instances if each.id != failed.id))
                assert found.pick(), "rather a doubtful one than none"
                found.put_aside(failed, 0)
                assert {found.pick().id for _ in range(4)} == {failed.id}
            async with registry.find("s", ConsistentHash()) as found:
                await found.wait_for(2, 10)
                assert len({found.pick("client-7").id for _ in range(5)}) == 1
                await zk.create("/services/s/c", b"nonsense")
                await zk.create("/services/s/d", Instance("s", "h", 1, id="d").to_bytes())
                await poll(lambda: len(found.instances) > 2, "another came")
                assert [each.id for each in found.instances] == ["a", "b", "d"], "c is left out"

    run(main())
