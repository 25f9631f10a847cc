"""Clients that take turns under a lock, and the checker that only one of them has it at a time.

Theory of operation. The recipe of the ZooKeeper documentation: an ephemeral sequential node below
`/lock` is a place in the queue, and who finds its own to be the lowest has the lock. The name
begins with the session's id, so that a client whose create was not answered finds out whether it
has a place. The number in the name is the fencing token: who gets the lock later has a higher one.

The checker asks of every client that believes to have the lock: at the zxid of the reply that told
it, its node was the lowest, and in the order of those zxids the tokens never fall. A store that
refuses tokens lower than one it has seen is so never written by two at a time.
"""

from __future__ import annotations

from bisect import insort
from itertools import pairwise
from random import Random

from zoo.jute import client_records as c
from zoo.jute.constants import OPEN_ACL_UNSAFE, CreateMode
from zoo.jute.operations import Op
from zoo.jute.schema import decode
from zoo.sim.checking import Checker
from zoo.sim.client import Request, SimClient, State
from zoo.sim.history import History
from zoo.sim.schedule import Schedule

ROOT = b"/lock"
_DIGITS = 10
_OPEN = list(OPEN_ACL_UNSAFE)


def token_of(name: bytes) -> int:
    """The number that a sequential node got."""
    return int(name[-_DIGITS:])


class Locks(Checker):
    """One lock holder at a time, by fencing token. Hands replies to the lockers it knows."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        super().__init__(history, schedule)
        self.lockers: dict[SimClient, Locker] = {}
        self.taken = 0
        self._turns: list[tuple[int, int, str]] = []  # (zxid, token, who), in this order

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        locker = self.lockers.get(client)
        if locker is not None:
            locker.answered(request, zxid, err, body)

    def has_lock(self, who: str, name: bytes, zxid: int) -> None:
        """A client believes since the reply at `zxid` that it has the lock with this node."""
        state = self.history.at(ROOT, zxid)
        waiting = sorted(map(token_of, state.children)) if state is not None else []
        token = token_of(name)
        if not waiting or waiting[0] != token:
            self.violated(f"{who} has the lock with {token} at 0x{zxid:x}, waiting are {waiting}")
        self.taken += 1
        turn = (zxid, token, who)
        insort(self._turns, turn)
        at = self._turns.index(turn)
        for before, after in pairwise(self._turns[max(0, at - 1) : at + 2]):
            if before[1] > after[1] or (before[1] == after[1] and before[2] != after[2]):
                self.violated(f"the lock goes from {before} to {after}")


class Locker:
    """Drives one client: queue up, have the lock for a while, go."""

    def __init__(self, client: SimClient, rng: Random, locks: Locks) -> None:
        self.client = client
        self.rng = rng
        self.stopped = False
        self._locks = locks
        self._turn = 0
        locks.lockers[client] = self
        client.on_ready = self.begin

    @property
    def _prefix(self) -> bytes:
        return b"%x-" % (self.client.session_id & (1 << 64) - 1)

    def begin(self) -> None:
        """Connected, for the first time or anew."""
        self._turn += 1
        self.client.submit(Op.create, c.CreateRequest(ROOT, b"", _OPEN, 0))
        self._look(self._turn)

    def _later(self, most_us: int) -> None:
        turn = self._turn
        self.client.schedule.after(self.rng.randint(1_000, most_us), lambda: self._look(turn))

    def _look(self, turn: int) -> None:
        """Who is waiting? The answer says what to do."""
        if turn == self._turn and not self.stopped and self.client.state is State.CONNECTED:
            self.client.submit(Op.getChildren, c.GetChildrenRequest(ROOT, False))

    def answered(self, request: Request, zxid: int, err: int, body: bytes) -> None:
        if request.op == Op.getChildren and not err:
            self._judge(decode(c.GetChildrenResponse, body).children, zxid)
        elif request.record is None or request.record.path != ROOT or request.op != Op.create:
            self._later(100_000)

    def _judge(self, names: list[bytes], zxid: int) -> None:
        mine = sorted((name for name in names if name.startswith(self._prefix)), key=token_of)
        if not mine:
            mode = CreateMode.EPHEMERAL_SEQUENTIAL
            path = ROOT + b"/" + self._prefix
            self.client.submit(Op.create, c.CreateRequest(path, b"", _OPEN, mode))
        elif mine[0] == min(names, key=token_of):
            self._locks.has_lock(self.client.name, mine[0], zxid)
            self._hold(ROOT + b"/" + mine[0])
        else:
            self._later(200_000)

    def _hold(self, path: bytes) -> None:
        turn = self._turn

        def release() -> None:
            if turn == self._turn and not self.stopped:
                self.client.submit(Op.delete, c.DeleteRequest(path, -1))

        self.client.schedule.after(self.rng.randint(1_000, 300_000), release)
