"""A client that writes on whatever happens to its servers, and knows what must be there."""

from __future__ import annotations

import threading

import zoo
from zoo.client.errors import BadVersionError, ClientError, Outcome

_PAUSE_S = 0.01


class Rewriter:
    """Sets one znode to 0, 1, 2, ..., each only over the one before. When it is not told what came
    of a write, it looks. `count` writes are known to be done; `problem` is what must not happen.
    """

    def __init__(self, hosts: str, path: str, follow_config: bool = False) -> None:
        self.client = zoo.Client(hosts, session_timeout=15.0, follow_config=follow_config)
        self.path = path
        self.count = 0
        self.problem: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Rewriter:
        self.client.start(timeout=60.0)
        self.client.create(self.path, b"")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        self.client.close()

    def _run(self) -> None:
        while not self._over.is_set() and self.problem is None:
            try:
                self.client.set(self.path, b"%d" % self.count, version=self.count)
                self.count += 1
            except BadVersionError:
                self.problem = f"a write was lost or done twice after {self.count}"
            except ClientError as error:
                if error.outcome is Outcome.UNKNOWN:
                    self._look()
                else:
                    self._over.wait(_PAUSE_S)

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                self.client.sync(self.path)
                version = self.client.get(self.path).version
            except ClientError:
                self._over.wait(_PAUSE_S)
                continue
            if version not in (self.count, self.count + 1):
                self.problem = f"{self.count} writes were acknowledged, {version} are there"
            self.count = version
            return
