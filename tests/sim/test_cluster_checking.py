"""What checkers are told: only what they listen to, and the first to commit decides."""

from __future__ import annotations

from typing import Any

from zoo.sim.cluster_checking import CheckedMember, ClusterChecker, ClusterCheckers, Ensemble
from zoo.sim.operator import initial
from zoo.sim.prefixes import Prefix
from zoo.sim.schedule import Schedule


class Listener(ClusterChecker):
    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self.heard: list[Any] = []

    def decided(self, member: CheckedMember, prefix: Prefix) -> None:
        self.heard.append((member, prefix.zxid))


def test_a_checker_hears_what_it_overrides() -> None:
    checkers = ClusterCheckers(Ensemble(Schedule(), initial([1], [])), [Listener])
    assert checkers.hears("decided")
    assert not checkers.hears("sent")
    checkers.tell("sent", "end", "packet")
    checkers.tell("inspect")


def test_each_transaction_is_decided_once() -> None:
    ensemble = Ensemble(Schedule(), initial([1], []))
    checkers = ClusterCheckers(ensemble, [Listener])
    one = ensemble.prefixes.after(ensemble.prefixes.root, 1, b"a")
    two = ensemble.prefixes.after(one, 2, b"b")
    member: Any = "s1"
    checkers.agree(member, two)
    checkers.agree(member, one)
    checkers.agree(member, two)
    (listener,) = checkers.all
    assert isinstance(listener, Listener)
    assert listener.heard == [("s1", 1), ("s1", 2)]
    assert ensemble.agreed is two
