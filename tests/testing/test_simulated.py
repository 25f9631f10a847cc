from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from tests.sim.virtual import wait
from zoo.recipes import Lock
from zoo.testing import Faults, Process, Run, Violation, simulate


async def worker(process: Process) -> int:
    turns = 0
    async with process.connect("/app") as zk:
        await zk.ensure_path("/log")
        lock = Lock(zk, "/lock")
        while not process.is_ending:
            async with lock as place:
                process.note("holds", place.token)
                async with place.guarded() as transaction:
                    transaction.set("/log", b"%d" % place.token)
                await wait(process.rng.uniform(0, 0.5))
            turns += 1
    return turns


def in_order(run: Run) -> None:
    tokens = [int(state.data or b"0") for _, state in run.versions("/app/log") if state]
    assert len(tokens) > 10
    assert tokens == sorted(tokens)


def test_a_program_under_a_seed() -> None:
    run = simulate(worker, seed=7, duration=20, faults=False, check=in_order)
    assert all(turns > 3 for turns in run.results)
    assert len(run.noted("holds")) == sum(run.results)
    assert "/app/log" in run.tree
    assert "/app/log" in run.paths()
    zxid, state = run.versions("/app/log")[-1]
    assert run.at("/app/log", zxid) == state
    assert "seed 7" in repr(run)


def test_faults_and_the_same_again() -> None:
    async def careful(process: Process) -> None:
        async with process.connect() as zk:
            await zk.wait_until_connected()
            while not process.is_ending:
                await wait(0.5)
                await zk.retrying(lambda: zk.exists("/"))

    faults = Faults(servers=3, processes=2)
    first, again = (simulate(careful, seed=3, duration=15, faults=faults) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert "restarts" in first.summary


def test_several_programs_and_one_server() -> None:
    async def one(process: Process) -> str:
        async with process.connect() as zk:
            await zk.create("/there", ephemeral=True)
            await wait(5)
        return "one"

    async def other(process: Process) -> str:
        async with process.connect() as zk:
            while await zk.exists("/there") is None:
                await wait(0.05)
        return "other"

    run = simulate([one, other], servers=1, duration=1, faults=False)
    assert run.results == ["one", "other"]


def test_a_check_that_fails_names_the_seed() -> None:
    async def program(process: Process) -> None:
        process.note("began")

    def check(run: Run) -> None:
        assert not run.noted("began"), "it began"

    with pytest.raises(Violation, match="seed 9: it began"):
        simulate(program, seed=9, servers=1, duration=1, check=check)
    assert logging.root.manager.disable < logging.CRITICAL


def test_lines_of_the_trace() -> None:
    lines: list[str] = []

    async def program(process: Process) -> None:
        process.note("began", 5)

    simulate(program, servers=1, duration=1, trace=lines.append)
    assert any(line.endswith("p0 notes began 5") for line in lines)


def test_the_guides_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    guide = Path(__file__).parents[2] / "docs" / "USER_GUIDE.md"
    (snippet,) = re.findall(
        r"```python\n(.*?)```", guide.read_text().partition("simulator")[2], re.S
    )
    exec(compile(snippet, "guide", "exec"), {})
    assert "seed 7: 3+0 members" in capsys.readouterr().out
