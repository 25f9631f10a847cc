"""Stories of whole ensembles, in ms of virtual time. A message takes 1 unless it says so."""

from __future__ import annotations

import pytest

from tests.zab.election_net import Net
from zoo.zab.quorum import Hierarchical, Majority

THREE, FIVE = Majority([1, 2, 3]), Majority([1, 2, 3, 4, 5])


def test_a_start_of_three() -> None:
    net = Net(THREE)
    net.start(1, 2, 3)
    assert net.run_until(net.agreed, 100) <= 2
    assert net.states() == "1:F3 2:F3 3:L3"


def test_a_start_of_five_one_after_another() -> None:
    net = Net(FIVE)
    for sid in (1, 2):
        net.start(sid)
        net.run(1000)
    assert net.states() == "1:? 2:?"
    net.start(3)
    assert net.run_until(net.agreed, 100) <= 3
    assert net.states() == "1:F3 2:F3 3:L3"
    net.start(5, 4)
    assert net.run_until(net.agreed, 100) <= 3
    assert net.states() == "1:F3 2:F3 3:L3 4:F3 5:F3"


def test_the_longest_history_wins() -> None:
    net = Net(FIVE)
    for sid, (epoch, zxid) in enumerate([(2, 9), (2, 9), (2, 8), (1, 50), (1, 60)], start=1):
        net.start(sid, zxid=zxid, epoch=epoch)
    net.run_until(net.agreed, 100)
    assert net.agreed(2)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_the_death_of_the_leader_costs_a_few_messages_of_time(size: int) -> None:
    net = Net(Majority(range(1, size + 1)))
    net.start(*range(1, size + 1))
    net.run_until(lambda: net.agreed(size), 100)
    net.kill(size)
    net.run(1)
    for sid in net.servers:
        net.look(sid)
    assert net.run_until(net.agreed, 100) <= 3
    assert net.agreed(size - 1)


def test_a_leader_that_hangs_costs_the_wait() -> None:
    net = Net(THREE, silent=True)
    net.start(1, 2, 3)
    net.run_until(net.agreed, 300)
    net.kill(3)
    net.look(1)
    net.look(2)
    assert 200 <= net.run_until(net.agreed, 300) <= 203
    assert net.agreed(2)


def test_followers_that_notice_one_after_another() -> None:
    net = Net(FIVE)
    net.start(1, 2, 3, 4, 5)
    net.run_until(net.agreed, 100)
    net.kill(5)
    for sid in (1, 2, 3):
        net.look(sid)
        net.run(5)
    assert net.states() == "1:? 2:? 3:? 4:F5"  # 4 may be better: its vote is waited for
    net.look(4)
    assert net.run_until(net.agreed, 100) <= 2
    assert net.agreed(4)


def test_who_was_away_and_counted_on_comes_back() -> None:
    net = Net(FIVE)
    net.start(1, 2, 3, 4, 5)
    net.run_until(net.agreed, 100)
    net.partition(2)
    for _ in range(6):
        net.look(2)
        net.run(100)
    assert net.servers[2].decision is None
    net.heal()
    assert net.run_until(net.agreed, 100) <= 4
    assert net.agreed(5)
    assert (net.servers[2].round, net.servers[1].round) == (7, 1)
    net.kill(5)
    for sid in net.servers:
        net.look(sid)
    assert net.run_until(net.agreed, 100) <= 6
    assert net.agreed(4)
    assert {server.round for server in net.servers.values()} == {8}


def test_a_minority_decides_nothing() -> None:
    net = Net(FIVE)
    net.start(1, 2, 3, 4, 5)
    net.run_until(net.agreed, 100)
    net.partition(4, 5)
    net.run(10)
    for sid in net.servers:
        net.look(sid)
    net.run(5000)
    assert net.states() == "1:F3 2:F3 3:L3 4:? 5:?"
    net.heal()
    net.run_until(lambda: net.agreed(3), 100)


def test_a_split_vote_ends_with_the_best() -> None:
    """Halves that can only hear each other through 3."""
    net = Net(FIVE)
    net.start(1, 2, 3, 4, 5, zxid=1)
    net.cut_links((1, 4), (1, 5), (2, 4), (2, 5))
    for sid in net.servers:
        net.look(sid)
    net.run(1000)
    assert net.leaders()[3] == net.leaders()[4] == net.leaders()[5] == 5


def test_a_link_that_only_one_server_lacks_disturbs_nobody() -> None:
    net = Net(THREE)
    net.start(1, 2, 3)
    net.cut_links((1, 3))
    net.run(300)
    for _ in range(20):  # 1 cannot reach the leader that the others have, and looks again
        net.look(1)
        net.run(100)
        assert net.leaders() == {1: net.leaders()[1], 2: 3, 3: 3}
    assert net.leaders()[1] is None


def test_observers_see_it_all() -> None:
    quorum = Majority([1, 2, 3], observers=[4, 5])
    net = Net(quorum)
    net.start(4)
    net.run(700)
    net.start(1, 2)
    assert net.run_until(net.agreed, 100) <= 4
    assert net.states() == "1:F2 2:L2 4:O2"
    net.start(3, 5)
    assert net.run_until(net.agreed, 100) <= 4
    net.kill(2)
    for sid in (5, 4, 3, 1):  # the observers are the first to notice
        net.run(3)
        net.look(sid)
    assert net.run_until(net.agreed, 100) <= 4
    assert net.states() == "1:F3 3:L3 4:O3 5:O3"
    net.kill(1)
    net.look(3)
    net.look(4)
    net.run(2000)
    assert net.servers[3].decision is None


def test_a_majority_of_servers_is_not_one_of_groups() -> None:
    groups = {sid: (sid - 1) // 3 + 1 for sid in range(1, 10)}
    net = Net(Hierarchical(groups, {}))
    net.start(1, 2, 3, 4, 7)
    net.run(1000)
    assert {*net.leaders().values()} == {None}  # five of nine, but one group of three
    net.kill(3)
    net.start(5)
    net.run_until(net.agreed, 300)
    assert net.agreed(7)
    net.kill(7)
    for sid in net.servers:
        net.look(sid)
    net.run_until(net.agreed, 300)
    assert net.states() == "1:F5 2:F5 4:F5 5:L5"


def test_the_talk_ends_with_the_election() -> None:
    net = Net(FIVE, delay=(1, 30), repeat=0.3)
    net.start(1, 2, 3, 4, 5)
    net.run_until(net.agreed, 1000)
    net.run(100)
    said = len(net.sent)
    assert said < 200
    net.run(60_000)
    assert len(net.sent) == said
