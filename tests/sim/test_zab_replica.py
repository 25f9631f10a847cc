"""The opaque service: states are histories, snapshots name them, orders are kept."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from zoo.jute.operations import Op
from zoo.sim.operator import initial, listed, request_of
from zoo.sim.prefixes import Prefixes
from zoo.sim.zab_replica import ZabReplica
from zoo.zab.configurations import carries_configuration, configuration_in


class Notes:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))


class Leader(Notes):
    proposed = 0

    def next_zxid(self) -> int:
        self.proposed += 1
        return self.proposed


def replica(prefixes: Prefixes | None = None) -> tuple[ZabReplica, Notes]:
    prefixes, notes = prefixes or Prefixes(), Notes()
    return ZabReplica(prefixes, prefixes.root, Random(1), notes), notes


def test_a_leader_applies_what_it_proposed_when_it_is_committed() -> None:
    one, notes = replica()
    leader = Leader()
    one.start_leading(leader)  # type: ignore[arg-type]
    for cxid in (1, 2, 3):
        one.write(7, cxid, b"x")
    assert [call[:2] for call in leader.calls] == [("propose", z) for z in (1, 2, 3)]
    one.commit_to(2)
    assert one.last_zxid == 2
    assert [call for call in notes.calls if call[0] == "committed_own"] == [
        ("committed_own", 7, 1),
        ("committed_own", 7, 2),
    ]
    one.stop_serving()
    assert not one.is_serving
    with pytest.raises(AssertionError, match="a role ends"):
        one.stop_serving()


def test_a_learner_forwards_and_a_leader_proposes_it() -> None:
    learner, _ = replica()
    link = Notes()
    learner.start_learning(link)  # type: ignore[arg-type]
    learner.write(7, 1, b"x")
    learner.ask_sync(7, 2)
    assert [call[:4] for call in link.calls] == [
        ("forward", 7, 1, Op.setData),
        ("forward", 7, 2, Op.sync),
    ]
    other, _ = replica()
    leader = Leader()
    other.start_leading(leader)  # type: ignore[arg-type]
    other.request("s2", 7, 1, Op.setData, b"x", ())
    other.request("s2", 7, 2, Op.sync, b"", ())
    assert [call[0] for call in leader.calls] == ["propose", "sync"]
    learner.hear(7, 1000)
    assert learner.touched() == [(7, 1000)]
    assert learner.touched() == []


def test_a_snapshot_brings_the_state_over_however_it_is_cut() -> None:
    prefixes = Prefixes()
    one, _ = replica(prefixes)
    leader = Leader()
    one.start_leading(leader)  # type: ignore[arg-type]
    one.write(7, 1, b"x")
    one.commit_to(1)
    stream = next(s for s in (one.snapshot() for _ in range(100)) if s is not None)
    data = b"".join(stream.pieces) + b"behind"
    two, _ = replica(prefixes)
    target = two.begin_install(stream.zxid)
    taken, rest = b"", None
    for i in range(len(data)):
        piece, rest = target.feed(data[i : i + 1])
        taken += piece
        if rest is not None:
            rest += data[i + 1 :]
            break
    assert two.state is prefixes.root
    target.finish()
    assert two.state is one.state
    assert rest == b"behind"
    assert taken + rest == data


def test_a_transaction_under_another_number_is_seen() -> None:
    one, _ = replica()
    leader = Leader()
    one.start_leading(leader)  # type: ignore[arg-type]
    one.write(7, 1, b"x")
    entry = leader.calls[0][2]
    with pytest.raises(AssertionError, match="delivered as"):
        one.deliver(5, entry)


def test_a_change_is_proposed_or_refused_as_production_does() -> None:
    one, _ = replica()
    leader = Leader()
    holds = initial([1, 2, 3], [])
    vars(leader).update(configuration=holds, is_changing=False, has_in_step=lambda quorum: True)
    one.start_leading(leader)  # type: ignore[arg-type]
    one.reconfigure(7, 1, request_of([listed(4)], [3], -1))
    one.reconfigure(7, 2, request_of([], [3], 99))
    (change, refusal) = leader.calls
    name, zxid, entry, new = change
    assert (name, zxid, new.version) == ("propose_configuration", 1, 1)
    assert configuration_in(entry).text == new.text
    assert new.quorum.voters == (1, 2, 4)
    assert refusal[:2] == ("propose", 2)
    assert not carries_configuration(refusal[2])
    one.commit_to(2)
    learner, _ = replica()
    link = Notes()
    learner.start_learning(link)  # type: ignore[arg-type]
    learner.reconfigure(7, 1, request_of([], [3], -1))
    ((_, session_id, cxid, op, payload, _),) = link.calls
    assert (session_id, cxid, op) == (7, 1, Op.reconfig)
    one.request(None, session_id, cxid, op, payload, ())
    assert leader.calls[-1][0] == "propose_configuration"


def test_what_is_asked_while_leadership_is_handed_over_keeps_its_order() -> None:
    one, _ = replica()
    leader = Leader()
    holds = initial([1, 2, 3], [])
    vars(leader).update(configuration=holds, is_changing=False, has_in_step=lambda quorum: True)
    one.start_leading(leader)  # type: ignore[arg-type]
    one.hold()
    one.write(7, 1, b"x")
    one.reconfigure(7, 2, request_of([listed(4)], [3], -1))
    one.write(7, 3, b"x")
    assert leader.calls == []
    one.release("the target has left")
    assert [name for name, *_ in leader.calls] == ["propose", "propose_configuration", "propose"]
