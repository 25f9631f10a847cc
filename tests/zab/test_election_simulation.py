"""Elections under every fault of the mesh: loss, repetition, reordering, cuts, deaths; from seeds.

A failing seed is a line of pytest's output; `Net` prints what each server believed.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.zab.election_net import Cluster, Net
from zoo.zab.election import ElectionSettings
from zoo.zab.quorum import Hierarchical, Majority, QuorumVerifier
from zoo.zab.vote import ServerState

LIMIT = 3000
"""Ms in which all are to agree once the faults are over: the longest pause between two votes, a
decision in vain, and some slow messages."""


def quorum(rng: Random) -> QuorumVerifier:
    if rng.random() < 0.2:
        groups = {sid: (sid - 1) // 2 for sid in range(1, 7)}
        return Hierarchical(groups, {sid: rng.choice([0, 1, 1, 2]) for sid in groups} | {1: 1})
    size = rng.choice([3, 3, 5, 7])
    return Majority(range(1, size + 1), observers=range(11, 11 + rng.choice([0, 0, 1, 2])))


def disturb(cluster: Cluster, rng: Random, everybody: list[int]) -> None:
    dice = rng.random()
    sid = rng.choice(everybody)
    if dice < 0.35:
        leaders = cluster.working()
        sid = rng.choice([sid, *leaders])
        if sid in cluster.servers:
            cluster.kill(sid)
    elif dice < 0.65:
        cluster.start(*[other for other in everybody if other not in cluster.servers])
    elif dice < 0.75:
        cluster.partition(*rng.sample(everybody, rng.randint(1, len(everybody) // 2)))
    elif dice < 0.85:
        pairs = [(a, b) for a in everybody for b in everybody if a < b]
        cluster.cut_links(*rng.sample(pairs, rng.randint(1, len(pairs) // 2)))
    else:
        cluster.heal()


def campaign(seed: int) -> Cluster:
    rng = Random(seed)
    verifier = quorum(rng)
    cluster = Cluster(
        verifier,
        seed,
        delay=(1, rng.choice([1, 10, 100, 400])),
        loss=rng.choice([0, 0.1, 0.4]),
        repeat=rng.choice([0, 0.2]),
        silent=rng.random() < 0.3,
        settings=ElectionSettings(max_interval_ms=1600),
    )
    everybody = [*verifier.voters, *verifier.observers]
    cluster.start(*rng.sample(everybody, len(everybody)))
    for _ in range(12):
        cluster.play(rng.randint(10, 1500))
        disturb(cluster, rng, everybody)
    cluster.loss = 0
    cluster.heal()
    cluster.start(*[sid for sid in everybody if sid not in cluster.servers])
    healed = cluster.now
    while not cluster.settled():
        assert cluster.now - healed < LIMIT, f"seed {seed}: no agreement {cluster}"
        cluster.play(10)
    cluster.play(1000)  # answers that are still on their way
    said, elections = len(cluster.sent), cluster.elections
    cluster.play(4000)
    assert cluster.settled(), f"seed {seed}: not for long {cluster}"
    assert (len(cluster.sent), cluster.elections) == (said, elections), f"seed {seed}: no rest"
    return cluster


@pytest.mark.parametrize("block", range(4))
def test_all_agree_soon_after_the_faults_are_over(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        assert campaign(seed).committed > (0, 0)


@pytest.mark.slow
def test_all_agree_soon_after_the_faults_are_over_for_many_seeds() -> None:
    for seed in range(1000, 4000):
        assert campaign(seed).committed > (0, 0)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_in_one_round_there_is_one_leader(size: int) -> None:
    """While messages are faster than the wait, whatever order they come in."""
    for seed in range(100):
        rng = Random(seed)
        net = Net(
            Majority(range(1, size + 1)), seed, delay=(1, 50), repeat=0.2, silent=seed % 2 == 0
        )
        for sid in range(1, size + 1):
            net.start(sid, zxid=rng.randint(0, 3), epoch=rng.randint(0, 1))
            net.run(rng.randint(0, 50 // size) if net.silent else 0)
        best = max((*net.history[sid], sid) for sid in net.servers)[2]
        net.run_until(net.agreed, 1000)
        assert net.agreed(best), f"seed {seed}: {net}"
        assert net.servers[best].state is ServerState.LEADING
        assert {server.vote.election_epoch for server in net.servers.values()} == {1}


def test_a_connected_majority_decides_in_a_time_that_has_a_bound() -> None:
    """The others are gone, the mesh has said so, nothing is lost: no wait is left."""
    for seed in range(100):
        rng = Random(seed)
        size = rng.choice([3, 5, 7])
        net = Net(Majority(range(1, size + 1)), seed, delay=(1, 10))
        net.start(*range(1, size + 1))
        net.run_until(net.agreed, 200)
        for sid in rng.sample(range(1, size + 1), size // 2):
            net.kill(sid)
        for sid in net.servers:
            net.look(sid)
        assert net.run_until(net.agreed, 300) <= 60, f"seed {seed}: {net}"
