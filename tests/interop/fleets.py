"""Recipes of other libraries behind one interface, to be mixed with ours on the same znodes.

Commands are those of java/Recipes.java; kazoo obeys the same ones in threads of this process.
"""

from __future__ import annotations

import itertools
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from kazoo.client import KazooClient

from tests.interop import harness
from tests.interop.harness import wait_until
from zoo.recipes.layouts import CURATOR, KAZOO, Layout

DEADLINE = 30.0


class Fleet(Protocol):
    """A process, or a client, of another library."""

    layout: Layout

    def begin(self, command: str) -> str:
        """Let it obey in a thread of its own; the id of the command."""

    def answer(self, number: str) -> str | None:
        """None while it is under way."""

    def end(self) -> None: ...


def obey(fleet: Fleet, command: str, answer: str) -> str:
    """Its id, once it was answered so."""
    number = fleet.begin(command)
    expect(fleet, number, answer)
    return number


def expect(fleet: Fleet, number: str, answer: str) -> None:
    found = wait_until(lambda: fleet.answer(number), DEADLINE, f"{number} {answer}")
    assert found == answer


class CuratorFleet:
    """Recipes.java, or another program that talks like it, in a process of its own."""

    layout = CURATOR

    def __init__(
        self, addresses: str, directory: Path, program: str = "Recipes", *arguments: str
    ) -> None:
        source = Path(__file__).with_name("java") / f"{program}.java"
        self._errors = (directory / "curator.err").open("wb")
        self._process = subprocess.Popen(
            harness.java_command(str(source), addresses, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
            preexec_fn=harness.die_with_parent,
        )
        self._answers: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        wait_until(lambda: self.answer("0"), 60, "Curator is connected")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            number, _, text = line.rstrip().partition(" ")
            self._answers[number] = text

    def begin(self, command: str) -> str:
        assert self._process.stdin is not None
        number = str(next(self._numbers))
        self._process.stdin.write(f"{number} {command}\n")
        return number

    def ask(self, command: str) -> str:
        """Its answer."""
        number = self.begin(command)
        wait_until(lambda: self.answer(number) is not None, DEADLINE, f"an answer to {command}")
        return self._answers[number]

    def answer(self, number: str) -> str | None:
        return self._answers.get(number)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._errors.close()


class KazooFleet:
    """kazoo, one client for all."""

    layout = KAZOO

    def __init__(self, addresses: str, _: Path) -> None:
        self._client = KazooClient(addresses)
        self._client.start(30)
        self._answers: dict[str, str] = {}
        self._giving_back: dict[str, Callable[[], object]] = {}
        self._numbers = itertools.count(1)

    def begin(self, command: str) -> str:
        number = str(next(self._numbers))
        threading.Thread(target=self._obey, args=(number, command.split()), daemon=True).start()
        return number

    def answer(self, number: str) -> str | None:
        return self._answers.get(number)

    def end(self) -> None:
        self._client.stop()
        self._client.close()

    def _obey(self, number: str, words: list[str]) -> None:
        try:
            self._answers[number] = getattr(self, f"_{words[0]}")(number, *words[1:])
        except Exception as error:
            self._answers[number] = f"failed {error!r}"

    def _contender(self, kind: str, path: str, limit: str) -> Any:
        if kind == "semaphore":
            return self._client.Semaphore(path, max_leases=int(limit))
        if kind == "latch":
            return self._client.Election(path, "kazoo").lock
        kinds = {"lock": "Lock", "read": "ReadLock", "write": "WriteLock"}
        return getattr(self._client, kinds[kind])(path)

    def _acquire(self, number: str, kind: str, path: str, limit: str) -> str:
        contender = self._contender(kind, path, limit)
        assert contender.acquire()
        self._giving_back[number] = contender.release
        return "held"

    def _race(self, _: str, kind: str, path: str, limit: str, number: str, times: str) -> str:
        for _ in range(int(times)):
            with self._contender(kind, path, limit):
                value = int(self._client.get(number)[0])
                self._client.set(number, b"%d" % (value + 1))
        return "done"

    def _enter(self, number: str, path: str, members: str) -> str:
        barrier = self._client.DoubleBarrier(path, int(members))
        barrier.enter()
        assert barrier.participating
        self._giving_back[number] = barrier.leave
        return "inside"

    def _join(self, number: str, path: str, name: str) -> str:
        party = self._client.Party(path, name)
        party.join()
        self._giving_back[number] = party.leave
        return "joined"

    def _members(self, _: str, path: str) -> str:
        return f"[{', '.join(sorted(self._client.get_children(path)))}]"

    def _release(self, _: str, other: str) -> str:
        self._giving_back.pop(other)()
        return "released"


def missing(name: str) -> str | None:
    """Why this fleet cannot take part, or None."""
    if name == "kazoo":
        return None
    if reason := harness.missing("java"):
        return reason
    jar = "lib-discovery/curator-x-discovery" if name == "discovery" else "lib/curator-recipes"
    if not any(harness.JAVA_HOME_DIR.glob(f"{jar}-*.jar")):
        return f"no {harness.JAVA_HOME_DIR}/{jar} (tests.interop.java_peer)"
    return None


FLEETS: dict[str, Callable[[str, Path], Fleet]] = {"kazoo": KazooFleet, "curator": CuratorFleet}
