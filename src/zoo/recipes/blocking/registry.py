"""The blocking twin of the service registry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from zoo.client.aside import aside
from zoo.client.blocking import Client
from zoo.recipes import registry
from zoo.recipes.balancing import Balancer
from zoo.recipes.blocking.base import Twin, run
from zoo.recipes.instances import Health, Instance

R = TypeVar("R")


class ServiceRegistry(Twin[registry.ServiceRegistry], of=registry.ServiceRegistry):
    """See `zoo.recipes.ServiceRegistry`. Listeners are called in the client's thread for callbacks,
    checks in threads of their own: one that hangs counts as no, and no other is begun meanwhile.
    """

    def __init__(self, zk: Client[Any], path: str = "/services") -> None:
        super().__init__(registry.ServiceRegistry(zk._client, path))
        self._zk = zk

    def register(
        self,
        instance: Instance,
        *,
        check: Callable[[], bool] | None = None,
        every: float = 5.0,
        listener: Callable[[bool], None] | None = None,
    ) -> Registration:
        return Registration(
            run(
                self._recipe.register(
                    instance,
                    check=None if check is None else _InThread(check),
                    every=every,
                    listener=self._forward(listener),
                )
            )
        )

    def find(
        self,
        service: str,
        balancer: Balancer | None = None,
        *,
        listener: Callable[[list[Instance]], None] | None = None,
    ) -> ServiceCache:
        return ServiceCache(self._recipe.find(service, balancer, listener=self._forward(listener)))

    def _forward(self, listener: Callable[[R], None] | None) -> Callable[[R], None] | None:
        if listener is None:
            return None
        return lambda value: self._zk._dispatcher.call(lambda: listener(value))

    def services(self) -> list[str]:
        return run(self._recipe.services())

    def instances(self, service: str) -> list[Instance]:
        return run(self._recipe.instances(service))


class _InThread:
    """A blocking check as an asyncio one. Its thread is a daemon and not of the loop's executor: a
    check that hangs is to stop neither the other checks nor the end of the process."""

    def __init__(self, check: Callable[[], bool]) -> None:
        self._check = check
        self._is_under_way = False

    async def __call__(self) -> bool:
        if self._is_under_way:
            raise TimeoutError("the last one is still under way")
        self._is_under_way = True
        return await aside(self._ask, "zoo check")

    def _ask(self) -> bool:
        try:
            return self._check()
        finally:
            self._is_under_way = False


class Registration(Twin[registry.Registration], of=registry.Registration):
    """See `zoo.recipes.Registration`."""

    @property
    def instance(self) -> Instance:
        return self._recipe.instance

    @property
    def is_registered(self) -> bool:
        return self._recipe.is_registered

    @property
    def times(self) -> int:
        """How often it was registered: more than once after lost sessions."""
        return self._recipe.times

    def update(self, **changes: Any) -> None:
        run(self._recipe.update(**changes))

    def set_health(self, health: Health) -> None:
        run(self._recipe.set_health(health))

    def withdraw(self) -> None:
        run(self._recipe.withdraw())

    def __enter__(self) -> Registration:
        return self

    def __exit__(self, *_: object) -> None:
        self.withdraw()


class ServiceCache(Twin[registry.ServiceCache], of=registry.ServiceCache):
    """See `zoo.recipes.ServiceCache`."""

    @property
    def is_current(self) -> bool:
        return self._recipe.is_current

    @property
    def instances(self) -> list[Instance]:
        return _on_loop(lambda: self._recipe.instances)

    def pick(self, key: str = "") -> Instance:
        return _on_loop(lambda: self._recipe.pick(key))

    @contextlib.contextmanager
    def use(self, key: str = "") -> Iterator[Instance]:
        """As in asyncio; the block runs in this thread."""
        balancer, instance = self._recipe.balancer, self.pick(key)
        _on_loop(lambda: balancer.started(instance))
        try:
            yield instance
        except OSError:
            self.put_aside(instance)
            raise
        finally:
            _on_loop(lambda: balancer.finished(instance))

    def put_aside(self, instance: Instance, seconds: float = 5.0) -> None:
        _on_loop(lambda: self._recipe.put_aside(instance, seconds))

    def wait_for(self, count: int = 1, timeout: float | None = None) -> list[Instance]:
        return run(self._recipe.wait_for(count, timeout))

    def start(self, timeout: float | None = 30.0) -> None:
        run(self._recipe.start(timeout))

    def stop(self) -> None:
        run(self._recipe.stop())

    def __enter__(self) -> ServiceCache:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _on_loop(call: Callable[[], R]) -> R:
    """Balancers and the copy belong to the loop."""

    async def there() -> R:
        return call()

    return run(there())
