"""How a leader brings late learners up to date."""

from __future__ import annotations

import pytest

from tests.zab.leader_rig import CONFIG, E1, E2, SNAPSHOT, FakePeer, Rig, entries
from zoo.zab.context import Epochs
from zoo.zab.packets import Packet, PacketType
from zoo.zab.sync_plan import NO_HISTORY

NEWLEADER = PacketType.NEWLEADER


@pytest.mark.parametrize(
    ("theirs", "kinds"),
    [
        (E1 + 5, ["DIFF"]),
        (E1 + 4, ["DIFF", "PROPOSAL", "COMMIT"]),
        (E1 + 3, ["DIFF", "PROPOSAL", "COMMIT", "PROPOSAL", "COMMIT"]),
        (E1 + 9, ["TRUNC"]),
        (E1 + 1, ["SNAP"]),
        (0, ["SNAP"]),
        (NO_HISTORY, ["SNAP"]),
    ],
)
def test_each_way_to_synchronise_a_late_follower(theirs: int, kinds: list[str]) -> None:
    rig = Rig(FakePeer(committed=entries(1, 4, 5), floor=E1 + 3)).established(2)
    three = rig.learner(3)
    three.promises(1, theirs)
    assert three.kinds() == ["LEADERINFO", *kinds, "NEWLEADER"]
    assert three.raw == (SNAPSHOT if "SNAP" in kinds else b"")
    three.acks(E2)
    assert three.kinds() == ["UPTODATE"]


def test_no_snapshot_for_who_may_have_more_before_the_leader_is_established() -> None:
    """What the leader knows to be committed is less than what a quorum may have committed."""
    history = entries(1, 1, 2, 3)
    peer = FakePeer(committed=history[:1], tail=history[1:], epochs=Epochs(1, 1))
    rig = Rig(peer)
    two, three = rig.learner(2), rig.learner(3)
    rig.peer.flush()
    two.promises(1, E1)
    rig.peer.flush()
    three.promises(-1, NO_HISTORY)
    assert three.kinds() == ["LEADERINFO"]
    two.drains()
    two.acks(E2)
    assert rig.leader.is_established
    assert three.kinds() == ["SNAP", "NEWLEADER"]


def test_a_deposed_leader_is_cut_back_and_gets_what_came_since() -> None:
    history = entries(1, 1, 2) + entries(3, 1, 2)
    rig = Rig(FakePeer(committed=history, epochs=Epochs(3, 3))).established(2)
    three = rig.learner(3)
    three.promises(1, E1 + 7)
    assert three.hears()[1:4] == [
        Packet(PacketType.TRUNC, E1 + 2),
        Packet(PacketType.PROPOSAL, (3 << 32) + 1, b"3:1"),
        Packet(PacketType.COMMIT, (3 << 32) + 1),
    ]


def test_a_deposed_java_leader_gets_a_snapshot_that_supersedes_what_it_may_keep() -> None:
    history = entries(1, 1, 2) + entries(3, 1, 2)
    rig = Rig(FakePeer(committed=history, epochs=Epochs(3, 3))).established(2)
    for theirs, kind in ((E1 + 7, "SNAP"), ((3 << 32) + 7, "TRUNC"), (E1 + 2, "DIFF")):
        three = rig.learner(3, is_java=True)
        three.promises(1, theirs)
        assert three.kinds()[1] == kind


def test_what_is_not_committed_comes_behind_new_leader_and_only_to_followers() -> None:
    rig = Rig().established(2)
    rig.write(b"one", b"two")
    rig.peer.flush()
    rig.learners[2].acks(E1 + 1)
    for sid, observer in ((3, False), (9, True)):
        late = rig.learner(sid, observer=observer)
        late.promises(0, 0)
        heard = late.hears()[1:]
        assert heard[:4] == [
            Packet(PacketType.DIFF, E1 + 1),
            Packet(PacketType.PROPOSAL, E1 + 1, b"one"),
            Packet(PacketType.COMMIT, E1 + 1),
            Packet(NEWLEADER, E1, CONFIG),
        ]
        tail = [] if observer else [Packet(PacketType.PROPOSAL, E1 + 2, b"two")]
        assert heard[4:] == tail


def test_a_snapshot_before_the_leader_is_established_and_its_tail_behind() -> None:
    history = {"committed": entries(1, 5), "tail": entries(1, 6), "floor": E1 + 4}
    rig = Rig(FakePeer(**history, epochs=Epochs(1, 1)))  # type: ignore[arg-type]
    two = rig.learner(2)
    rig.peer.flush()
    two.promises(1, E1 + 1)
    rig.peer.flush()
    assert two.hears()[1:] == [
        Packet(PacketType.SNAP, E1 + 5),
        Packet(PacketType.PROPOSAL, E1 + 6, b"1:6"),
        Packet(PacketType.COMMIT, E1 + 6),
        Packet(NEWLEADER, E2, CONFIG),
    ]
    two.acks(E2)
    assert rig.replica.delivered == entries(1, 6)


def test_a_long_diff_is_made_as_the_link_takes_it() -> None:
    log = [(E1 + n, bytes(2_000)) for n in range(1, 3001)]
    rig = Rig(FakePeer(committed=log)).established(2)
    three = rig.learner(3)
    three.promises(1, E1)
    assert three.link.out_size < 5 << 20
    heard = three.hears()
    assert [packet.zxid for packet in heard if packet.type == PacketType.COMMIT] == [
        zxid for zxid, _ in log
    ]
    assert heard[-1].type == NEWLEADER


def test_what_is_proposed_meanwhile_comes_once_and_in_order() -> None:
    rig = Rig().established(2)
    rig.write(b"one")
    three = rig.learner(3)
    three.promises(0, 0)
    rig.write(b"two")
    rig.peer.flush()
    rig.learners[2].acks(E1 + 1, E1 + 2)
    kinds = ["LEADERINFO", "DIFF", "NEWLEADER", "PROPOSAL", "PROPOSAL", "COMMIT", "COMMIT"]
    assert three.kinds() == kinds
    three.acks(E1, E1 + 1, E1 + 2)
    assert three.kinds() == ["UPTODATE"]


# --- snapshots


def big_rig(**kind: int) -> Rig:
    peer = FakePeer(committed=entries(1, 5), floor=E1 + 4, **kind)  # type: ignore[arg-type]
    peer.replica.pieces = [b"%03d" % n + bytes(99_997) for n in range(50)]
    return Rig(peer).established(2)


def test_a_snapshot_is_made_as_the_link_takes_it_and_the_rest_waits_behind() -> None:
    rig = big_rig()
    three = rig.learner(3)
    three.drains()
    three.promises(0, 1)
    assert three.link.out_size < 400_000
    zxid = rig.write(b"meanwhile")
    rig.peer.flush()
    rig.learners[2].acks(zxid)
    rig.tick()
    heard = three.hears()
    assert [PacketType(packet.type).name for packet in heard] == [
        "SNAP",
        "NEWLEADER",
        "PROPOSAL",
        "COMMIT",
        "PING",
    ]
    assert heard[0].zxid == E1 + 5
    assert three.raw == b"".join(rig.replica.pieces)
    assert rig.replica.closed_snapshots == 1
    three.acks(E2, zxid)
    assert three.kinds() == ["UPTODATE"]


def test_a_snapshot_ends_with_its_link() -> None:
    rig = big_rig()
    three = rig.learner(3)
    three.promises(0, 1)
    three.link.broken()
    assert rig.replica.closed_snapshots == 1
    assert ("gone", 3) not in rig.replica.calls, "it never was with us"
    rig.write(b"x")


def test_who_must_wait_for_a_snapshot_gets_it_in_turn() -> None:
    rig = big_rig()
    rig.replica.free_snapshots = 1
    three, four = rig.learner(3), rig.learner(4)
    three.promises(0, 1)
    four.promises(0, 1)
    assert four.kinds() == ["LEADERINFO"]
    zxid = rig.write(b"x")
    rig.peer.flush()
    rig.learners[2].acks(zxid)
    three.drains()
    kinds = four.kinds()
    assert kinds == ["SNAP", "NEWLEADER"], "one that has everything by then"
    assert four.raw == b"".join(rig.replica.pieces)


def test_ten_snapshots_at_a_time() -> None:
    rig = big_rig()
    learners = [rig.learner(sid, observer=True) for sid in range(10, 22)]
    for learner in learners:
        learner.promises(0, 1)
    assert [learner.link.out_size > 100_000 for learner in learners] == [True] * 10 + [False] * 2
    learners[10].link.broken()
    learners[0].link.broken()
    assert learners[11].link.out_size > 100_000
