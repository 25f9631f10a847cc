"""Syncs wait until a quorum is heard to follow: a real leader, learners played by the test."""

from __future__ import annotations

import pytest

from tests.zab.leader_rig import E1, FakeLearner, FakePeer, Rig
from zoo.zab.packets import Packet, PacketType
from zoo.zab.ping_rounds import PingRounds
from zoo.zab.quorum import Majority
from zoo.zab.quorum_joint import Joint

FIVE = (1, 2, 3, 4, 5)


class Client:
    """Stands in for a client of the leader's own."""

    sid = -1

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.answers.append(data)


def five(*followers: int) -> tuple[Rig, list[FakeLearner]]:
    rig = Rig(FakePeer(voters=FIVE)).established(*(followers or (2, 3, 4, 5)))
    return rig, list(rig.learners.values())


def asked(rig: Rig, count: int = 1) -> list[Client]:
    clients = [Client() for _ in range(count)]
    for client in clients:
        rig.leading.sync(client)
    return clients


def answered(clients: list[Client]) -> list[int]:
    return [len(client.answers) for client in clients]


def answers(learner: FakeLearner, count: int = 1) -> None:
    for _ in range(count):
        learner.says(Packet(PacketType.PING, E1, b""))


def test_who_is_alone_answers_at_once() -> None:
    rig = Rig(FakePeer(voters=(1,)))
    rig.peer.flush()
    assert rig.leading.is_alone
    assert answered(asked(rig)) == [1]


def test_a_leader_asks_whether_a_quorum_follows() -> None:
    rig, (two, three, four, five_) = five()
    assert not rig.leading.is_alone
    clients = asked(rig)
    assert [each.kinds() for each in (two, three, four, five_)] == [["PING"]] * 4
    answers(two)
    assert answered(clients) == [0], "two of five"
    answers(three)
    assert answered(clients) == [1]
    answers(four)
    assert answered(clients) == [1]


def test_a_follower_that_asks_is_one_of_them() -> None:
    rig = Rig().established(2, 3)
    handler = next(each for each in rig.leader.handlers if each.sid == 2)
    rig.leading.sync(handler)
    assert rig.learners[2].kinds() == ["SYNC"]
    assert rig.learners[3].kinds() == []
    rig, (two, three, *_) = five()
    handler = next(each for each in rig.leader.handlers if each.sid == 2)
    rig.leading.sync(handler)
    assert two.kinds() == three.kinds() == ["PING"]
    answers(three)
    answers(two)
    assert two.kinds() == ["SYNC"]


def test_an_answer_to_an_earlier_ping_says_nothing() -> None:
    rig, (two, three, four, _) = five()
    rig.tick()
    clients = asked(rig)
    assert two.kinds() == ["PING"], "the answer to that one is due first"
    answers(two)
    answers(three)
    answers(four)
    assert answered(clients) == [0]
    assert two.kinds() == ["PING"], "so they are asked again"
    answers(two)
    answers(three)
    assert answered(clients) == [1]


def test_those_that_wait_share_a_round() -> None:
    rig, learners = five()
    first = asked(rig)
    later = asked(rig, 10)
    two, three, four, _ = learners
    assert two.kinds() == ["PING"], "one round at a time"
    answers(two)
    answers(three)
    assert answered(first) == [1]
    assert answered(later) == [0] * 10
    assert two.kinds() == ["PING"]
    answers(four)  # of the first round
    answers(two)
    assert answered(later) == [0] * 10
    answers(three)
    assert answered(later) == [1] * 10
    answers(four)
    assert two.kinds() == []


def test_pings_before_the_acknowledgement_of_uptodate_do_not_count() -> None:
    """A Java learner leaves those unanswered, ours answers them."""
    rig, (two, _) = five(2, 3)
    four = rig.synchronised(4)
    rig.tick()
    answers(four)
    answers(two)
    clients = asked(rig)
    answers(four, 3)
    answers(two)
    assert answered(clients) == [0]
    four.acks(E1)
    answers(four)
    assert answered(clients) == [0], "it has answered the one that was on its way"
    answers(four)
    assert answered(clients) == [1]


def test_who_comes_during_a_round_is_asked_too() -> None:
    rig, (two, three) = five(2, 3)
    clients = asked(rig)
    answers(two)
    three.link.broken()
    four = rig.synchronised(4)
    four.acks(E1)
    assert four.kinds() == ["UPTODATE", "PING"]
    answers(four)
    assert answered(clients) == [1]


def test_an_acknowledgement_of_something_later_is_as_good() -> None:
    rig, (two, three, *_) = five()
    clients = asked(rig)
    zxid = rig.write(b"x")
    rig.peer.flush()
    two.acks(zxid)
    assert answered(clients) == [0]
    three.acks(zxid)
    assert answered(clients) == [1]
    assert rig.replica.commits == [zxid]


def test_one_of_something_earlier_is_not() -> None:
    rig, (two, three, *_) = five()
    zxid = rig.write(b"x")
    rig.peer.flush()
    clients = asked(rig)
    two.acks(zxid)
    three.acks(zxid)
    assert rig.replica.commits == [zxid]
    assert answered(clients) == [0]
    answers(two)
    answers(three)
    assert answered(clients) == [1]


def test_observers_do_not_count() -> None:
    rig, (two, _) = five(2, 3)
    observer = rig.synchronised(9, observer=True)
    observer.acks(E1)
    observer.drains()
    clients = asked(rig)
    assert observer.kinds() == []
    rig.tick()
    answers(observer, 2)
    answers(two)
    assert answered(clients) == [0]


@pytest.mark.parametrize("second", [3, 4])
def test_between_two_configurations_a_quorum_of_each_is_needed(second: int) -> None:
    rig = Rig(FakePeer(quorum=Joint(Majority((1, 2, 3)), Majority((1, 4, 5)))))
    rig.established(2, 3, 4, 5)
    clients = asked(rig)
    answers(rig.learners[2])
    answers(rig.learners[second])
    assert answered(clients) == [int(second == 4)]


def test_a_slow_learner_is_asked_again_only_when_it_has_answered() -> None:
    rig, (two, three, four, _) = five()
    for _ in range(5):
        clients = asked(rig)
        answers(two)
        answers(three)
        assert answered(clients) == [1]
    assert two.kinds() == ["PING"] * 5
    assert four.kinds() == ["PING"]


def test_rounds_are_numbered() -> None:
    rig, _ = five()
    rounds = PingRounds(rig.peer, lambda: ())
    assert [rounds.after_this(-1) for _ in range(3)] == [1, 2, 2]
    assert rounds.is_under_way
