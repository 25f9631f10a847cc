"""What the demonstration's clients do: they move money between accounts, under locks.

An account is a znode with its balance and the number of transfers it took part in. A transfer locks
both accounts with ephemeral znodes, in the order of their numbers, reads both, and writes both in
one multi that checks the versions read. When the link breaks while that multi is under way, the
versions tell afterwards whether it was carried out; nobody else can have changed them as long as
the session, and so the locks, live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TypeVar

from zoo.errors import Code
from zoo.tools.session import Refused, Session, SessionExpired, Uncertain

OPENING_BALANCE = 100
_LOCK_PAUSE_SECONDS = 0.002
_EPHEMERAL = 1
T = TypeVar("T")


def account(number: int) -> str:
    return f"/bank/account-{number:02d}"


def lock(number: int) -> str:
    return f"/bank/lock-{number:02d}"


def parse(data: bytes) -> tuple[int, int]:
    """Balance and number of transfers."""
    balance, transfers = data.split()
    return int(balance), int(transfers)


def open_accounts(session: Session, count: int) -> None:
    """Make what is not there yet."""
    _until_done(partial(_make, session, "/bank", b""))
    for number in range(count):
        _until_done(partial(_make, session, account(number), b"%d 0" % OPENING_BALANCE))


def audit(session: Session, count: int) -> tuple[int, int]:
    """The sum of all balances, and the number of transfers, as of one moment."""
    found = _until_done(lambda: session.get_all([account(n) for n in range(count)]))
    parsed = [parse(data) for data in found]
    return sum(balance for balance, _ in parsed), sum(number for _, number in parsed) // 2


class Teller(threading.Thread):
    """Makes transfers until it is told to stop. `done` is called after each that is certain."""

    def __init__(
        self, session: Session, accounts: int, rng: Random, done: Callable[[], None]
    ) -> None:
        super().__init__(name="teller", daemon=True)
        self._session = session
        self._accounts = accounts
        self._rng = rng
        self._done = done
        self._stopping = threading.Event()
        self._mine = b"%x" % rng.getrandbits(64)
        self.transfers = 0
        self.expired = 0
        self.in_doubt = 0
        """Transfers of which a lost session hides whether they were carried out."""
        self.failure: BaseException | None = None

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._transfer()
            self._session.close()
        except BaseException as failure:
            self.failure = failure

    def _transfer(self) -> None:
        pair = sorted(self._rng.sample(range(self._accounts), 2))
        held: list[int] = []
        try:
            for number in pair:
                if not self._lock(number):
                    return
                held.append(number)
            if self._move(*pair):
                self.transfers += 1
                self._done()
        except SessionExpired:
            self.expired += 1
            held.clear()  # they went with the session
        finally:
            for number in held:
                self._unlock(number)

    def _lock(self, number: int) -> bool:
        while not self._stopping.is_set():
            try:
                _until_done(partial(self._take, lock(number)))
            except Refused as refusal:
                if refusal.code != Code.NODEEXISTS:
                    raise
                time.sleep(_LOCK_PAUSE_SECONDS)
            else:
                return True
        return False

    def _take(self, path: str) -> None:
        """Create a lock; one that an attempt in doubt has created is ours already."""
        try:
            self._session.create(path, self._mine, _EPHEMERAL)
        except Refused as refusal:
            if refusal.code != Code.NODEEXISTS or not self._is_mine(path):
                raise

    def _is_mine(self, path: str) -> bool:
        try:
            return self._session.get(path)[0] == self._mine
        except Refused:  # gone meanwhile
            return False

    def _unlock(self, number: int) -> None:
        try:
            _until_done(lambda: self._session.delete(lock(number)))
        except Refused as refusal:
            if refusal.code != Code.NONODE:  # deleted by the attempt that was uncertain
                raise
        except SessionExpired:
            self.expired += 1

    def _move(self, source: int, target: int) -> bool:
        if self._rng.random() < 0.5:
            source, target = target, source
        paths = account(source), account(target)
        read = [_until_done(partial(self._session.get, path)) for path in paths]
        (from_balance, from_count), (to_balance, to_count) = (parse(data) for data, _ in read)
        amount = self._rng.randint(0, from_balance)
        changes = [
            (paths[0], b"%d %d" % (from_balance - amount, from_count + 1), read[0][1]),
            (paths[1], b"%d %d" % (to_balance + amount, to_count + 1), read[1][1]),
        ]
        tried = False
        try:
            while True:
                try:
                    self._session.set_all(changes)
                    return True
                except Refused as refusal:
                    if refusal.code == Code.BADVERSION and tried:
                        return True  # the attempt in doubt was carried out
                    raise
                except Uncertain:
                    tried = True
        except SessionExpired:
            self.in_doubt += tried
            raise


def _make(session: Session, path: str, data: bytes) -> None:
    try:
        session.create(path, data)
    except Refused as refusal:
        if refusal.code != Code.NODEEXISTS:
            raise


def _until_done(action: Callable[[], T]) -> T:
    """Again and again while the link breaks."""
    while True:
        try:
            return action()
        except Uncertain:
            continue
