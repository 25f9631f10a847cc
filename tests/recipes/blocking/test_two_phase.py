from __future__ import annotations

from tests.recipes.blocking.test_participant import Memory
from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_a_transaction_and_its_outcome(hosts: str) -> None:
    a, b = Memory(), Memory()
    with (
        Client(hosts) as zk,
        blocking.Participant(zk, "/t", "a", a),
        blocking.Participant(zk, "/t", "b", b),
    ):
        coordinator = blocking.Coordinator(zk, "/t", "teller")
        decision = coordinator.execute({"a": b"1", "b": b"2"}, txid="order-1")
        assert decision.committed
        assert coordinator.outcome("order-1") == decision
        assert coordinator.recover() == [decision]
        coordinator.forget("order-1")
        assert coordinator.recover() == []
