"""The way of a proposed transaction into log and tree."""

from __future__ import annotations

import pytest

from tests.zab.learner_rig import FakePeer, entries
from zoo.errors import ProtocolViolation
from zoo.zab.learner_log import LearnerLog

OLD = entries(1, 1, 2, 3)
NEW = entries(1, 4, 5, 6)


def received(peer: FakePeer) -> LearnerLog:
    log = LearnerLog(peer)
    log.found(peer.log.appended)
    return log


def test_a_commit_before_uptodate_is_applied_by_it() -> None:
    peer = FakePeer(OLD)
    log = received(peer)
    for zxid, entry in NEW:
        log.append(zxid, entry)
    log.commit(NEW[0][0])
    log.commit(NEW[1][0])
    assert peer.replica.state == OLD, "the leader may never be established"
    log.serve()
    assert peer.replica.state == OLD + NEW[:2]
    log.commit(NEW[2][0])
    assert peer.replica.state == OLD + NEW
    assert peer.history.committed == NEW[2][0]


def test_the_own_tail_is_committed_by_a_leader_that_has_it() -> None:
    peer = FakePeer(OLD)
    peer.log.append(*NEW[0])
    peer.history.append(*NEW[0])
    log = received(peer)
    log.append(*NEW[1])
    log.serve()
    assert peer.replica.state == [*OLD, NEW[0]]


@pytest.mark.parametrize("zxid", [1 << 32 | 5, 2 << 32 | 2, 1 << 32 | 3, 4])
def test_a_gap_ends_the_link(zxid: int) -> None:
    peer = FakePeer(OLD)
    log = LearnerLog(peer)
    log.base = 0
    with pytest.raises(ProtocolViolation, match="proposed behind"):
        log.append(zxid, b"")
    assert peer.log.appended == OLD[-1][0]


def test_a_new_epoch_begins_with_its_first() -> None:
    peer = FakePeer(OLD)
    received(peer).append(2 << 32 | 1, b"")
    assert peer.log.appended == 2 << 32 | 1


def test_what_the_base_holds_is_repeated_without_effect() -> None:
    peer = FakePeer(OLD)
    log = received(peer)
    log.append(*OLD[-1])
    log.commit(OLD[-1][0])
    log.serve()
    assert peer.replica.state == OLD
    assert peer.log.is_idle


@pytest.mark.parametrize("zxid", [NEW[1][0], NEW[2][0]])
def test_a_commit_that_skips_ends_the_link(zxid: int) -> None:
    peer = FakePeer(OLD)
    log = received(peer)
    log.serve()
    for each in NEW[:2]:
        log.append(*each)
    with pytest.raises(ProtocolViolation, match="0x100000004 is the next proposal"):
        log.commit(zxid)
    assert peer.replica.state == OLD


def test_a_commit_of_nothing_ends_the_link() -> None:
    log = received(FakePeer(OLD))
    with pytest.raises(ProtocolViolation, match="nothing is the next proposal"):
        log.commit(NEW[0][0])


def test_acks_are_for_what_is_durable_and_not_covered_by_newleader() -> None:
    peer = FakePeer(OLD)
    log = received(peer)
    log.append(*NEW[0])
    log.commit(NEW[0][0])
    log.append(*NEW[1])
    log.begin_acks()
    assert log.take_acks() == []
    peer.flush()
    log.append(*NEW[2])
    assert log.take_acks() == [NEW[1][0]]
    peer.flush()
    assert log.take_acks() == [NEW[2][0]]
    assert log.take_acks() == []


def test_what_cannot_be_applied_is_not_passed_over() -> None:
    """ZOOKEEPER-2355: a member that fails goes down with its reason, it does not skip."""
    peer = FakePeer(OLD)
    log = received(peer)
    log.append(*NEW[0])
    log.serve()
    peer.replica.last_zxid = NEW[0][0]
    with pytest.raises(AssertionError, match="after"):
        log.commit(NEW[0][0])
