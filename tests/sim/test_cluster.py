"""Whole ensembles with clients: determinism, fresh seeds, all that goes wrong, broken members."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from zoo.sim.checking import Violation
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.cluster_scenario import ClusterScenario, SessionKind, settings_of

FRESH = 3
ROUGH = ClusterScenario(
    tick_ms=200,
    snap_count=40,
    purge_every_ms=1_500,
    window=5,
    pause_us=40_000,
    crash_chance=0.001,
    faults=FaultMix(SECOND, *[1] * 13),
)
CALM = replace(ROUGH, crash_chance=0.0, faults=FaultMix(every=0))


def lived(seed: int, scenario: ClusterScenario | None = None, seconds: int = 4) -> ClusterWorld:
    world = ClusterWorld(seed, scenario=scenario)
    world.run(seconds * SECOND)
    return world


def test_the_seed_decides_everything() -> None:
    first, second, other = lived(1, ROUGH), lived(1, ROUGH), lived(2, ROUGH)
    assert first.fingerprint.digest() == second.fingerprint.digest()
    assert first.fingerprint.digest() != other.fingerprint.digest()


def test_fresh_seeds() -> None:
    base = random.SystemRandom().randrange(1 << 32)
    for seed in range(base, base + FRESH):
        try:
            world = lived(seed)
        except Violation as violation:
            pytest.fail(
                f"zoo simulate --servers 0 --seed {seed} --duration 4s --trace: {violation}"
            )
        assert world.ensemble.agreed.depth > 0


def test_a_calm_world_serves_everybody() -> None:
    world = lived(1, replace(CALM, observers=1))
    assert world.service.replies > 100
    assert world.service.events > 0
    assert {server.core.mode for server in world.servers} == {"leader", "follower", "observer"}
    assert world.ensemble.agreed.zxid >> 32 == 1


def test_a_client_goes_back_to_where_its_session_is_and_somebody_listens() -> None:
    """Seed 11732: who had no session went back to a server that was no member any more."""
    world = lived(1, replace(CALM, clients=1, lockers=0, sessions=SessionKind.LOCAL))
    client = world.clients[0]
    session_id, home = client.session_id, world._server(client.server)

    def times_home() -> int:
        dialled = []
        for _ in range(200):
            client.server = home.sid
            world._dial(client)
            dialled.append(client.server)
        return dialled.count(home.sid)

    assert home.is_up
    assert session_id
    assert times_home() > 120
    client.session_id = 0
    assert times_home() < 120
    client.session_id = session_id
    home.is_up = False
    assert times_home() < 120


def test_followers_may_feed_observers() -> None:
    world = lived(1, replace(CALM, observers=2, feeds_observers=True))
    fed = [server.peer.fed_observers for server in world.servers]
    assert sum(number or 0 for number in fed) == 2
    assert world.ensemble.agreed.depth > 0
    rough = lived(2, replace(ROUGH, observers=2, feeds_observers=True))
    assert rough.ensemble.agreed.depth > 0


def test_a_rough_world_has_it_all() -> None:
    lines: list[str] = []
    snapshots = purges = 0
    for seed in range(8):
        scenario = replace(ROUGH, window=5 if seed % 2 else 1_000)
        world = ClusterWorld(seed, scenario=scenario, trace=lines.append)
        world.run(5 * SECOND)
        snapshots += sum(server.snapshots for server in world.servers)
        purges += sum(server.purges for server in world.servers)
    trace = "\n".join(lines)
    for what in (" DIFF ", " TRUNC ", " SNAP ", "REVALIDATE", "REQUEST", "gives up", "purged"):
        assert what in trace, what
    assert min(snapshots, purges) > 0


def test_members_are_configured_by_files() -> None:
    world = ClusterWorld(1, scenario=replace(ROUGH, observers=1, reconfig_every=1))
    for server in world.servers:
        server.start()
    config = world.servers[3].config
    assert (config.my_id, config.peer_type, config.tick_time_ms) == (4, "observer", 200)
    assert len(config.ensemble.voters) == 3
    assert config.reconfig_enabled
    assert config.purge_interval_ms == ROUGH.purge_every_ms
    assert "reconfigEnabled" not in settings_of(ROUGH)


CHANGING = replace(
    ROUGH,
    observers=1,
    spares=2,
    reconfig_every=SECOND // 2,
    crash_chance=0.003,
    faults=FaultMix(2 * SECOND),
)


def test_an_ensemble_changes_with_clients_on_it() -> None:
    lines: list[str] = []
    changes = 0
    for seed in range(4):
        world = ClusterWorld(seed, scenario=CHANGING, trace=lines.append)
        world.run(5 * SECOND)
        changes += world.ensemble.changes
    assert changes > 5
    trace = "\n".join(lines)
    for what in ("COMMITANDACTIVATE", "INFORMANDACTIVATE", "is no member", "the operator starts"):
        assert what in trace, what


def test_a_member_that_forgets_a_change_before_it_is_committed_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file `.next` is what a quorum goes by after its power has failed."""
    from zoo.runtime.configuration_files import FileConfigurations

    steps = FileConfigurations.steps

    def forgetful(self, configured):  # type: ignore[no-untyped-def]
        return steps(self, configured._replace(seen=None))

    monkeypatch.setattr(FileConfigurations, "steps", forgetful)
    assert verdict(CHANGING).startswith("Activation")


def verdict(scenario: ClusterScenario, seeds: range = range(1, 13)) -> str:
    for seed in seeds:
        try:
            lived(seed, scenario)
        except Violation as violation:
            return str(violation)
    return ""


def test_ephemerals_that_stay_on_some_members_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZOOKEEPER-4541, 5010."""
    from zoo.server import learning

    replay = learning.replay

    def forgetful(view, entry):  # type: ignore[no-untyped-def]
        done = replay(view, entry)
        if done.closes:
            view.tree.digest += 1
        return done

    monkeypatch.setattr(learning, "replay", forgetful)
    assert verdict(CALM).startswith("Digests")


def test_sessions_that_the_leader_does_not_hear_of_are_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from zoo.server.member import Member

    monkeypatch.setattr(Member, "touched", lambda self: [])
    assert verdict(replace(CALM, pause_us=400_000)).startswith("EnsembleSessions")


def test_a_sync_that_is_lost_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.zab.leader_broadcast import Broadcast

    monkeypatch.setattr(Broadcast, "_answer", lambda self, asker, data, after_round=0: None)
    assert verdict(CALM, range(12, 40)).startswith(("Liveness", "AssertionError"))


def test_a_snapshot_of_what_is_not_committed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZOOKEEPER-1549: a server takes one while it looks for a leader."""
    from zoo.server.member import Member

    def any_time(self: Member, rested: bool = True) -> bool:
        return not self.core.tree.is_being_read and self.core.snapshot_due(rested)

    monkeypatch.setattr(Member, "snapshot_due", any_time)
    eager = replace(ROUGH, snap_count=5, crash_chance=0.02)
    assert verdict(eager, range(1, 40)).startswith("Snapshots")
