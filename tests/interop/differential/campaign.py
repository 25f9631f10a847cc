"""Many streams on one long-lived pair of servers; one that dies is a finding and is replaced."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.interop import harness
from tests.interop.differential.admin import SUPER_DIGEST, AdminError
from tests.interop.differential.generator import Generator, Step
from tests.interop.differential.lockstep import DIED, Difference, Lockstep
from tests.interop.differential.shrink import Shrinker
from tests.interop.differential.side import Side, Tamper
from tests.interop.harness import Server
from tests.interop.raw_client import LinkClosed, Silence

REGRESSIONS = Path(__file__).with_name("regressions")
# Reaping takes zxids at moments of its own; here only clients may.
NEVER_MS = 86_400_000
SETTINGS: Mapping[str, object] = {
    "tickTime": 2000,
    "minSessionTimeout": 10000,
    "maxSessionTimeout": 60000,
    "snapCount": 10_000_000,
    "admin.enableServer": "false",
    "DigestAuthenticationProvider.superDigest": SUPER_DIGEST,
}
JAVA_PROPERTIES = ("-Xmx512m", f"-Dznode.container.checkIntervalMs={NEVER_MS}")
ZOO_SETTINGS: Mapping[str, object] = {"znode.container.checkIntervalMs": NEVER_MS}
_EXCEPTION = re.compile(r"^[\w.]+(Exception|Error)\b")
DEATH = (OSError, LinkClosed, Silence, AdminError)


class Pair:
    """Two servers with equal settings, and the lockstep over them."""

    def __init__(self, kinds: tuple[str, str], workdir: Path, **settings: object) -> None:
        self.kinds = kinds
        self._workdir = workdir
        self._settings = {**SETTINGS, **settings}
        self._servers: list[Server] = []
        self._generation = 0

    def start(self) -> None:
        self._generation += 1
        for index, kind in enumerate(self.kinds):
            directory = self._workdir / f"{index}-{kind}-{self._generation}"
            directory.mkdir(parents=True)
            settings = {**self._settings, **(ZOO_SETTINGS if kind == "zoo" else {})}
            properties = JAVA_PROPERTIES if kind == "java" else ()
            server = Server(kind, directory, settings, properties)
            self._servers.append(server)
            server.start()

    def stop(self) -> None:
        for server in self._servers:
            server.kill()
        self._servers.clear()

    def lockstep(self, *tampers: Tamper | None) -> Lockstep:
        """`tampers` may alter what the left and the right side receive."""
        both = (*tampers, None, None)
        left, right = (
            Side(("127.0.0.1", server.port), tamper) for server, tamper in zip(self._servers, both)
        )
        return Lockstep(left, right)

    def check(self, steps: Sequence[Step]) -> Difference | None:
        """Run one stream; when a server fails under it, say so and start both anew."""
        try:
            return self.lockstep().run(steps)
        except DEATH as failure:
            verdicts = [self._verdict(server, failure) for server in self._servers]
            self.stop()
            self.start()
            return Difference(len(steps), DIED, *verdicts)

    def _verdict(self, server: Server, failure: BaseException) -> str:
        if harness.serving(server.port):
            return f"{server.kind} lives"
        causes = [line for line in server.log().splitlines() if _EXCEPTION.match(line)]
        return f"{server.kind} died: {causes[-1] if causes else failure!r}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Pair]:
        self.start()
        try:
            yield self
        finally:
            self.stop()


@dataclass
class Finding:
    """One kind of difference: the smallest stream found, and how often it came."""

    seed: int
    steps: list[Step]
    difference: Difference
    count: int = 1


@dataclass
class Report:
    streams: int = 0
    steps: int = 0
    seconds: float = 0.0
    findings: dict[str, Finding] = field(default_factory=dict)

    def rate(self) -> str:
        per_second = self.streams / max(self.seconds, 1e-9)
        return f"{self.streams} streams, {self.steps} steps, {per_second:.1f} streams/s"


def run(
    pair: Pair,
    seeds: Iterable[int],
    stop_after: int = 1_000_000,
    found: Callable[[str, Finding], None] = lambda signature, finding: None,
) -> Report:
    """Streams of `seeds`; each new kind of difference is shrunk once and told to `found`."""
    report = Report()
    enforced = "true" in str(pair._settings.get("enforceQuota", ""))
    started = time.monotonic()
    if fresh := pair.lockstep().fresh():
        report.findings["a fresh tree"] = Finding(0, [], fresh)
        found("a fresh tree", report.findings["a fresh tree"])
    for seed in seeds:
        steps = Generator(seed, enforced).steps()
        difference = pair.check(steps)
        report.streams += 1
        report.steps += len(steps)
        report.seconds = time.monotonic() - started
        if difference is None:
            continue
        signature = difference.signature()
        if signature in report.findings:
            report.findings[signature].count += 1
            continue
        small, confirmed = Shrinker(pair.check, signature).shrink(steps, difference)
        report.findings[signature] = Finding(seed, small, confirmed)
        found(signature, report.findings[signature])
        if len(report.findings) >= stop_after:
            break
    report.seconds = time.monotonic() - started
    return report


def save(path: Path, steps: Sequence[Step], why: str) -> None:
    """Keep a stream; test_differential replays every one for ever."""
    path.write_text(json.dumps({"why": why, "steps": steps}, indent=1) + "\n")


def load(path: Path) -> list[Step]:
    document: dict[str, Any] = json.loads(path.read_text())
    return list(document["steps"])
