"""What the demonstration's clients do: they move money between accounts, under locks.

An account is a znode with its balance and the number of transfers it took part in. A transfer locks
both accounts, reads both, and writes both in one transaction that checks the locks and the versions
read. When the connection breaks while it is under way, nobody knows whether it was carried out; so
it is sent again, as it was: if then the versions are others and the locks still ours, it was, for
nobody else can have changed them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from random import Random

from zoo.client.blocking import Client
from zoo.client.errors import (
    ClientError,
    NodeExistsError,
    OperationTimeoutError,
    Outcome,
    SessionExpiredError,
)
from zoo.client.results import Node
from zoo.client.transaction import Get
from zoo.errors import Code
from zoo.recipes.blocking import MultiLock

OPENING_BALANCE = 100
_LOCK_SECONDS = 1.0
"""So long a teller waits for the accounts of a transfer; then it takes others."""
_LOST = (Code.NONODE, Code.SESSIONEXPIRED)
"""What a transaction under a lock fails with when the lock is gone."""


def account(number: int) -> str:
    return f"/bank/account-{number:02d}"


def lock(number: int) -> str:
    return f"/bank/lock-{number:02d}"


def parse(data: bytes) -> tuple[int, int]:
    """Balance and number of transfers."""
    balance, transfers = data.split()
    return int(balance), int(transfers)


def open_accounts(client: Client[bytes], count: int) -> None:
    """Make what is not there yet."""
    client.ensure_path("/bank")
    for number in range(count):
        with contextlib.suppress(NodeExistsError):
            client.retrying(partial(client.create, account(number), b"%d 0" % OPENING_BALANCE))


def audit(client: Client[bytes], count: int) -> tuple[int, int]:
    """The sum of all balances, and the number of transfers, as of one moment."""
    found = client.multi_read(Get(account(number)) for number in range(count))
    parsed = [parse(node.data) for node in found if isinstance(node, Node)]
    assert len(parsed) == count, f"accounts are missing: {found}"
    return sum(balance for balance, _ in parsed), sum(number for _, number in parsed) // 2


class LocksLostError(Exception):
    """They went with the session, in the middle of a transfer."""

    def __init__(self, is_in_doubt: bool) -> None:
        super().__init__("the locks were lost")
        self.is_in_doubt = is_in_doubt
        """Nobody can say any more whether it was carried out."""


class Teller(threading.Thread):
    """Makes transfers until it is told to stop. `done` is called after each that is certain."""

    def __init__(
        self, client: Client[bytes], accounts: int, rng: Random, done: Callable[[], None]
    ) -> None:
        super().__init__(name="teller", daemon=True)
        self._client = client
        self._accounts = accounts
        self._rng = rng
        self._done = done
        self._stopping = threading.Event()
        self.transfers = 0
        self.expired = 0
        self.in_doubt = 0
        self.failure: BaseException | None = None

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._transfer(*self._rng.sample(range(self._accounts), 2))
        except BaseException as failure:
            self.failure = failure

    def _transfer(self, source: int, target: int) -> None:
        locks = MultiLock(self._client, [lock(source), lock(target)])
        try:
            locks.acquire(timeout=_LOCK_SECONDS)
        except SessionExpiredError:
            self.expired += 1
            return
        except OperationTimeoutError:
            return
        try:
            self._move(locks, account(source), account(target))
            self.transfers += 1
            self._done()
        except LocksLostError as lost:
            self.expired += 1
            self.in_doubt += lost.is_in_doubt
        finally:
            locks.release()

    def _move(self, locks: MultiLock, source: str, target: str) -> None:
        """Raises LocksLostError."""
        giver, taker = self._client.get(source), self._client.get(target)
        (from_balance, from_count), (to_balance, to_count) = parse(giver.data), parse(taker.data)
        amount = self._rng.randint(0, from_balance)
        is_in_doubt = False
        while True:
            try:
                with locks.guarded() as both:
                    given = b"%d %d" % (from_balance - amount, from_count + 1)
                    both.set(source, given, version=giver.stat.version)
                    taken = b"%d %d" % (to_balance + amount, to_count + 1)
                    both.set(target, taken, version=taker.stat.version)
                return
            except ClientError as error:
                if error.code == Code.BADVERSION and is_in_doubt:
                    return  # the attempt that was in doubt had been carried out
                is_in_doubt = is_in_doubt or error.outcome is Outcome.UNKNOWN
                if error.code in _LOST:
                    raise LocksLostError(is_in_doubt) from error
                if error.outcome is Outcome.REFUSED:
                    raise
