"""kazoo's own test suite against one server or three, Apache ZooKeeper's or ours.

    python -m tests.interop.kazoo_suite run [-v] {java,zoo} [TEST ...]   print what does not pass
    python -m tests.interop.kazoo_suite baseline [--runs N]   rewrite the baseline from Java
    python -m tests.interop.kazoo_suite compare [TEST ...]    name what passes only on Java

All take `--size 3` for an ensemble (TestReconfig is of use there only). TEST is a file of
kazoo.tests, or one test or class of it. The baselines are kazoo_baseline.txt and, for what is
otherwise on three servers, kazoo_baseline_3.txt.

kazoo starts its servers through `kazoo.testing.common`. This module is also a pytest plugin
(`-p tests.interop.kazoo_suite`) that replaces that launcher: the same zoo.cfg is handed to the Java
server or to `zoo serve`, as ZOO_INTEROP_SERVER says, and start-up is polled, not slept through.
kazoo imports pyOpenSSL and pyjks only to write key stores for its TLS class, which is left out;
when they are missing, empty stand-ins take their place.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

from tests.interop.harness import (
    die_with_parent,
    repo_root,
    server_command,
    wait_for_port,
)
from zoo.testing.ports import free_port_block

BASELINE = Path(__file__).with_name("kazoo_baseline.txt")
DIFFERENCES = Path(__file__).with_name("kazoo_baseline_3.txt")
SERVER_ENV = "ZOO_INTEROP_SERVER"
OUTCOMES_ENV = "ZOO_INTEROP_OUTCOMES"
# TLS waits until Zoo has TLS; the others need servers or libraries that are not there by design.
EXCLUDED = ("TestSSLClient",)
# The order of the CI slice: the files that talk to a server most, first.
CORE_FILES = (
    "test_client.py",
    "test_connection.py",
    "test_watchers.py",
    "test_lock.py",
    "test_queue.py",
    "test_election.py",
    "test_cache.py",
    "test_counter.py",
    "test_barrier.py",
    "test_party.py",
    "test_lease.py",
    "test_partitioner.py",
)
# Its tests wait most of the time, so several files are run side by side. What the longest take,
# roughly, in seconds.
SIDE_BY_SIDE = 4
SECONDS = {
    "test_client.py": 50,
    "test_lock.py": 38,
    "test_partitioner.py": 31,
    "test_lease.py": 21,
    "test_connection.py": 23,
    "test_watchers.py": 21,
    "test_cache.py": 18,
    "test_party.py": 12,
    "test_barrier.py": 15,
    "test_selectors_select.py": 11,
    "test_counter.py": 10,
    "test_interrupt.py": 9,
    "test_queue.py": 8,
    "test_election.py": 8,
}
SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="  # super:test, what kazoo's tests log in with

Outcomes = dict[str, str]


# --- the plugin: how kazoo's suite gets its server ------------------------------------------


def _stand_in_for_missing_modules() -> None:
    for name in ("OpenSSL", "jks", "objgraph"):
        if importlib.util.find_spec(name) is None:
            module = types.ModuleType(name)
            if name == "OpenSSL":
                module.crypto = mock.MagicMock()  # type: ignore[attr-defined]
            elif name == "jks":
                module.KeyStore = mock.MagicMock()  # type: ignore[attr-defined]
                module.PrivateKeyEntry = mock.MagicMock()  # type: ignore[attr-defined]
                module.TrustedCertEntry = mock.MagicMock()  # type: ignore[attr-defined]
            else:
                module.count = _count_by_type  # type: ignore[attr-defined]
            sys.modules[name] = module


def _count_by_type(name: str) -> int:
    import gc

    return sum(1 for thing in gc.get_objects() if type(thing).__name__ == name)


def _zoo_cfg(server: Any) -> str:
    data = Path(server.working_path, "data")
    data.mkdir(parents=True, exist_ok=True)
    lines = [
        "tickTime=2000",
        f"dataDir={data}",
        f"clientPort={server.server_info.client_port}",
        "clientPortAddress=127.0.0.1",
        "maxClientCnxns=0",
        "extendedTypesEnabled=true",
        f"DigestAuthenticationProvider.superDigest={SUPER_DIGEST}",
        *_members(server, data),
        *server.configuration_entries,
    ]
    return "\n".join(lines) + "\n"


def _members(server: Any, data: Path) -> list[str]:
    """What makes it one of several, where kazoo asks for more than one server."""
    if not server.peers:
        return []
    (data / "myid").write_text(f"{server.server_info.server_id}\n")
    members = sorted((server.server_info, *server.peers))
    return [
        "initLimit=10",
        "syncLimit=5",
        "reconfigEnabled=true",
        *(
            f"server.{m.server_id}=127.0.0.1:{m.leader_port}:{m.election_port}:{m.peer_type}"
            for m in members
        ),
    ]


def _run(server: Any) -> None:
    """Replaces ManagedZooKeeper.run: same working directory and zoo.cfg, either server."""
    if server._running:
        return
    config = Path(server.working_path, "zoo.cfg")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_zoo_cfg(server))
    with Path(server.working_path, "zookeeper.log").open("ab") as log:
        server.process = subprocess.Popen(
            server_command(os.environ[SERVER_ENV], config),
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
    server._running = True


def _start(cluster: Any) -> None:
    for server in cluster:
        server.run()
    for server in cluster:
        wait_for_port(server.server_info.client_port, server.process)


def pytest_configure(config: Any) -> None:
    _stand_in_for_missing_modules()
    from kazoo.testing import common

    common.ManagedZooKeeper.run = _run
    common.ZookeeperCluster.start = _start
    config._zoo_outcomes = {}


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    items[:] = [item for item in items if not any(name in item.nodeid for name in EXCLUDED)]


def _short_id(nodeid: str) -> str:
    return nodeid[nodeid.rindex("kazoo/tests/") + len("kazoo/tests/") :]


class _Recorder:
    outcomes: Outcomes = {}  # noqa: RUF012 - one pytest run per process


def pytest_runtest_logreport(report: Any) -> None:
    test = _short_id(report.nodeid)
    if report.when == "call" or report.outcome != "passed":
        previous = _Recorder.outcomes.get(test, "passed")
        _Recorder.outcomes[test] = report.outcome if previous == "passed" else previous


def pytest_sessionfinish(session: Any) -> None:
    target = os.environ.get(OUTCOMES_ENV)
    if target:
        Path(target).write_text(json.dumps(_Recorder.outcomes))


# --- the command -----------------------------------------------------------------------------


def suite_dir() -> Path:
    spec = importlib.util.find_spec("kazoo")
    if spec is None or spec.origin is None:
        raise RuntimeError("kazoo is not installed: pip install -e '.[dev]'")
    return Path(spec.origin).parent / "tests"


def run_suite(
    kind: str, tests: list[str] | None = None, size: int = 1, timeout: float = 1800
) -> tuple[Outcomes, str]:
    """Run kazoo's suite, or the given tests of it; outcome by test id, and pytest's text."""
    base = suite_dir()
    with tempfile.TemporaryDirectory(prefix="zoo-kazoo-") as tmp:
        outcomes_file = Path(tmp, "outcomes.json")
        environment = {
            **os.environ,
            SERVER_ENV: kind,
            OUTCOMES_ENV: str(outcomes_file),
            "TMPDIR": tmp,
            "ZOOKEEPER_PATH": tmp,
            "ZOOKEEPER_VERSION": "3.9.5",
            "ZOOKEEPER_CLUSTER_SIZE": str(size),
            "ZOOKEEPER_PORT_OFFSET": str(free_port_block(10 * size)),
            "PYTHONPATH": str(repo_root()),
        }
        targets = [f"{base}/{name}" for name in tests] if tests else [str(base)]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "--tb=short", "-c", os.devnull),
                *("-p", "tests.interop.kazoo_suite", "-p", "no:cacheprovider"),
                *(f"--rootdir={base.parent.parent}", *targets),
            ],
            env=environment,
            cwd=tmp,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        text = done.stdout + done.stderr
        if not outcomes_file.exists():
            raise RuntimeError(f"kazoo's suite did not run:\n{text[-4000:]}")
        return json.loads(outcomes_file.read_text()), text


def run_side_by_side(kind: str, files: Iterable[str], size: int) -> tuple[Outcomes, str]:
    """Files of the suite, as `run_suite` does, each part of them on servers of its own."""
    parts: list[list[str]] = [[] for _ in range(SIDE_BY_SIDE)]
    for file in sorted(files, key=lambda file: (-SECONDS.get(file, 1), file)):
        min(parts, key=lambda part: sum(SECONDS.get(each, 1) for each in part)).append(file)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        done = list(pool.map(lambda part: run_suite(kind, part, size), filter(None, parts)))
    outcomes = {test: outcome for some, _ in done for test, outcome in some.items()}
    return outcomes, "\n".join(text for _, text in done)


def read_baseline(size: int = 1) -> list[str]:
    """What passes on so many Java servers."""
    tests = dict.fromkeys(_lines(BASELINE))
    if size > 1:
        for line in _lines(DIFFERENCES):
            if line.startswith("+"):
                tests[line[1:]] = None
            else:
                tests.pop(line[1:], None)
    return sorted(tests)


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line and line[0] != "#"]


def make_baseline(runs: int, size: int = 1) -> list[str]:
    """Tests that passed in every one of `runs` runs against Java; written to the size's file."""
    passing: set[str] | None = None
    for _ in range(runs):
        outcomes, _ = run_suite("java", size=size)
        passed = {test for test, outcome in outcomes.items() if outcome == "passed"}
        passing = passed if passing is None else passing & passed
    tests = sorted(passing or ())
    if size == 1:
        head = (
            f"# {len(tests)} tests of kazoo.tests that pass on one Apache ZooKeeper 3.9.5 server\n"
        )
        file, lines = BASELINE, tests
    else:
        alone = set(_lines(BASELINE))
        head = f"# {len(tests)} tests pass on {size} servers: these too (+), those not (-)\n"
        file, lines = DIFFERENCES, [f"+{test}" for test in tests if test not in alone]
        lines += [f"-{test}" for test in sorted(alone - set(tests))]
    how = f"# (in each of {runs} runs); made by `python -m tests.interop.kazoo_suite baseline`\n"
    file.write_text(head + how + "".join(f"{line}\n" for line in lines))
    return tests


def compare(
    wanted: list[str] | None = None, size: int = 1, retries: int = 1
) -> tuple[dict[str, str], int, str]:
    """Tests of the baseline that fail on Zoo: (outcome by test, number compared, pytest's text).

    `wanted` are files, classes or tests. A test that fails is run again alone up to `retries`
    times: kazoo's suite has timing-dependent tests that now and then fail on Java too.
    """
    chosen = [t for t in read_baseline(size) if _is_wanted(t, wanted)]
    if wanted:
        outcomes, text = run_suite("zoo", wanted, size)
    else:
        outcomes, text = run_side_by_side("zoo", {t.split("::")[0] for t in chosen}, size)
    failing = {t: outcomes.get(t, "missing") for t in chosen if outcomes.get(t) != "passed"}
    for _ in range(retries):
        if not failing or len(failing) > 30:
            break
        outcomes, text = run_suite("zoo", sorted(failing), size)
        failing = {t: outcomes.get(t, "missing") for t in failing if outcomes.get(t) != "passed"}
    return failing, len(chosen), text


def _is_wanted(test: str, wanted: list[str] | None) -> bool:
    return not wanted or any(test == name or test.startswith(f"{name}::") for name in wanted)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.kazoo_suite")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the suite and print every outcome but 'passed'")
    run.add_argument("server", choices=("java", "zoo"))
    run.add_argument("tests", nargs="*")
    run.add_argument("-v", "--verbose", action="store_true", help="print pytest's text too")
    baseline = commands.add_parser("baseline", help="rewrite the list of what passes on Java")
    baseline.add_argument("--runs", type=int, default=2)
    comparison = commands.add_parser("compare", help="run Zoo and compare with the baseline")
    comparison.add_argument("tests", nargs="*")
    for command in (run, baseline, comparison):
        command.add_argument("--size", type=int, choices=(1, 3), default=1, help="servers")
    args = parser.parse_args(argv)
    began = time.monotonic()
    if args.command == "baseline":
        print(f"{len(make_baseline(args.runs, args.size))} tests pass on Java")
        return 0
    if args.command == "run":
        outcomes, text = run_suite(args.server, args.tests or None, args.size)
        if args.verbose:
            print(text)
        failing = {test: how for test, how in outcomes.items() if how != "passed"}
        count = len(outcomes)
    else:
        failing, count, text = compare(args.tests or None, args.size)
        if failing:
            print(text)
    for test, how in sorted(failing.items()):
        print(f"{how:8} {test}")
    print(f"{count} tests, {len(failing)} not passed, {time.monotonic() - began:.0f} s")
    return 1 if any(how != "skipped" for how in failing.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
