"""Partitioner: shares partitions out among the members of a group, each to one owner at a time.

Guarantee: a partition has one owner in ZooKeeper's eyes, and the next one begins only after the
work of the one before has ended and let go, or its session has. Shares are level, and when members
come or go only their partitions move (`HashRing.rebalance`). Each ownership has a fencing token,
greater than all before it for that partition: a process that was paused, or cut off, may believe a
moment longer that it owns one, and only the token protects what is outside.

How. Members are ephemeral znodes. Who is first of them by name writes the assignment, one znode,
by comparing its version, and never over one that knew later members. Everybody watches that znode,
and stands for election in each partition that is its own: whoever has to give one up resigns after
its work has ended, and only that wakes the next.

What to do: `work` is cancelled when the partition moves or the session is LOST, and must let go
then. While SUSPENDED it may go on within `place.is_held`; what it writes outside carries the
token, what it writes here goes through `guarded`. All members must name the same partitions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES, JSON
from zoo.client.errors import BadVersionError, ClientError, NodeExistsError, NoNodeError
from zoo.client.results import Node
from zoo.client.transaction import Transaction
from zoo.recipes.election import Election
from zoo.recipes.group import Group
from zoo.recipes.places import Place
from zoo.recipes.ring import MAX_WEIGHT, HashRing, check_weight
from zoo.recipes.waiting import Backoff, Wake

_LOG = logging.getLogger(__name__)
_PAUSE = 0.1
_LONGEST_SESSION = 60.0
_LONGEST_PAUSE = 5.0


class Partition(NamedTuple):
    """A partition that is ours until `place.lost` is set."""

    name: str
    place: Place

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier owner."""
        return self.place.token

    @property
    def is_held(self) -> bool:
        """Can nobody else own it yet? True only while the session is known to live."""
        return self.place.is_held

    def guarded(self) -> Transaction[Any]:
        """A transaction that is refused unless the partition is still ours when it commits."""
        return self.place.guarded()


Work = Callable[[Partition], Awaitable[None]]


class _Plan(NamedTuple):
    """The assignment as of a change of the members."""

    as_of: int
    owners: dict[str, str]

    @classmethod
    def of(cls, node: Node[bytes]) -> _Plan | None:
        """None for what no Partitioner has written: the next plan takes its place."""
        if not node.data:
            return _Plan(0, {})
        try:
            stored = json.loads(node.data)
            owners = {str(name): str(owner) for name, owner in stored["owners"].items()}
            return cls(int(stored["as_of"]), owners)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            _LOG.error("%s is no assignment: %r", node.path, error)
            return None


def _is_weight(data: object) -> bool:
    return isinstance(data, int | float) and 0 < data <= MAX_WEIGHT


class Partitioner:
    """`async with Partitioner(zk, "/orders", "worker-1", 16, consume): ...`, where
    `async def consume(partition)` runs as long as a partition is ours.
    """

    def __init__(
        self,
        zk: AsyncClient[Any],
        path: str,
        name: str,
        partitions: int | Iterable[str],
        work: Work,
        *,
        weight: float = 1.0,
    ) -> None:
        """A number stands for the partitions "0", "1" and so on. Who weighs 2 is to own twice what
        who weighs 1 owns. Work that fails is logged, lets go and begins again.
        """
        check_weight(weight, name)
        names = map(str, range(partitions)) if isinstance(partitions, int) else partitions
        self.path = path
        self.name = name
        self.partitions = list(names)
        self._work = work
        self._zk = zk.with_data(BYTES)
        self._members_path = f"{path}/members"
        self._group = Group(zk.with_data(JSON), self._members_path, name, weight)
        self._plan_path = f"{path}/assignment"
        self._members_changed = Wake()
        self._wanted: set[str] = set()
        self._holding: dict[str, asyncio.Task[None]] = {}
        self._owned: dict[str, Partition] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Partitioner {self.path} {self.name} owns {sorted(self._owned)}>"

    @property
    def owned(self) -> dict[str, Partition]:
        """What is ours now, by name."""
        return dict(sorted(self._owned.items()))

    async def assignment(self) -> dict[str, str]:
        """Partition -> member: how it shall be."""
        try:
            plan = _Plan.of(await self._zk.get(self._plan_path))
        except NoNodeError:
            return {}
        return plan.owners if plan else {}

    # --- beginning and end

    async def start(self) -> None:
        """Take part. Returns at once; partitions come as the others let them go."""
        if not self._tasks:
            steps = (self._join, self._plan, self._follow)
            self._tasks = [asyncio.create_task(self._keep(step)) for step in steps]

    async def stop(self) -> None:
        """Leave. Returns when all work has ended and all partitions are free for others."""
        tasks, self._tasks, self._wanted = self._tasks, [], set()
        tasks += self._holding.values()
        for task in tasks:  # before anything is waited for: that may be cancelled
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            with contextlib.suppress(ClientError):
                await self._group.leave()

    async def __aenter__(self) -> Partitioner:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _keep(self, step: Callable[[], Awaitable[None]]) -> None:
        backoff, loop = Backoff(self._zk), asyncio.get_running_loop()
        while not self._zk.state.is_final:
            began = loop.time()
            try:
                await step()
            except ClientError as error:
                _LOG.info("%r: %s", self, error)
            except Exception:
                _LOG.exception("%r: it is tried again", self)
            if loop.time() - began > _LONGEST_PAUSE:  # it went well for a while
                backoff.reset()
            await backoff.wait()

    async def _join(self) -> None:
        """Our name may be taken, by a former self until its session has expired."""
        await self._group.join(_LONGEST_SESSION)
        await asyncio.Event().wait()

    # --- how it shall be

    async def _plan(self) -> None:
        await self._zk.ensure_path(self._members_path)
        while True:
            changed = self._members_changed = Wake()
            try:
                names, stat = await self._zk.children_stat(self._members_path, watch=changed)
                if await self._is_first(names):
                    ring = HashRing(await self._weights(names))
                    while not await self._assign(ring, stat.pzxid):
                        continue
                await changed.wait()
            finally:
                self._zk._forget(self._members_path, changed)

    async def _is_first(self, names: list[str]) -> bool:
        """Of those with a weight: what else there is among the members will not plan."""
        for name in names:
            if name == self.name or await self._weights([name]):
                return name == self.name
        return False

    async def _weights(self, names: list[str]) -> dict[str, float]:
        """Who has none was not entered by a Partitioner: it would do no work."""
        members = await self._group._data_of(names)
        for name in members:
            if not _is_weight(members[name]):
                _LOG.warning("%s/%s is left out: it has no weight", self._members_path, name)
        return {name: float(data) for name, data in members.items() if _is_weight(data)}

    async def _assign(self, ring: HashRing, as_of: int) -> bool:
        """Plan for the members as of a zxid; whoever saw them later has the say. False: again."""
        node = await self._zk.get(await self._plan_exists())
        plan = _Plan.of(node) or _Plan(0, {})
        if plan.as_of >= as_of or not ring.members:
            return True
        owners = ring.rebalance(self.partitions, plan.owners)
        stored = json.dumps({"as_of": as_of, "owners": owners}).encode()
        try:
            await self._zk.set(self._plan_path, stored, version=node.version)
        except BadVersionError:
            return False
        _LOG.info("%r: %s", self, owners)
        return True

    async def _plan_exists(self) -> str:
        if await self._zk.exists(self._plan_path) is None:
            with contextlib.suppress(NodeExistsError):
                await self._zk.create(self._plan_path, make_parents=True)
        return self._plan_path

    # --- how it is

    async def _follow(self) -> None:
        while True:
            changed = Wake()
            try:
                plan = _Plan.of(await self._zk.get(await self._plan_exists(), watch=changed))
                if plan is None:  # what we hold stays; whoever plans writes another
                    self._members_changed.set()
                else:
                    mine = (each for each in self.partitions if plan.owners.get(each) == self.name)
                    self._wanted = set(mine)
                    self._hold_what_is_wanted()
                await changed.wait()
            finally:
                self._zk._forget(self._plan_path, changed)

    def _hold_what_is_wanted(self) -> None:
        for name, task in self._holding.items():
            if name not in self._wanted:
                task.cancel()
        for name in sorted(self._wanted - self._holding.keys()):
            task = asyncio.create_task(self._hold(name))
            self._holding[name] = task
            task.add_done_callback(partial(self._let_go, name))

    def _let_go(self, name: str, _: asyncio.Task[None]) -> None:
        del self._holding[name]
        if name in self._wanted:  # it came back before we had let go
            self._hold_what_is_wanted()

    async def _hold(self, name: str) -> None:
        election = Election(self._zk, f"{self.path}/owners/{name}", name=self.name)
        while not self._zk.state.is_final:
            try:
                await election.run(lambda place: self._own(Partition(name, place)))
            except ClientError as error:
                _LOG.info("%r: partition %s: %s", self, name, error)
            except Exception:
                _LOG.exception("%r: the work on partition %s failed and begins again", self, name)
            await asyncio.sleep(_PAUSE)

    async def _own(self, partition: Partition) -> None:
        self._owned[partition.name] = partition
        try:
            await self._work(partition)
            await asyncio.Event().wait()  # nothing more to do, and still ours
        finally:
            del self._owned[partition.name]
