"""Zoo and Apache ZooKeeper as members of one ensemble: every role, every way to get in step.

python -m tests.interop.test_mixed_ensemble [--rounds 3] [--java java38]     the rolling replacement
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.interop import session as s
from tests.interop.ensemble import Ensemble
from tests.interop.harness import missing, wait_out, wait_until
from tests.interop.rider import Rider, synced
from tests.interop.session import Session, dump

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]

ALL_ZOO = ("zoo", "zoo", "zoo")
# The second member leads: the first two are started before the third.
LED_BY_ZOO = ("java", "zoo", "java")
LED_BY_JAVA = ("zoo", "java", "zoo")
MIXES = (ALL_ZOO, LED_BY_ZOO, LED_BY_JAVA)
# Debian's ZooKeeper 3.8.0, and all three kinds at once.
OLD_MIXES = (("java38", "zoo", "java38"), ("zoo", "java38", "zoo"), ("java38", "zoo", "java"))


def slow(*mixes: Sequence[str]) -> list[object]:
    return [pytest.param(mix, marks=pytest.mark.slow) for mix in mixes]


@pytest.fixture(autouse=True)
def _all_kinds_are_here(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    for kind in callspec.params.get("kinds", ()) if callspec else ():
        if reason := missing(kind):
            pytest.skip(reason)


def start_led_by_second(ensemble: Ensemble) -> None:
    ensemble.start(1, 2)
    ensemble.start(3)
    assert ensemble.settled() == {1: "follower", 2: "leader", 3: "follower"}


def write_some(port: int, root: bytes, count: int) -> None:
    session = Session(port)
    session.create(root)
    for first in range(0, count, 500):
        batch = range(first, min(first + 500, count))
        session.send_all(
            [(s.CREATE, s.create_body(root + b"/n-%d" % number, b"x" * 50)) for number in batch]
        )
        for _ in batch:
            assert session.receive().error == 0
    session.drop()


def mismatches(ensemble: Ensemble) -> dict[int, int]:
    """By sid, of those that run: how many transactions left a tree that the leader's is not."""
    return {
        sid: int(server.mntr()["zk_digest_mismatches_count"])
        for sid, server in ensemble.members.items()
        if server.process is not None
    }


def same_tree_everywhere(ensemble: Ensemble, counted: Mapping[int, int] | None = None) -> None:
    """Equal znodes, Stats, ACLs and digests at each member that runs, and no mismatch of digests
    beside those `counted` before.
    """
    trees = {}
    for sid, server in ensemble.members.items():
        if server.process is None:
            continue
        session = synced(server.port)
        tree = dump(session)
        trees[sid] = {path: node for path, node in tree.items() if path != b"/zookeeper/config"}
        session.close()
    first, *others = trees.values()
    for other in others:
        assert other == first
    digests: dict[str, str] = {}
    for sid, server in ensemble.members.items():
        if server.process is not None:
            for line in server.four_letter("hash").splitlines():  # every 128th zxid
                zxid, digest = line.split(": ")
                assert digests.setdefault(zxid, digest) == digest, (sid, zxid)
    for sid, count in mismatches(ensemble).items():
        told = [line for line in ensemble[sid].log().splitlines() if "igest" in line]
        assert count == (counted or {}).get(sid, 0), (sid, ensemble[sid].kind, told)


@pytest.fixture(scope="module")
def led(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ensemble]:
    """Of these kinds, led by the second; for tests that leave it so."""
    for kind in request.param:
        if reason := missing(kind):
            pytest.skip(reason)
    ensemble = Ensemble(tmp_path_factory.mktemp("led"), request.param)
    try:
        start_led_by_second(ensemble)
        yield ensemble
    finally:
        ensemble.kill()


@pytest.mark.parametrize("led", [*MIXES, *OLD_MIXES], ids="-".join, indirect=True, scope="module")
def test_writes_through_each_member_are_seen_through_all(led: Ensemble) -> None:
    for sid, server in led.members.items():
        root = b"/from-%d" % sid
        write_some(server.port, root, 20)
        session = Session(server.port)
        made, _ = session.create(root + b"/s-", b"", s.SEQUENTIAL)
        assert made == root + b"/s-0000000020"
        session.set(root, b"changed")
        session.delete(root + b"/n-3")
        parts = [(s.CREATE, s.create_body(root + b"/m")), (s.DELETE, s.delete_body(made))]
        session.multi(parts)
        with pytest.raises(s.Refused, match="-101"):
            session.set(root + b"/nowhere", b"")
        session.create(root + b"/e", b"", s.EPHEMERAL)
        assert session.get(root)[0] == b"changed"
        session.close()
    same_tree_everywhere(led)


@pytest.mark.parametrize(
    "led", [*MIXES, *slow(*OLD_MIXES)], ids="-".join, indirect=True, scope="module"
)
@pytest.mark.parametrize("away", ["diff", "snap"])
def test_a_follower_that_was_away_comes_back_into_step(led: Ensemble, away: str) -> None:
    root = f"/{away}-".encode()
    write_some(led[1].port, root + b"before", 100)
    led[3].kill()
    write_some(led[1].port, root + b"meanwhile", 300)
    if away == "snap":
        shutil.rmtree(led[3].data / "version-2")
    led.start(3)
    write_some(led[3].port, root + b"after", 20)
    same_tree_everywhere(led)
    # and what it has received it really has
    led[1].kill()
    assert led.settled()[3] in ("leader", "follower")
    write_some(led[3].port, root + b"at-last", 20)
    same_tree_everywhere(led)
    led.start(1)
    assert led.settled() == {1: "follower", 2: "leader", 3: "follower"}


@pytest.mark.parametrize(
    "kinds",
    [ALL_ZOO, ("java", "zoo", "java"), ("zoo", "java", "zoo")],
    ids=["all-zoo", "zoo-truncated-by-java", "java-truncated-by-zoo"],
)
def test_what_only_a_dead_leader_had_is_cut_off(kinds: Sequence[str], tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path, kinds)
    try:
        start_led_by_second(ensemble)
        write_some(ensemble[2].port, b"/before", 10)
        lost = Session(ensemble[2].port)
        for sid in (1, 3):
            ensemble[sid].freeze()
        lost.send_all([(s.CREATE, s.create_body(b"/never-%d" % n)) for n in range(5)])
        log_dir = ensemble[2].data / "version-2"
        wait_until(
            lambda: any(b"/never-4" in log.read_bytes() for log in log_dir.glob("log.*")),
            10,
            "the leader alone has logged it",
        )
        ensemble.kill()  # and with the followers goes what waited in their sockets
        ensemble.start(1, 3)
        write_some(ensemble[1].port, b"/after", 10)
        ensemble.start(2)
        write_some(ensemble[2].port, b"/through-it", 10)
        if kinds[1] == "java":
            ensemble[2].kill()  # it may keep what it was told to cut off (ZOOKEEPER-4837)
        for sid in (1, 2, 3) if kinds[1] == "zoo" else (1, 3):
            session = synced(ensemble[sid].port)
            assert not [name for name in session.children(b"/") if name.startswith(b"never")]
            session.close()
        same_tree_everywhere(ensemble)
    finally:
        ensemble.kill()


@pytest.mark.parametrize(
    "kinds",
    [
        ("zoo", "zoo", "zoo", "zoo"),
        ("java", "zoo", "java", "zoo"),
        ("zoo", "java", "zoo", "java"),
        *slow(("java38", "zoo", "java38", "zoo"), ("zoo", "java38", "zoo", "java38")),
    ],
    ids="-".join,
)
def test_an_observer_serves_and_does_not_vote(kinds: Sequence[str], tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path, kinds, observers=1)
    try:
        ensemble.start(1, 2)
        ensemble.start(3, 4)
        assert ensemble.settled()[4] == "observer"
        write_some(ensemble[4].port, b"/through-the-observer", 50)
        same_tree_everywhere(ensemble)
        ensemble[4].kill()
        write_some(ensemble[1].port, b"/meanwhile", 50)
        ensemble.start(4)
        same_tree_everywhere(ensemble)
    finally:
        ensemble.kill()


@pytest.mark.parametrize(
    "kinds",
    [
        ("zoo",) * 5,
        ("zoo", "java", "zoo", "java", "zoo"),
        *slow(("java", "zoo", "java38", "zoo", "java"), ("zoo",) * 7),
    ],
    ids="-".join,
)
def test_a_large_ensemble_serves_as_long_as_a_majority_is_there(
    kinds: Sequence[str], tmp_path: Path
) -> None:
    ensemble = Ensemble(tmp_path, kinds)
    spare = (len(kinds) - 1) // 2
    try:
        ensemble.start()
        assert sorted(ensemble.settled().values()) == ["follower"] * (len(kinds) - 1) + ["leader"]
        write_some(ensemble[1].port, b"/all", 50)
        dead = [ensemble.leader()]
        ensemble[dead[0]].kill()
        while len(dead) < spare:
            ensemble.settled()
            dead.append(ensemble.leader())
            ensemble[dead[-1]].kill()
        left = next(sid for sid in ensemble.members if sid not in dead)
        ensemble.settled()
        write_some(ensemble[left].port, b"/majority", 50)
        ensemble.start(*dead)
        ensemble.settled()
        write_some(ensemble[dead[0]].port, b"/all-again", 50)
        same_tree_everywhere(ensemble)
    finally:
        ensemble.kill()


def replace_rolling(directory: Path, rounds: int = 1, java: str = "java") -> str:
    """Java -> Zoo -> Java, one member at a time, clients writing throughout; returns a summary."""
    ensemble = Ensemble(directory, [java] * 3, maxSessionTimeout=40_000)
    ports = [server.port for server in ensemble.members.values()]
    riders = [Rider(ports[n:] + ports[:n], b"%d" % n) for n in range(3)]
    try:
        ensemble.start()
        ensemble.settled()
        for rider in riders:
            rider.start()
        for kind in ("zoo", java) * rounds:
            for sid in sorted(ensemble.members, key=lambda sid: ensemble.mode(sid) == "leader"):
                ensemble[sid].stop()
                wait_out(0.5)
                ensemble[sid].become(kind)
                ensemble.start(sid)
                ensemble.settled()
                wait_out(0.5)
            if kind == "zoo":
                assert not any(mismatches(ensemble).values())
        for rider in riders:
            rider.finish()
        # A Java leader goes on while it sends a snapshot, and what it gets ahead of itself a Java
        # learner counts as mismatches until it has caught up: it has by now.
        counted = mismatches(ensemble)
        write_some(ports[0], b"/after", 20)
        same_tree_everywhere(ensemble, counted)
        session = synced(ports[0])
        for rider in riders:
            rider.check(session)
            assert rider.expired == 0, f"{rider.path!r} lost its session"
        session.close()
        writes = sum(rider.acknowledged for rider in riders)
        gap = max(rider.longest_gap() for rider in riders)
        assert writes > 0
        return f"{writes} writes acknowledged and there, no session lost, longest gap {gap:.2f} s"
    finally:
        for rider in riders:
            rider.over.set()
        ensemble.kill()


@pytest.mark.parametrize("kinds", [("java",), *slow(("java38",))], ids="-".join)
def test_members_are_replaced_one_at_a_time_and_back(kinds: Sequence[str], tmp_path: Path) -> None:
    assert "writes acknowledged" in replace_rolling(tmp_path, java=kinds[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--java", default="java", choices=("java", "java38"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        print(replace_rolling(Path(directory), options.rounds, options.java))
    return 0


if __name__ == "__main__":
    sys.exit(main())
