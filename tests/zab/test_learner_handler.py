from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zab.leader_rig import E1, FakeLearner, FakePeer, Rig
from zoo.jute.records import Id
from zoo.zab.learner_handler import HandlerPhase
from zoo.zab.packets import Packet, PacketType, bare, with_data

FOLLOWERINFO, REQUEST = PacketType.FOLLOWERINFO, PacketType.REQUEST


def test_what_a_learner_reports_of_its_sessions() -> None:
    rig = Rig().established(2)
    data = struct.pack(">qiqi", 77, 4000, -5, 6000)
    rig.learners[2].says(Packet(PacketType.PING, E1, data), Packet(PacketType.PING, E1, None))
    assert rig.replica.calls == [("touch", 77, 4000), ("touch", -5, 6000)]


def test_a_request_is_handed_on_with_its_identities() -> None:
    rig = Rig().established(2)
    who = [Id("digest", "me:secret"), Id("ip", "::1")]
    body = struct.pack(">qii", 77, -3, 5) + b"payload"
    rig.learners[2].says(
        Packet(REQUEST, -1, body, who), Packet(REQUEST, -1, struct.pack(">qii", 1, 2, 9))
    )
    assert rig.replica.calls == [
        ("request", 2, 77, -3, 5, b"payload", who),
        ("request", 2, 1, 2, 9, b"", ()),
    ]


def test_acks_and_other_packets_in_any_pieces() -> None:
    rig = Rig().established(2)
    two = rig.learners[2]
    rig.write(b"a", b"b", b"c")
    rig.peer.flush()
    stream = b"".join(
        (
            bare(PacketType.ACK, E1 + 1),
            with_data(PacketType.PING, E1, struct.pack(">qi", 7, 1)),
            bare(PacketType.ACK, E1 + 2),
            bare(PacketType.ACK, E1 + 3),
        )
    )
    for byte in stream:
        two.says(bytes([byte]))
    assert rig.replica.commits == [E1 + 1, E1 + 2, E1 + 3]
    assert rig.replica.calls == [("touch", 7, 1)]


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(bare(PacketType.ACK, 0), id="not an introduction"),
        pytest.param(bare(FOLLOWERINFO, 0), id="no id: ZooKeeper 3.2"),
        pytest.param(with_data(FOLLOWERINFO, 0, struct.pack(">q", 2)), id="no version"),
        pytest.param(with_data(FOLLOWERINFO, 0, struct.pack(">qi", 2, 1)), id="old version"),
        pytest.param(
            with_data(FOLLOWERINFO, 0, struct.pack(">qiq", 2, 0x10000, 8)), id="later configuration"
        ),
        pytest.param(
            with_data(FOLLOWERINFO, 0, struct.pack(">qiq", 1, 0x10000, 0)), id="our own id"
        ),
        pytest.param(struct.pack(">iqii", 11, 0, 1 << 30, 0), id="too much data"),
    ],
)
def test_nobody_we_can_lead(packet: bytes) -> None:
    rig = Rig()
    learner = FakeLearner(rig.peer, 2)
    learner.says(packet)
    assert learner.is_cut
    assert not rig.leader.handlers
    assert rig.peer.log.is_idle


def test_an_introduction_without_a_configuration_version() -> None:
    rig = Rig()
    learner = FakeLearner(rig.peer, 2)
    learner.says(with_data(FOLLOWERINFO, 0, struct.pack(">qi", 2, 0x10000)))
    rig.peer.flush()
    assert learner.kinds() == ["LEADERINFO"]


@pytest.mark.parametrize(
    "packet",
    [
        bare(PacketType.ACKEPOCH, 0),
        bare(PacketType.REVALIDATE, -1),
        bare(REQUEST, -1),
        with_data(REQUEST, -1, bytes(15)),
        with_data(PacketType.PING, 0, bytes(11)),
        bare(PacketType.COMMIT, E1),
        bare(99, 0),
        bare(FOLLOWERINFO, 0),
    ],
)
def test_nonsense_of_a_learner_in_step_costs_its_link_alone(packet: bytes) -> None:
    rig = Rig().established(2, 3)
    rig.learners[2].says(packet)
    assert rig.learners[2].is_cut
    assert not rig.learners[3].is_cut
    assert ("gone", 2) in rig.replica.calls
    assert rig.peer.looked is None


def test_ackepoch_without_an_epoch() -> None:
    rig = Rig()
    two = rig.learner(2)
    rig.peer.flush()
    two.says(bare(PacketType.ACKEPOCH, 0))
    assert two.is_cut


def test_a_request_before_uptodate() -> None:
    rig = Rig().established(2)
    three = rig.learner(3)
    three.promises(0, 0)
    three.says(with_data(REQUEST, -1, bytes(16)))
    assert three.is_cut
    assert not rig.replica.calls


def test_a_ping_before_uptodate_touches_nobody() -> None:
    rig = Rig(FakePeer(voters=(1, 2, 3, 4, 5)))
    two, three = rig.learner(2), rig.learner(3)
    rig.peer.flush()
    two.promises(0, 0)
    three.promises(0, 0)
    rig.peer.flush()
    two.drains()
    two.acks(E1)
    rig.tick()
    assert two.kinds() == ["PING"]
    two.says(with_data(PacketType.PING, E1, b""))
    assert not two.is_cut
    assert not rig.replica.calls


def test_names_for_the_log() -> None:
    rig = Rig().established(2)
    FakeLearner(rig.peer, 3)
    rig.learner(9, observer=True)
    handlers = [*rig.leader.handlers]
    assert [each.name for each in handlers] == ["follower 2", "host of 3", "observer 9"]
    assert [each.phase for each in handlers] == [
        HandlerPhase.BROADCAST,
        HandlerPhase.HELLO,
        HandlerPhase.PROMISE,
    ]
    assert repr(handlers[0]) == "LearnerHandler(2, BROADCAST, host of 2)"


def test_a_broken_link_is_said_once() -> None:
    rig = Rig().established(2, 3)
    two = rig.learners[2]
    two.says(bare(99, 0))
    two.link.broken()
    two.link.broken()
    assert rig.replica.calls == [("gone", 2)]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [bare(kind, zxid) for kind in range(20) for zxid in (0, E1, E1 + 1, -1)]
            ),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_no_bytes_upset_the_leader(pieces: list[bytes], is_in_step: bool) -> None:
    rig = Rig().established(2, 3)
    rig.write(b"x")
    learner = rig.learners[2] if is_in_step else FakeLearner(rig.peer, 4)
    for piece in pieces:
        learner.says(piece)
    assert rig.peer.looked is None or "promised epoch" in rig.peer.looked
