"""DIFF, TRUNC and SNAP: what each does to log, history and replica, and where it may break."""

from __future__ import annotations

import pytest

from tests.zab.learner_rig import FakePeer, Rig, commits, encode_state, entries, proposals
from zoo.zab.learner import Phase
from zoo.zab.learner_sync import INSTALL_RUN
from zoo.zab.packets import SNAPSHOT_END, Packet, PacketType, encode_packet
from zoo.zab.sync_plan import NO_HISTORY

OLD = entries(1, 1, 2, 3)
MORE = entries(1, 4, 5)
ELSEWHERE = entries(2, 1, 2)


def rig(log: list[tuple[int, bytes]] = OLD) -> Rig:
    rig = Rig(FakePeer(log))
    assert rig.discover().zxid == log[-1][0]
    return rig


def test_diff_brings_what_is_missing() -> None:
    r = rig()
    r.says(Packet(PacketType.DIFF, MORE[-1][0]), *proposals(MORE), *commits(MORE))
    assert r.replica.state == OLD
    r.establish()
    assert r.replica.state == OLD + MORE
    assert r.replica.role is r.role


def test_diff_to_less_than_the_log_has_is_refused() -> None:
    r = rig()
    r.says(Packet(PacketType.DIFF, OLD[1][0]))
    assert "leaves 0x100000003" in (r.peer.looked or "")


def test_an_epochs_beginning_is_no_transaction() -> None:
    """A Java leader that sends a snapshot as its first act numbers it epoch<<32."""
    r = Rig()
    r.discover(4)
    state = encode_state(OLD)
    r.says(Packet(PacketType.SNAP, 4 << 32), state, SNAPSHOT_END)
    r.establish(4)
    assert r.peer.log.appended == 4 << 32
    again = Rig(r.peer)
    r.replica.role = None
    assert again.discover(5).zxid == 4 << 32
    again.says(Packet(PacketType.DIFF, OLD[-1][0]))
    again.establish(5)
    assert again.replica.state == OLD


def test_trunc_cuts_the_tail_off() -> None:
    peer = FakePeer(OLD)
    for zxid, entry in MORE:
        peer.log.append(zxid, entry)
        peer.history.append(zxid, entry)
    peer.flush()
    r = Rig(peer)
    assert r.discover(2).zxid == MORE[-1][0]
    r.says(Packet(PacketType.TRUNC, OLD[-1][0]), *proposals(ELSEWHERE), *commits(ELSEWHERE))
    r.establish(2)
    assert r.replica.state == OLD + ELSEWHERE
    assert [ready.truncate for ready in peer.disk if ready.truncate is not None] == [OLD[-1][0]]
    assert list(peer.history.after(OLD[1][0])) == [OLD[2], *ELSEWHERE]


def test_trunc_of_what_is_applied_reloads() -> None:
    """After a restart the tree holds the whole log; the driver rebuilds it within the Ready."""
    r = rig(OLD + MORE)
    r.says(Packet(PacketType.TRUNC, OLD[-1][0]), *proposals(ELSEWHERE), *commits(ELSEWHERE))
    r.establish()
    assert r.replica.state == OLD + ELSEWHERE


@pytest.mark.parametrize("zxid", [-1, MORE[0][0]])
def test_trunc_to_nowhere_is_refused(zxid: int) -> None:
    r = rig()
    r.says(Packet(PacketType.TRUNC, zxid))
    assert "TRUNC to" in (r.peer.looked or "")
    assert r.peer.log.is_idle


def test_trunc_to_a_transaction_that_the_log_lacks_goes_back_further_and_asks_again() -> None:
    """Ours: 1:3, 2:1; the leader's: 1:3, 1:4, 1:5. TRUNC to 1:5 must not make 1:3 pass for 1:5."""
    r = rig(OLD + ELSEWHERE[:1])
    link = r.link
    r.says(Packet(PacketType.TRUNC, MORE[-1][0]), *proposals(entries(3, 1)))
    assert link.closing
    assert r.peer.wanted_leader is None, "asked before the disk has done it"
    r.peer.flush()
    assert r.replica.state == OLD
    ack = r.discover()
    assert (ack.zxid, ack.data) == (OLD[-1][0], b"\xff" * 4)
    r.says(Packet(PacketType.DIFF, MORE[-1][0]), *proposals(MORE), *commits(MORE))
    r.establish()
    assert r.replica.state == OLD + MORE
    assert r.peer.looked is None


@pytest.mark.parametrize("cause", ["disk", "window"])
def test_a_disk_that_cannot_go_back_asks_for_a_snapshot(cause: str) -> None:
    peer = FakePeer(OLD + MORE)
    if cause == "disk":
        peer.truncatable = False
    else:
        peer.history.reset(MORE[-1][0])
    r = Rig(peer)
    r.discover()
    r.says(Packet(PacketType.TRUNC, OLD[-1][0]))
    assert peer.log.is_idle, "nothing is cut off"
    assert r.discover().zxid == NO_HISTORY
    r.says(Packet(PacketType.SNAP, ELSEWHERE[-1][0]), encode_state(ELSEWHERE), SNAPSHOT_END)
    r.establish()
    assert r.replica.state == ELSEWHERE


def asking_for_a_snapshot() -> Rig:
    r = Rig(FakePeer(OLD))
    r.peer.truncatable = False
    r.discover()
    r.says(Packet(PacketType.TRUNC, OLD[0][0]))
    return r


def test_no_history_is_answered_with_a_snapshot_only() -> None:
    r = asking_for_a_snapshot()
    r.discover()
    r.says(Packet(PacketType.DIFF, MORE[-1][0]))
    assert "no history" in (r.peer.looked or "")


def test_a_promise_that_counts_hides_no_history() -> None:
    """The leader of another epoch has to know how far the log goes before it may lead."""
    r = asking_for_a_snapshot()
    assert r.discover(6).zxid == OLD[-1][0]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_snapshot_comes_in_pieces(size: int) -> None:
    r = rig()
    state = entries(3, *range(1, 40))
    data = encode_packet(Packet(PacketType.SNAP, state[-1][0]))
    data += encode_state(state) + SNAPSHOT_END
    data += b"".join(map(encode_packet, proposals(entries(3, 40))))
    for start in range(0, len(data), size):
        assert r.replica.state in (OLD, state)
        r.says(data[start : start + size])
    assert r.replica.state == state
    assert r.peer.log.appended == 3 << 32 | 40
    r.establish()
    assert r.replica.state == state, "40 is not committed"
    assert r.peer.history.committed == state[-1][0]
    installs = [ready.install for ready in r.peer.disk if ready.install is not None]
    assert b"".join(piece for each in installs for piece in each.pieces) == encode_state(state)
    assert [each.is_first for each in installs] == [True]
    assert [each.is_last for each in installs] == [True]


def test_a_long_snapshot_goes_to_the_disk_while_it_comes() -> None:
    r = rig()
    state = [(zxid, b"x" * 100_000) for zxid, _ in entries(3, *range(1, 30))]
    data = encode_state(state)
    r.says(Packet(PacketType.SNAP, state[-1][0]))
    for start in range(0, len(data), 1 << 16):
        r.says(data[start : start + (1 << 16)])
    r.says(SNAPSHOT_END)
    r.peer.flush()
    installs = [ready.install for ready in r.peer.disk if ready.install is not None]
    assert len(installs) == len(data) // INSTALL_RUN + 1
    assert [each.is_last for each in installs] == [False] * (len(installs) - 1) + [True]
    assert b"".join(piece for each in installs for piece in each.pieces) == data


def test_a_snapshot_without_its_signature_counts_for_nothing() -> None:
    r = rig()
    r.says(Packet(PacketType.SNAP, MORE[-1][0]), encode_state(OLD + MORE), b"\0\0\0\x0aBenIsHere!")
    assert "signature" in (r.peer.looked or "")
    assert r.replica.state == OLD
    assert r.peer.log.appended == OLD[-1][0]


def test_what_a_leader_repeats_of_its_snapshot_is_skipped() -> None:
    """A Java leader queues what it commits until it reads the zxid of the snapshot."""
    r = rig()
    state = OLD + MORE
    r.says(Packet(PacketType.SNAP, MORE[-1][0]), encode_state(state), SNAPSHOT_END)
    r.says(*proposals(MORE), *commits(MORE), *proposals(ELSEWHERE), *commits(ELSEWHERE))
    r.establish()
    assert r.replica.state == state + ELSEWHERE


@pytest.mark.parametrize("count", range(8))
def test_a_link_may_break_behind_any_packet(count: int) -> None:
    """What has come stays and is true; the next try goes on from there (ZOOKEEPER-5094)."""
    r = rig(OLD + ELSEWHERE[:1])
    new = entries(3, 1, 2)
    packets = [
        Packet(PacketType.TRUNC, OLD[-1][0]),
        *proposals(MORE),
        *commits(MORE),
        *proposals(new),
    ]
    r.says(*packets[:count])
    r.link.broken()
    assert r.peer.looked is not None
    assert r.role.phase is Phase.STOPPED
    r.peer.flush()
    r.peer.looked = None
    again = Rig(r.peer)
    had = again.discover(6).zxid
    whole = OLD + MORE + new
    if count == 0:
        assert had == ELSEWHERE[0][0]
        again.says(*packets)
    else:
        rest = [each for each in whole if each[0] > had]
        again.says(Packet(PacketType.DIFF, whole[-1][0]), *proposals(rest), *commits(rest))
    again.establish(6)
    if count == 0:
        assert again.replica.state == OLD + MORE
    else:
        assert again.replica.state == whole
