"""ServiceRegistry: who offers a service, found and chosen from a local copy.

Guarantee: an instance is registered while its session lives. When the session is lost, or somebody
deletes the znode, it is registered anew by itself; log and listener say so. Of two that register
one id at one address the later one stays: a process that was restarted takes the place of its
former self, and who was replaced waits until the other is gone. A finder's copy holds
states the server has had, caught up by zxid after a gap, and is read without asking anybody: no
request to the servers per choice, and one read per client for an instance that changed.

What to do: nothing when SUSPENDED. The copy goes on answering with the last it knew (`is_current`
is false then), for a stale list is better than none; an instance may be dead before it is gone from
the list, in any state, so every caller needs a timeout and another try: leave `use` by an OSError
and the instance is put aside for a while. On LOST others see our instance no more until the next
session: `is_registered` tells.

The layout is that of Curator's x-discovery (`zoo.recipes.instances`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import (
    BadVersionError,
    ClientError,
    NodeExistsError,
    NoNodeError,
    TransactionFailedError,
)
from zoo.client.results import Node
from zoo.client.states import State
from zoo.client.transaction import Get
from zoo.errors import Code
from zoo.recipes.balancing import Balancer, RoundRobin
from zoo.recipes.cache import TreeCache
from zoo.recipes.instances import Health, Instance
from zoo.recipes.waiting import Backoff, Wake, surely_gone, take_back

_LOG = logging.getLogger(__name__)
_PENALTY = 5.0
Check = Callable[[], Awaitable[bool]]


class NoInstanceError(LookupError):
    """Nobody offers the service at present."""


class ServiceRegistry:
    """`async with await registry.register(Instance("pricing", "10.0.0.7", 8080)): ...` offers,
    `async with registry.find("pricing") as pricing: pricing.pick()` finds.
    """

    def __init__(self, zk: AsyncClient[Any], path: str = "/services") -> None:
        self.path = path
        self._zk = zk.with_data(BYTES)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    async def register(
        self,
        instance: Instance,
        *,
        check: Check | None = None,
        every: float = 5.0,
        listener: Callable[[bool], None] | None = None,
    ) -> Registration:
        """Returns once it is registered, and stays so until `withdraw`.

        `check` is asked every so many seconds whether it is UP; no answer within that time means
        no. `listener(is_registered)` hears of a loss and of each registration. Raises
        NodeExistsError when another live session has the id, at another address.
        """
        registration = Registration(self._zk, self.path, instance, listener)
        await registration._start(check, every)
        return registration

    def find(
        self,
        service: str,
        balancer: Balancer | None = None,
        *,
        listener: Callable[[list[Instance]], None] | None = None,
    ) -> ServiceCache:
        """The instances of a service, followed; `listener(instances)` hears of each change."""
        return ServiceCache(self._zk, f"{self.path}/{service}", balancer, listener)

    async def services(self) -> list[str]:
        """The names of all services that were ever offered."""
        return await self._names(self.path)

    async def instances(self, service: str) -> list[Instance]:
        """All of them, in any health, asked from the server now."""
        names = await self._names(f"{self.path}/{service}")
        nodes = await self._zk.multi_read(Get(f"{self.path}/{service}/{name}") for name in names)
        found = (_instance(node.path, node.data) for node in nodes if isinstance(node, Node))
        return [each for each in found if each is not None]

    async def _names(self, path: str) -> list[str]:
        try:
            return await self._zk.children(path)
        except NoNodeError:
            return []


def _instance(path: str, data: bytes) -> Instance | None:
    try:
        return Instance.from_bytes(data)
    except ValueError as error:
        _LOG.warning("%s is left out: %s", path, error)
        return None


class Registration:
    """An instance that is kept registered; `async with` withdraws it at the end."""

    def __init__(
        self,
        zk: AsyncClient[bytes],
        base: str,
        instance: Instance,
        listener: Callable[[bool], None] | None,
    ) -> None:
        self.path = f"{base}/{instance.service}/{instance.id}"
        self.instance = instance
        self.times = 0
        """How often it was registered: more than once after lost sessions."""
        self._zk = zk
        self._listener = listener
        self._session_id = 0
        self._czxid = 0
        self._sent: list[bytes] = []
        self._rival = 0
        self._is_withdrawn = False
        self._one_at_a_time = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        state = self.instance.health.value if self.is_registered else "not registered"
        return f"<Registration {self.path} {state}>"

    @property
    def is_registered(self) -> bool:
        """Can the others see it? True only while the session is known to live."""
        return self._session_id == self._zk.session_id != 0 and self._zk.session_expires_in > 0

    async def update(self, **changes: Any) -> None:
        """Change fields of the instance (weight, metadata, health, address, port). While another
        has taken its place, or after `withdraw`, nothing is written."""
        if changes.keys() & {"service", "id"}:
            raise ValueError("another service or id is another registration")
        self.instance = replace(self.instance, **changes)
        self._zk._forget(self.path, await self._zk.retrying(self._ensure))

    async def set_health(self, health: Health) -> None:
        """DRAINING before a planned stop: no new requests come, those under way are finished."""
        await self.update(health=health)

    async def withdraw(self) -> None:
        """Returns once the others can see it no more; cancelled, that goes on."""
        self._is_withdrawn = True  # an update that is under way creates nothing from now on
        self._zk.remove_listener(self._on_state)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self._session_id = 0
        async with surely_gone(self._zk, self._delete):
            await asyncio.gather(*tasks, return_exceptions=True)
            self._session_id = 0  # a task may have set it again before it ended
            if not self._zk.state.is_final:
                await self._zk.retrying(self._delete)

    async def _delete(self) -> None:
        """After all that `_ensure` has asked for: it does not begin anew once we are withdrawn."""
        async with self._one_at_a_time:
            self._session_id = 0
            with contextlib.suppress(NoNodeError):
                while self._is_mine(node := await self._zk.get(self.path)):
                    with contextlib.suppress(BadVersionError):
                        await self._zk.delete(self.path, version=node.version)

    async def __aenter__(self) -> Registration:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.withdraw()

    # --- keeping it

    async def _start(self, check: Check | None, every: float) -> None:
        try:
            changed = await self._zk.retrying(self._ensure)
        except BaseException:  # a create that was cancelled, or not answered, may be applied yet
            self._is_withdrawn = True
            take_back(self._zk, self._delete)
            raise
        self._zk.add_listener(self._on_state)
        self._tasks.append(asyncio.create_task(self._keep(changed)))
        if check is not None:
            self._tasks.append(asyncio.create_task(self._keep_checking(check, every)))

    async def _keep(self, changed: Wake) -> None:
        backoff = Backoff(self._zk)
        while not self._zk.state.is_final:
            await changed.wait()
            try:
                changed = await self._ensure()
                backoff.reset()
            except ClientError as error:
                if not self._zk.state.is_final:
                    _LOG.warning("%s cannot be registered yet: %s", self.path, error)
                    await backoff.wait()

    async def _ensure(self) -> Wake:
        """The znode is ours and up to date, or another's; told when that may have changed."""
        async with self._one_at_a_time:
            while True:
                changed, is_settled = Wake(), False
                try:
                    is_settled = await self._look(changed)
                    if is_settled:
                        return changed
                finally:
                    if not is_settled:
                        self._zk._forget(self.path, changed)

    async def _look(self, changed: Wake) -> bool:
        """One look at the znode, and one step; False: look again."""
        if self._is_withdrawn:
            return True
        wanted = self.instance.to_bytes()
        try:
            node = await self._zk.get(self.path, watch=changed)
        except NoNodeError:
            self._now_lost("its znode is gone")
            await self._create(wanted)
            return False
        with contextlib.suppress(BadVersionError, NoNodeError):  # then another look tells
            if self._is_mine(node):
                self._now_registered(node)
                if node.data == wanted:
                    return True
                await self._zk.set(self.path, wanted, version=node.version)
            elif self._czxid:  # only `register` takes another's place: two would do so for ever
                self._now_replaced(node)
                return True
            else:
                await self._replace(node, wanted)
        return False

    def _is_mine(self, node: Node[bytes]) -> bool:
        """Made by this object, not by another of the same client; also when no answer said so."""
        is_made = node.stat.czxid == self._czxid or node.data in self._sent
        return is_made and node.stat.ephemeral_owner == self._zk.session_id

    async def _create(self, data: bytes) -> None:
        self._sent.append(data)
        try:
            node = await self._zk.create(self.path, data, ephemeral=True, make_parents=True)
        except NodeExistsError:
            self._sent.pop()
            return  # whose it is will be seen
        self._now_registered(node)

    async def _replace(self, node: Node[bytes], data: bytes) -> None:
        """Take the place of what a session of our own, from before a crash, has left behind: at
        once, for if that one lives it puts back what it finds deleted."""
        other, mine = _instance(node.path, node.data), self.instance
        is_elsewhere = other is None or (other.address, other.port) != (mine.address, mine.port)
        if is_elsewhere and node.stat.ephemeral_owner != self._zk.session_id:
            raise NodeExistsError(
                f"another session has registered it, at {node.data!r}",
                operation="register",
                path=self.path,
            )
        transaction = self._zk.transaction()
        transaction.delete(self.path, version=node.version)
        transaction.create(self.path, data, ephemeral=True)
        self._sent.append(data)
        try:
            self._now_registered((await transaction.commit())[1])
        except TransactionFailedError as error:
            self._sent.pop()
            if error.code not in (Code.BADVERSION, Code.NONODE):
                raise

    def _now_registered(self, node: Node[bytes]) -> None:
        self._czxid, self._rival = node.stat.czxid, 0
        self._sent.clear()
        if node.stat.ephemeral_owner != self._session_id:
            self._session_id = node.stat.ephemeral_owner
            self.times += 1
            _LOG.info("%s registered%s", self.path, " again" if self.times > 1 else "")
            self._tell(True)

    def _now_replaced(self, node: Node[bytes]) -> None:
        if self._rival != node.stat.czxid:
            self._rival = node.stat.czxid
            who = f"session 0x{node.stat.ephemeral_owner & (1 << 64) - 1:x}"
            _LOG.warning("%s is now that of %s; we wait until it is gone", self.path, who)
        self._now_lost("another has taken its place")

    def _now_lost(self, why: str) -> None:
        if self._session_id:
            self._session_id = 0
            _LOG.warning("%s is registered no more: %s", self.path, why)
            self._tell(False)

    def _on_state(self, state: State) -> None:
        if state is State.LOST:
            self._now_lost("the session is lost")

    def _tell(self, is_registered: bool) -> None:
        if self._listener is not None:
            try:
                self._listener(is_registered)
            except Exception:  # it must not end the registration
                _LOG.exception("a listener to %s failed", self.path)

    async def _keep_checking(self, check: Check, every: float) -> None:
        while not self._zk.state.is_final:
            health = Health.UP if await self._passes(check, every) else Health.DOWN
            if self.instance.health not in (health, Health.DRAINING):
                _LOG.warning("%s is %s", self.path, health.value)
                try:
                    await self.set_health(health)
                except ClientError as error:
                    _LOG.warning("%s: its health could not be told: %s", self.path, error)
            await asyncio.sleep(every)

    async def _passes(self, check: Check, every: float) -> bool:
        try:
            async with asyncio.timeout(every):
                return await check()
        except Exception as error:
            _LOG.warning("%s: its check failed: %r", self.path, error)
            return False


class ServiceCache:
    """The instances of one service, and a balancer that chooses among those that are UP."""

    def __init__(
        self,
        zk: AsyncClient[bytes],
        path: str,
        balancer: Balancer | None,
        listener: Callable[[list[Instance]], None] | None,
    ) -> None:
        self.path = path
        self.balancer = balancer or RoundRobin()
        self._listener = listener
        self._cache = TreeCache(zk, path, self._on_change)
        self._known: dict[str, Instance] = {}
        self._up: list[Instance] = []
        self._aside: dict[str, float] = {}

    def __repr__(self) -> str:
        state = "current" if self.is_current else "stale"
        return f"<ServiceCache {self.path} {len(self._up)} up of {len(self._known)}, {state}>"

    @property
    def is_current(self) -> bool:
        """Connected, and nothing known of is still to be read."""
        return self._cache.is_current

    @property
    def instances(self) -> list[Instance]:
        """All of them, by id, in any health."""
        return sorted(self._known.values(), key=lambda each: each.id)

    def pick(self, key: str = "") -> Instance:
        """One that is UP. Raises NoInstanceError."""
        if not self._up:
            raise NoInstanceError(f"nobody offers {self.path}")
        return self.balancer.pick(self._candidates(), key)

    @contextlib.contextmanager
    def use(self, key: str = "") -> Iterator[Instance]:
        """Pick one for a request, which the balancer counts as under way until the end of the
        block; when it ends with an OSError (TimeoutError is one) the instance is put aside.
        """
        instance = self.pick(key)
        self.balancer.started(instance)
        try:
            yield instance
        except OSError:
            self.put_aside(instance)
            raise
        finally:
            self.balancer.finished(instance)

    def put_aside(self, instance: Instance, seconds: float = _PENALTY) -> None:
        """Do not pick it for so long, unless all are put aside."""
        self._aside[instance.id] = asyncio.get_running_loop().time() + seconds

    def _candidates(self) -> list[Instance]:
        if not self._aside:
            return self._up
        now = asyncio.get_running_loop().time()
        self._aside = {name: end for name, end in self._aside.items() if end > now}
        return [each for each in self._up if each.id not in self._aside] or self._up

    async def wait_for(self, count: int = 1, timeout: float | None = None) -> list[Instance]:
        """Until so many are UP. Raises TimeoutError."""
        await self._cache.wait_for(lambda: len(self._up) >= count, timeout)
        return list(self._up)

    async def start(self, timeout: float | None = 30.0) -> None:
        """Returns once all instances are known. Raises TimeoutError."""
        await self._cache.start(timeout)

    async def stop(self) -> None:
        await self._cache.stop()

    async def __aenter__(self) -> ServiceCache:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _on_change(self, path: str, node: Node[bytes] | None) -> None:
        if path == self.path:
            return
        instance = None if node is None else _instance(path, node.data)
        if instance is None:
            self._known.pop(path, None)
        else:
            self._known[path] = instance
        self._up = [each for each in self.instances if each.health is Health.UP]
        if self._listener is not None:
            self._listener(self.instances)
