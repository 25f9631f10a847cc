from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.runtime.servers import Process, wait_for
from zoo.errors import Code
from zoo.tools.bank import OPENING_BALANCE, Teller, account, audit, open_accounts, parse
from zoo.tools.session import Refused, Session, Uncertain


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path) as made:
        yield made


def session(server: Process) -> Session:
    return Session([("127.0.0.1", server.port)], 10_000, Random(1))


def test_money_moves_and_none_is_lost(server: Process) -> None:
    auditor = session(server)
    open_accounts(auditor, 5)
    open_accounts(auditor, 5)
    assert audit(auditor, 5) == (5 * OPENING_BALANCE, 0)
    acknowledged: list[float] = []
    tellers = [
        Teller(session(server), 5, Random(n), lambda: acknowledged.append(time.monotonic()))
        for n in range(3)
    ]
    for teller in tellers:
        teller.start()
    wait_for(lambda: all(teller.transfers > 5 for teller in tellers), "transfers")
    for teller in tellers:
        teller.stop()
    for teller in tellers:
        teller.join(20)
        assert teller.failure is None
    made = sum(teller.transfers for teller in tellers)
    assert len(acknowledged) == made
    assert audit(auditor, 5) == (5 * OPENING_BALANCE, made)


class Flaky(Session):
    """Carries a multi out and then loses the reply, or loses the request."""

    lose = ""

    def set_all(self, changes: object) -> None:
        lose, self.lose = self.lose, ""
        if lose == "request":
            raise Uncertain("lost on the way")
        super().set_all(changes)  # type: ignore[arg-type]
        if lose == "reply":
            raise Uncertain("lost on the way back")


@pytest.mark.parametrize("lose", ["request", "reply"])
def test_a_transfer_in_doubt_is_made_once(server: Process, lose: str) -> None:
    mine = Flaky([("127.0.0.1", server.port)], 10_000, Random(1))
    open_accounts(mine, 2)
    teller = Teller(mine, 2, Random(3), lambda: None)
    mine.lose = lose
    assert teller._move(0, 1)
    assert audit(mine, 2) == (2 * OPENING_BALANCE, 1)
    assert parse(mine.get(account(0))[0])[1] == 1


def test_a_change_by_somebody_else_is_not_taken_for_ours(server: Process) -> None:
    mine = session(server)
    open_accounts(mine, 2)

    class Interfering(Session):
        def set_all(self, changes: object) -> None:
            mine.set_all([(account(0), b"100 0", 0)])
            super().set_all(changes)  # type: ignore[arg-type]

    other = Interfering([("127.0.0.1", server.port)], 10_000, Random(1))
    with pytest.raises(Refused) as refused:
        Teller(other, 2, Random(3), lambda: None)._move(0, 1)
    assert refused.value.code == Code.BADVERSION
