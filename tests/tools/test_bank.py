from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

import pytest

import zoo
from tests.runtime.servers import wait_for
from zoo.client.blocking_parts import BlockingTransaction
from zoo.client.errors import ConnectionLossError, Outcome, TransactionFailedError
from zoo.errors import Code
from zoo.recipes.blocking import MultiLock
from zoo.testing import ThreadServer
from zoo.tools.bank import (
    OPENING_BALANCE,
    LocksLostError,
    Teller,
    account,
    audit,
    lock,
    open_accounts,
    parse,
)

Client = zoo.Client[bytes]


@pytest.fixture
def server() -> Iterator[ThreadServer]:
    with ThreadServer() as made:
        yield made


@pytest.fixture
def client(server: ThreadServer) -> Iterator[Client]:
    with zoo.Client(server.hosts) as made:
        yield made


def test_money_moves_and_none_is_lost(server: ThreadServer, client: Client) -> None:
    open_accounts(client, 5)
    open_accounts(client, 5)
    assert audit(client, 5) == (5 * OPENING_BALANCE, 0)
    acknowledged: list[float] = []
    clients = [zoo.Client(server.hosts) for _ in range(3)]
    for each in clients:
        each.start()
    tellers = [
        Teller(each, 5, Random(n), lambda: acknowledged.append(time.monotonic()))
        for n, each in enumerate(clients)
    ]
    for teller in tellers:
        teller.start()
    wait_for(lambda: all(teller.transfers > 5 for teller in tellers), "transfers")
    for teller in tellers:
        teller.stop()
    for teller, each in zip(tellers, clients, strict=True):
        teller.join(20)
        assert teller.failure is None
        each.close()
    made = sum(teller.transfers for teller in tellers)
    assert len(acknowledged) == made
    assert audit(client, 5) == (5 * OPENING_BALANCE, made)


@pytest.fixture
def teller(client: Client) -> Teller:
    """Two accounts are open, and locked by it."""
    open_accounts(client, 2)
    return Teller(client, 2, Random(3), lambda: None)


@pytest.fixture
def locks(client: Client) -> Iterator[MultiLock]:
    with (both := MultiLock(client, [lock(0), lock(1)])):
        yield both


def lose(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The next transaction is lost on its way, or its answer is."""
    commit = BlockingTransaction.commit

    def losing(self: BlockingTransaction[bytes], **more: float) -> None:
        monkeypatch.undo()
        if what == "answer":
            commit(self, **more)
        self._is_done = True
        raise ConnectionLossError(outcome=Outcome.UNKNOWN)

    monkeypatch.setattr(BlockingTransaction, "commit", losing)


@pytest.mark.parametrize("what", ["request", "answer"])
def test_a_transfer_in_doubt_is_made_once(
    client: Client, teller: Teller, locks: MultiLock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    lose(monkeypatch, what)
    teller._move(locks, account(0), account(1))
    assert audit(client, 2) == (2 * OPENING_BALANCE, 1)
    assert parse(client.get(account(0)).data)[1] == 1


def test_a_change_by_somebody_else_is_not_taken_for_ours(
    client: Client, teller: Teller, locks: MultiLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = locks.guarded

    def somebody_else_is_quicker() -> BlockingTransaction[bytes]:
        client.set(account(0), b"100 0")
        return guarded()

    monkeypatch.setattr(locks, "guarded", somebody_else_is_quicker)
    with pytest.raises(TransactionFailedError) as refused:
        teller._move(locks, account(0), account(1))
    assert refused.value.code == Code.BADVERSION
    assert audit(client, 2) == (2 * OPENING_BALANCE, 0)


@pytest.mark.parametrize(("what", "is_in_doubt"), [("", False), ("request", True)])
def test_a_transfer_ends_with_its_locks(
    client: Client,
    teller: Teller,
    locks: MultiLock,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    is_in_doubt: bool,
) -> None:
    (place,) = client.children(lock(1))
    client.delete(f"{lock(1)}/{place}")
    if what:
        lose(monkeypatch, what)
    with pytest.raises(LocksLostError) as lost:
        teller._move(locks, account(0), account(1))
    assert lost.value.is_in_doubt == is_in_doubt
    assert audit(client, 2) == (2 * OPENING_BALANCE, 0)
