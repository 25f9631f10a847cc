"""What a role sees of its server (zoo.zab.context), played by a test; so is the disk."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from zoo.zab.configurations import fixed
from zoo.zab.context import Epochs, Role, Settings
from zoo.zab.history import History
from zoo.zab.link import PeerLink
from zoo.zab.log_queue import LogQueue
from zoo.zab.quorum import QuorumVerifier
from zoo.zab.ready import Ready

R = TypeVar("R", bound=Role)


class FakeContext(Generic[R]):
    """A server with this log. `looked` is why the role was left, `goes_to` for whom."""

    def __init__(
        self,
        my_id: int,
        settings: Settings,
        quorum: QuorumVerifier,
        configuration: bytes,
        history: History,
        epochs: Epochs | None = None,
    ) -> None:
        last = history.last_zxid
        self.my_id = my_id
        self.settings = settings
        self.quorum = quorum
        self.config_version = 0
        self.configurations = fixed(quorum, configuration)
        self.history = history
        self.epochs = epochs or Epochs(last >> 32, last >> 32)
        self.log = LogQueue(last)
        self.replica: Any = None
        self.now_ms = 1000
        self.dirty: list[PeerLink] = []
        self.looked: str | None = None
        self.goes_to: int | None = None
        self.epoch: int | None = None
        self.role: R | None = None

    def established(self, epoch: int) -> None:
        self.epoch = epoch

    def go_to(self, leader: int, reason: str) -> None:
        self.goes_to = leader
        self.look(reason)

    def look(self, reason: str) -> None:
        assert self.looked is None, f"looks twice: {self.looked}, {reason}"
        self.looked = reason
        assert self.role is not None
        self.role.stop()

    def persist(self) -> Ready:
        """One Ready becomes durable."""
        ready = self.log.ready()
        assert ready is not None, "nothing for the disk"
        self.log.on_persisted(ready)
        if ready.accepted_epoch is not None:
            self.epochs.accepted = ready.accepted_epoch
        if ready.current_epoch is not None:
            self.epochs.current = ready.current_epoch
        self.carried_out(ready)
        if self.role is not None:
            self.role.persisted()
        return ready

    def carried_out(self, ready: Ready) -> None:
        """What else a Ready changes."""

    def flush(self) -> None:
        while not self.log.is_idle:
            self.persist()
