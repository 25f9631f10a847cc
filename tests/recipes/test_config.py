from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.client.live import poll, run
from zoo.client.async_client import connect
from zoo.client.errors import BadVersionError, NoNodeError
from zoo.recipes.config import Config, whoami
from zoo.recipes.typed import BadSettingsError
from zoo.testing import drop_connection, expire_session


@dataclass(frozen=True)
class Limits:
    most: int = 10
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strict:
    most: int


def not_too_much(limits: Limits) -> None:
    if limits.most > 1000:
        raise ValueError("most is above 1000")


def limits(zk: Any, **options: Any) -> Config[Limits]:
    return Config(zk, "/config/limits", Limits, validate=not_too_much, **options)


def test_changes_reach_everybody_and_say_who_and_why(hosts: str) -> None:
    async def main() -> None:
        async with (
            connect(hosts) as zk,
            connect(hosts) as other,
            limits(zk, by="ann") as mine,
            limits(other, by="bob") as theirs,
        ):
            assert (mine.value, mine.revision) == (Limits(), 0)
            news = theirs.changes()
            assert await anext(news) == Limits()
            assert await mine.set(Limits(20, ("ZOO",)), why="opening") == 1
            assert mine.value == Limits(20, ("ZOO",)), "one's own change is seen at once"
            assert await anext(news) == Limits(20, ("ZOO",))
            assert await theirs.update(most=30) == 2
            await poll(lambda: mine.value.most == 30, "the other's change")
            assert await mine.rollback(1) == 3
            await poll(lambda: theirs.revision == 3, "the rollback")
            assert theirs.value == Limits(20, ("ZOO",))
            told = [(each.number, each.by, each.why, each.changed) for each in await mine.history()]
            assert told == [
                (3, "ann", "back to revision 1", {"most": (30, 20)}),
                (2, "bob", "", {"most": (20, 30)}),
                (1, "ann", "opening", {"most": (None, 20), "symbols": (None, ["ZOO"])}),
            ]
            assert [each.number for each in await mine.history(2)] == [3, 2]
            assert (await mine.history(1))[0].changed == {"most": (30, 20)}
            with pytest.raises(NoNodeError):
                await mine.rollback(9)
            await zk.set("/config/limits/history/0000000002", b"{")
            assert [each.number for each in await mine.history()] == [3, 1]
            with pytest.raises(BadSettingsError, match="not what Config writes"):
                await mine.rollback(2)

    run(main())


def test_nobody_sees_a_bad_value(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            with pytest.raises(RuntimeError, match="not started"):
                _ = limits(zk).value
            async with limits(zk) as config:
                for bad in (Limits(2000), Limits("5"), Limits(5, ["a"])):  # type: ignore[arg-type]
                    with pytest.raises(BadSettingsError):
                        await config.set(bad)
                with pytest.raises(BadSettingsError, match="no field least"):
                    await config.update(least=1)
                assert await config.history() == []
                await config.set(Limits(5))
                document = json.loads((await zk.get("/config/limits")).data)
                document["settings"]["most"] = 5000
                for data in (json.dumps(document).encode(), b"{", b"[]", b""):
                    await zk.set("/config/limits", data)
                    await poll(lambda: bool(config.problem), "it is noticed")
                    assert (config.value, config.revision) == (Limits(5), 1)
                    await config.set(Limits(5))
                    await zk.sync()
                    config.problem, config.revision = "", 1
                await zk.set("/config/limits", b"{")
                await poll(lambda: bool(config.problem), "it is noticed")
                with pytest.raises(BadSettingsError):
                    await config.update(most=6)
                with pytest.raises(BadSettingsError, match="not what Config writes"):
                    await limits(zk).start()
                await config.set(Limits(7))
                assert (config.value, config.problem) == (Limits(7), "")

    run(main())


def test_whatever_a_bad_value_raises_the_next_good_one_is_shown(hosts: str) -> None:
    def choke(limits: Limits) -> None:
        if limits.most < 0:
            raise KeyError("no such limit")

    def document(revision: object, settings: object) -> bytes:
        return json.dumps({"revision": revision, "settings": settings}).encode()

    async def main() -> None:
        async with (
            connect(hosts) as zk,
            Config(zk, "/config/limits", Limits, validate=choke) as config,
        ):
            await config.set(Limits(5))
            bad = (
                (document(2, {"most": -1}), "no such limit"),
                (document("2", {}), "not what Config writes"),
                (document(2, [1]), "not what Config writes"),
                (b"[" * 100_000, "not what Config writes"),
            )
            for n, (data, why) in enumerate(bad):
                await zk.set("/config/limits", data)
                await poll(lambda why=why: why in config.problem, why)  # type: ignore[misc]
                assert config.value == Limits(5 + n)
                await zk.set("/config/limits", document(9, {"most": 6 + n}))
                await poll(lambda n=n: config.value == Limits(6 + n), "good")  # type: ignore[misc]
                assert config.problem == ""
            with pytest.raises(BadSettingsError, match="no such limit"):
                await config.update(most=-1)

    run(main())


def test_no_change_is_lost_unseen(hosts: str) -> None:
    async def main() -> None:
        async with (
            connect(hosts) as zk,
            connect(hosts) as other,
            limits(zk, keep=5) as mine,
            limits(other, keep=5) as theirs,
        ):

            async def add(config: Config[Limits], name: str) -> None:
                while True:
                    seen, revision = config.value, config.revision
                    try:
                        more = Limits(10, (*seen.symbols, name))
                        await config.set(more, revision=revision)
                        return
                    except BadVersionError:
                        await zk.sync()

            names = [f"s{n}" for n in range(8)]
            await asyncio.gather(
                *(add((mine, theirs)[n % 2], name) for n, name in enumerate(names))
            )
            await poll(lambda: mine.revision == theirs.revision == 8, "all eight")
            assert sorted(mine.value.symbols) == names
            assert [each.number for each in await mine.history()] == [8, 7, 6, 5, 4]

    run(main())


def test_a_newer_releases_fields_stay(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk, limits(zk) as config:
            await config.set(Limits(5))
            document = json.loads((await zk.get("/config/limits")).data)
            document["settings"]["newer"] = True
            await zk.set("/config/limits", json.dumps(document).encode())
            await config.update(most=6)
            stored = json.loads((await zk.get("/config/limits")).data)["settings"]
            assert stored == {"most": 6, "symbols": [], "newer": True}

    run(main())


def test_it_catches_up_after_losses(hosts: str) -> None:
    async def main() -> None:
        async with (
            connect(hosts) as zk,
            connect(hosts) as other,
            limits(zk) as mine,
            limits(other) as theirs,
        ):
            drop_connection(zk)
            await theirs.update(most=1)
            await poll(lambda: mine.value.most == 1, "caught up")
            await expire_session(zk)
            await theirs.update(most=2)
            await poll(lambda: mine.value.most == 2 and mine.is_current, "caught up again")
            assert mine.revision == 2

    run(main())


def test_fields_without_a_default_must_be_set_first(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            strict = Config(zk, "/config/strict", Strict)
            with pytest.raises(BadSettingsError, match=r"missing.*'most'"):
                await strict.start()
            assert await strict.set(Strict(4)) == 1
            async with strict:
                assert strict.value == Strict(4)
                assert "revision 1" in repr(strict)
            assert "stale" in repr(strict)

    run(main())
    assert "@" in whoami()
    with pytest.raises(TypeError, match="no dataclass"):
        Config(None, "/c", int)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        Config(None, "/c", Strict, keep=0)  # type: ignore[arg-type]
