"""Lease: something that is yours for a time, session or not.

Guarantee: of all holders at most one has the lease at a time, as long as the clocks of the servers
differ by no more than `skew` seconds (only when another member becomes the leader two of them
matter; the clocks of clients never do). It is bound to time, not to a session: it outlives broken
connections, lost sessions, and a restart under the same `holder`, who has it back at once. A
holder that was paused may act late (the clock of a machine that sleeps stands still, too): pass
`token` along, which grows from holder to holder, or write through `guarded()`.

SUSPENDED and LOST need nothing: the lease is ours until `expires_in` is 0, which only renewing puts
off. `async with` renews in the background; `lost` is set when that was not possible in time.

The znode holds a record of the holder, and below it each tenure has a znode of a name of its own,
the beat: made by the transaction that takes the lease, written to renew it, deleted by whoever
takes it next or releases it. So what a holder does depends on its beat, and nothing that was
deleted and made anew, by an operator say, is taken for it. (A record without its beat is free.)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from functools import partial
from typing import Any, NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import (
    ClientError,
    ConnectionLossError,
    NoNodeError,
    OperationTimeoutError,
    TransactionFailedError,
)
from zoo.client.outside import outside
from zoo.client.results import Node
from zoo.client.transaction import Transaction
from zoo.errors import Code
from zoo.jute.records import Stat
from zoo.recipes.clock import ServiceClock
from zoo.recipes.lock import NotHeldError
from zoo.recipes.waiting import PATIENT, Deadline, Wake, across_sessions, in_background, in_time

log = logging.getLogger("zoo.recipes")
_RENEWALS = 3  # in each duration


class _Found(NamedTuple):
    node: Node[bytes]
    beat: Node[bytes] | None
    holder: str
    duration: float


class _Tenure(NamedTuple):
    token: int
    beat: str


class Lease:
    """`async with Lease(zk, "/nightly", 30.0, holder="host-1"): ...`

    Or by hand: `try_acquire` or `acquire`, `renew` before `expires_in` is 0, `release`.
    """

    def __init__(
        self,
        zk: AsyncClient[Any],
        path: str,
        duration: float,
        *,
        holder: str = "",
        skew: float = 1.0,
    ) -> None:
        """`duration` in seconds; each holder may have its own. Two objects of the same `holder`
        are the same holder; without one nobody else is."""
        if duration <= 0 or skew < 0:
            raise ValueError(f"duration {duration} s must be positive, skew {skew} s not negative")
        self.path = path
        self.duration = duration
        self.holder = holder or outside().unique_name()
        self.lost = asyncio.Event()
        """Set when the lease ended without `release`."""
        self._zk = zk.with_data(BYTES)
        self._skew = skew
        self._clock = ServiceClock(zk, f"{path}/clock")
        self._tenure: _Tenure | None = None
        self._ends = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Lease {self.path} {self.holder} {f'{self.expires_in:.1f} s left'}>"

    @property
    def expires_in(self) -> float:
        """Seconds; 0 when it is not ours."""
        if self._tenure is None:
            return 0.0
        return max(0.0, self._ends - asyncio.get_running_loop().time())

    @property
    def is_held(self) -> bool:
        return self.expires_in > 0

    @property
    def token(self) -> int:
        """Grows from holder to holder; renewing keeps it. Raises NotHeldError."""
        return self._mine().token

    def _mine(self) -> _Tenure:
        if self._tenure is None:
            raise NotHeldError(f"{self.path} is not held")
        return self._tenure

    def guarded(self) -> Transaction[Any]:
        """A transaction that is refused once another holder has the lease. Raises NotHeldError."""
        transaction = self._zk.transaction()
        transaction.check(self._mine().beat)
        return transaction

    # --- taking it

    async def acquire(self, timeout: float | None = None) -> None:
        """Wait until it is released, or over. Raises OperationTimeoutError after `timeout` s."""
        deadline = Deadline(timeout)
        while True:
            changed = Wake()
            try:
                why = f"no answer within {timeout} s"
                async with in_time(deadline.left, why, "acquire", self.path):
                    left = await self._try(changed)
                if left <= 0:
                    return
                if not await changed.within(left, deadline):
                    why = f"others had it for {timeout:g} s"
                    raise OperationTimeoutError(why, operation="acquire", path=self.path)
            finally:
                self._zk._forget(self.path, changed)

    async def try_acquire(self) -> bool:
        """Take it, or renew it, unless another has it."""
        if self._tenure is not None:
            try:
                await self.renew()
            except NotHeldError:
                return False
            return True
        return await self._try() <= 0

    async def _try(self, wake: Wake | None = None) -> float:
        """0 when it is ours now, otherwise in how many seconds it may be over."""
        while True:
            try:
                found = await self._look(wake)
            except NoNodeError:
                await self._zk.ensure_path(self.path)
                continue
            if found.beat is not None and found.holder != self.holder:
                now = await self._clock.measure()
                left = found.beat.stat.mtime / 1000 + found.duration + self._skew - now
                if left > 0:
                    return left
            if await self._take(found):
                return 0.0

    async def _look(self, wake: Wake | None = None) -> _Found:
        node = await self._zk.get(self.path, watch=wake)
        record = json.loads(node.data) if node.data else {}
        beat: Node[bytes] | None = None
        if record:
            with contextlib.suppress(NoNodeError):
                beat = await self._zk.get(self._beat(record.get("id", "")))
        return _Found(node, beat, record.get("holder", ""), record.get("duration", 0.0))

    def _beat(self, name: str) -> str:
        return f"{self.path}/beat-{name}"

    async def _take(self, found: _Found) -> bool:
        """False when another was faster."""
        began = asyncio.get_running_loop().time()
        name = outside().unique_name()
        record = {"holder": self.holder, "duration": self.duration, "id": name}
        data, beat = json.dumps(record).encode(), self._beat(name)
        transaction = self._zk.transaction()
        transaction.set(self.path, data, version=found.node.version)
        transaction.create(beat)
        if found.beat is not None:
            transaction.delete(found.beat.path, version=found.beat.version)
        try:
            stat = await self._outcome(transaction, data)
        except BaseException:  # it may have been applied, or be applied yet
            self._free_in_background(beat)
            raise
        if stat is None:
            return False
        self._tenure = _Tenure(stat.mzxid, beat)
        self._extend(began)
        return True

    async def _outcome(self, taking: Transaction[bytes], data: bytes) -> Stat | None:
        """None: it was not applied."""
        try:
            stat: Stat = (await taking.commit())[0]
            return stat
        except TransactionFailedError:
            return None
        except ConnectionLossError:
            await self._zk.sync(self.path)
            node = await self._zk.get(self.path)
            return node.stat if node.data == data else None

    def _extend(self, began: float) -> None:
        """From before the write that did it: we believe in it no longer than anybody else."""
        self.lost.clear()
        self._ends = began + self.duration
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_at(self._ends, self.lost.set)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # --- keeping it, giving it up

    async def renew(self) -> None:
        """Ours for another `duration` from now. Raises NotHeldError when another has it."""
        beat = self._mine().beat
        began = asyncio.get_running_loop().time()
        try:
            await self._zk.set(beat, b"")
        except NoNodeError as error:
            self._tenure = None
            self._stop_timer()
            self.lost.set()
            raise NotHeldError(f"{self.path}: another has it") from error
        self._extend(began)

    async def release(self) -> None:
        """Let others have it at once. Does nothing when it is not ours."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            self._stop_timer()
            try:
                await self._zk.retrying(partial(self._free, tenure.beat))
            except BaseException:
                self._free_in_background(tenure.beat)
                raise

    async def _free(self, beat: str) -> None:
        """End the tenure with this beat, if it is not over."""
        transaction = self._zk.transaction()
        transaction.delete(beat)
        transaction.set(self.path, b"")
        try:
            await transaction.commit()
        except TransactionFailedError as error:
            if error.code is not Code.NONODE:
                raise

    def _free_in_background(self, beat: str) -> None:
        """For as long as the client lives: a lease does not end with a session."""

        async def surely() -> None:
            with contextlib.suppress(ClientError):
                free = partial(self._free, beat)
                await self._zk.retrying(partial(across_sessions, free), PATIENT)

        in_background(self._zk, surely())

    async def current_holder(self) -> str | None:
        """Who has it, or had it last and did not release it; None when it is free."""
        try:
            return (await self._look()).holder or None
        except NoNodeError:
            return None

    def keep(self) -> None:
        """Renew it in the background until it is released, or lost."""
        self._keeper = asyncio.create_task(self._keep_renewing())

    async def _keep_renewing(self) -> None:
        while not self._zk.state.is_final:
            await asyncio.sleep(self.duration / _RENEWALS)
            try:
                await self.renew()
            except NotHeldError:
                return
            except ClientError as error:
                log.warning("%s was not renewed: %s", self.path, error)  # `lost` is set in time

    async def __aenter__(self) -> Lease:
        await self.acquire()
        self.keep()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.release()
