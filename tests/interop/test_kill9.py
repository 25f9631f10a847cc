"""kill -9 at random moments under load: what was acknowledged is there, and nothing half or unsent.

    python -m tests.interop.test_kill9 [--server zoo] [--rounds 200] [--seed N] [--keep]

Each writer owns a subtree and one session, whose requests a server applies in order. So after a
restart the subtree must be exactly the state after some prefix of what the writer sent, no shorter
than what was acknowledged: that one sentence covers lost writes, half multis, writes never sent,
gaps in sequence numbers and wrong versions. The writer's session and its ephemeral must be there
too. Tiny files make the log roll and snapshots happen all the time.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.interop import session as s
from tests.interop.harness import KINDS, Server, wait_out
from tests.interop.raw_client import LinkClosed, Silence, buffer
from tests.interop.session import Session, dump

pytestmark = pytest.mark.interop

# What a subtree looks like: path below the root -> (data, version, number of creates below it).
Node = tuple[bytes, int, int]
State = dict[bytes, Node]
Step = tuple[str, int]


def request(step: Step, root: bytes) -> tuple[int, bytes]:
    """The request of one step of a writer, on the wire."""
    name, number = step
    data = b"%d" % number
    pair = [root + b"/pair/%d-%s" % (number, side) for side in (b"a", b"b")]
    if name == "set":
        return s.SET_DATA, s.set_body(root + b"/register", data)
    if name == "sequence":
        return s.CREATE, s.create_body(root + b"/sequence/n-", data, s.SEQUENTIAL)
    if name == "pair":
        creates = [(s.CREATE, s.create_body(path, data)) for path in pair]
        return s.MULTI, s.multi_body([*creates, (s.SET_DATA, s.set_body(root + b"/pair", data))])
    if name == "unpair":
        return s.MULTI, s.multi_body([(s.DELETE, s.delete_body(path)) for path in pair])
    assert name == "fail", name
    bad_check = (s.CHECK, buffer(root) + s.INT.pack(12345))
    creates = [(s.CREATE, s.create_body(root + b"/pair/never", data))]
    return s.MULTI, s.multi_body([*creates, bad_check])


def apply(state: State, step: Step) -> None:
    """The same step on the model."""
    name, number = step
    data = b"%d" % number

    def put(path: bytes) -> None:
        _old, version, creates = state[path]
        state[path] = (data, version + 1, creates)

    def make(parent: bytes, child: bytes) -> None:
        old, version, creates = state[parent]
        state[parent] = (old, version, creates + 1)
        state[parent + b"/" + child] = (data, 0, 0)

    if name == "set":
        put(b"/register")
    elif name == "sequence":
        make(b"/sequence", b"n-%010d" % state[b"/sequence"][2])
    elif name == "pair":
        make(b"/pair", b"%d-a" % number)
        make(b"/pair", b"%d-b" % number)
        put(b"/pair")
    elif name == "unpair":
        del state[b"/pair/%d-a" % number], state[b"/pair/%d-b" % number]


def empty_state() -> State:
    """What prepare() makes."""
    below: State = dict.fromkeys((b"/register", b"/sequence", b"/pair"), (b"", 0, 0))
    return {b"": (b"", 0, 4), **below, b"/mine": (b"", 0, 0)}


@dataclass
class Writer:
    """One session writing to its own subtree until the link breaks."""

    port: int
    root: bytes
    seed: int
    sent: list[Step] = field(default_factory=list)
    acknowledged: int = 0
    trouble: str = ""

    def prepare(self) -> None:
        self.session = Session(self.port, timeout_ms=30000)
        self.session.create(self.root)
        for path in (b"/register", b"/sequence", b"/pair"):
            self.session.create(self.root + path)
        self.session.create(self.root + b"/mine", b"", s.EPHEMERAL)

    def steps(self) -> Iterator[Step]:
        chance = random.Random(self.seed)
        open_pairs: list[int] = []
        number = 0
        while True:
            number += 1
            name = chance.choice(("set", "set", "sequence", "sequence", "pair", "unpair", "fail"))
            if name == "unpair":
                if not open_pairs:
                    continue
                yield name, open_pairs.pop(chance.randrange(len(open_pairs)))
                continue
            if name == "pair":
                open_pairs.append(number)
            yield name, number

    def run(self) -> None:
        chance, steps = random.Random(self.seed + 1), self.steps()
        try:
            while True:
                burst = [next(steps) for _ in range(chance.choice((1, 4, 16, 64)))]
                # Counted before it is sent: the server may have it although the send failed.
                self.sent += burst
                self.session.send_all([request(step, self.root) for step in burst])
                for name, _ in burst:
                    reply = self.session.receive()
                    if reply.error and name != "fail":
                        self.trouble = f"{name} refused with {reply.error}"
                        return
                    self.acknowledged += 1
        except LinkClosed:
            return
        except Silence as silence:
            self.trouble = f"no answer: {silence}"


def observed(session: Session, root: bytes) -> State:
    return {
        path[len(root) :]: (
            data or b"",
            stat.version,
            (stat.cversion + stat.num_children) // 2,
        )
        for path, (data, stat, _) in dump(session, root).items()
    }


def check(session: Session, writer: Writer) -> tuple[State, int]:
    """The subtree as found and the length of the prefix it equals; AssertionError when none."""
    found = observed(session, writer.root)
    state = empty_state()
    for step in writer.sent[: writer.acknowledged]:
        apply(state, step)
    for length in range(writer.acknowledged, len(writer.sent) + 1):
        if found == state:
            return found, length
        if length < len(writer.sent):
            apply(state, writer.sent[length])
    state = empty_state()
    for step in writer.sent[: writer.acknowledged]:
        apply(state, step)
    differing = {path for path in state.keys() | found.keys() if state.get(path) != found.get(path)}
    detail = [f"{p!r}: {state.get(p)} != {found.get(p)}" for p in sorted(differing)[:10]]
    raise AssertionError(
        f"{writer.root!r}: no prefix of {writer.acknowledged} to {len(writer.sent)} requests gives "
        f"what is there (seed {writer.seed}); acknowledged != found: {detail}"
    )


@dataclass
class Totals:
    """What a campaign did."""

    rounds: int = 0
    acknowledged: int = 0
    unacknowledged_kept: int = 0
    longest_restart: float = 0.0
    final: dict[bytes, State] = field(default_factory=dict)  # the latest rounds' subtrees


def one_round(server: Server, number: int, chance: random.Random, totals: Totals) -> None:
    """Load, kill at a random moment, restart, check, and check older rounds' subtrees again."""
    writers = [
        Writer(server.port, b"/r%dw%d" % (number, i), chance.randrange(1 << 30)) for i in range(3)
    ]
    for writer in writers:
        writer.prepare()
    threads = [threading.Thread(target=writer.run, daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    wait_out(chance.uniform(0.02, 0.8))  # the moment of the kill
    server.kill()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a writer hangs although the server is gone"
    assert [writer.trouble for writer in writers if writer.trouble] == []
    began = time.monotonic()
    server.start()
    totals.longest_restart = max(totals.longest_restart, time.monotonic() - began)
    for writer in writers:
        old = writer.session
        session = Session(server.port, 30000, old.id, old.password)
        assert session.id == old.id, f"session {old.id:#x} is lost"
        totals.final[writer.root], length = check(session, writer)
        totals.acknowledged += writer.acknowledged
        totals.unacknowledged_kept += length - writer.acknowledged
        del totals.final[writer.root][b"/mine"]
        session.close()
    recheck(server, totals)
    totals.rounds += 1


def recheck(server: Server, totals: Totals, keep: int = 6) -> None:
    """Older subtrees are as they were; those beyond the latest `keep` are deleted."""
    session = Session(server.port)
    for root, state in totals.final.items():
        found = observed(session, root)
        assert found == state, f"{root!r} changed after it had been checked"
    while len(totals.final) > keep:
        root = next(iter(totals.final))
        for path in sorted(totals.final.pop(root), key=len, reverse=True):
            session.delete(root + path)
    session.close()


def campaign(server: Server, rounds: int, seed: int, verbose: bool = False) -> Totals:
    """AssertionError names round and seed."""
    chance, totals = random.Random(seed), Totals()
    server.settings.update({"snapCount": 100, "preAllocSize": 4})
    server.start()
    try:
        for number in range(rounds):
            try:
                one_round(server, number, chance, totals)
            except AssertionError as failure:
                raise AssertionError(f"round {number}, seed {seed}: {failure}") from failure
            if verbose and number % 10 == 9:
                print(report(totals), flush=True)
    finally:
        server.kill()
    return totals


def report(totals: Totals) -> str:
    return (
        f"{totals.rounds} kills, {totals.acknowledged} acknowledged writes all there, "
        f"{totals.unacknowledged_kept} unacknowledged ones kept, "
        f"longest restart {totals.longest_restart:.2f} s"
    )


@pytest.mark.usefixtures("needs_zoo")
def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    totals = campaign(Server("zoo", tmp_path), rounds=10, seed=1)
    assert totals.rounds == 10
    assert totals.acknowledged > 1000
    assert totals.longest_restart < 20


@pytest.mark.usefixtures("needs_java")
def test_the_model_holds_on_java(tmp_path: Path) -> None:
    totals = campaign(Server("java", tmp_path), rounds=2, seed=2)
    assert totals.rounds == 2
    assert totals.acknowledged > 100


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.test_kill9")
    parser.add_argument("--server", choices=KINDS, default="zoo")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", action="store_true", help="keep the directory of a failure")
    args = parser.parse_args(argv)
    directory = Path(tempfile.mkdtemp(prefix="zoo-kill9-"))
    began = time.monotonic()
    try:
        totals = campaign(Server(args.server, directory), args.rounds, args.seed, verbose=True)
    except BaseException:
        if args.keep:
            print(f"files kept in {directory}")
        else:
            remove(directory)
        raise
    remove(directory)
    print(f"{report(totals)}; seed {args.seed}, {time.monotonic() - began:.0f} s")
    return 0


def remove(directory: Path) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
