from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from zoo.session.tracker import SessionTracker
from zoo.tools.cli import main
from zoo.tools.simulate import Duration, Seeds


@pytest.fixture(autouse=True)
def _loud() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments])


def test_a_sound_server_passes() -> None:
    result = run("--seeds", "1-2", "--duration", "1s")
    assert result.exit_code == 0
    assert result.output.count("seed ") == 2
    assert "2 seeds, 0 failed" in result.output
    assert "s per second" in result.output


def test_trace_is_one_line_per_event_and_the_same_each_time() -> None:
    first, second = (run("--seed", "4", "--duration", "500ms", "--trace") for _ in range(2))
    lines = first.output.splitlines()
    assert "s0 starts" in lines[0]
    assert len(lines) > 20
    assert lines[:-1] == second.output.splitlines()[:-1]


def test_a_broken_one_fails_and_says_how_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionTracker, "expired", lambda self, now_ms: [])
    result = run("--seed", "3", "--duration", "2s", "--quiet")
    assert result.exit_code == 1
    assert "seed 3: FAILED at" in result.output
    assert "replay: zoo simulate --seed 3 --duration 2000ms --trace" in result.output


def test_ensembles_and_the_protocol_alone() -> None:
    result = run("--servers", "3", "--observers", "1", "--seed", "2", "--duration", "500ms")
    assert result.exit_code == 0
    assert "seed 2: 3+1 members" in result.output
    result = run("--zab", "--seeds", "1-3", "--duration", "500ms", "--quiet")
    assert result.exit_code == 0
    assert "3 seeds, 0 failed" in result.output
    assert "days per CPU-hour" in result.output


def test_a_broken_ensemble_says_how_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.zab.leader.Leader._establish", lambda self: 1 / 0)
    result = run("--zab", "--servers", "3", "--seed", "3", "--duration", "2s", "--quiet")
    assert result.exit_code == 1
    assert "replay: zoo simulate --seed 3 --duration 2000ms --zab --servers 3 --trace" in (
        result.output
    )


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("10m", 600_000_000), ("90s", 90_000_000), ("5", 5_000_000), ("500ms", 500_000)],
)
def test_durations(text: str, microseconds: int) -> None:
    assert Duration().convert(text, None, None) == microseconds


def test_seeds() -> None:
    assert list(Seeds().convert("7", None, None)) == [7]
    assert len(Seeds().convert("0-199", None, None)) == 200


@pytest.mark.parametrize("arguments", [("--seed", "x"), ("--seed", "9-1"), ("--duration", "1y")])
def test_nonsense_is_refused(arguments: tuple[str, str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert repr(arguments[1]) in result.output


def test_recipes() -> None:
    result = run("--recipes", "Lock", "--seeds", "1-2", "--duration", "2s")
    assert result.exit_code == 0
    assert "2 seeds, 0 failed" in result.output
    assert "processes" in result.output
    result = run("--recipes", "Locks")
    assert result.exit_code == 2
    assert "'Locks' is none of Lock, " in result.output


def test_a_broken_recipe_says_how_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.recipes.lock.right_ahead", lambda line, mine: None)
    result = run("--recipes", "Lock", "--seeds", "0-4", "--duration", "9s", "--quiet")
    assert result.exit_code == 1
    assert "holds /held" in result.output
    assert re.search(r"simulate --seed \d --recipes Lock --duration 9000ms --trace", result.output)
