"""Carry a Ready out: the steps of zoo.zab.ready, in their order, on a Storage.

Theory of operation. There is one `Carrier` per storage, and whoever drives the core uses it: the
server's disk thread calls `carry_out`, the simulator takes one of the `steps` after the other and
ends servers between them. Each step is durable when it has been taken, except `append`, which is
so after `sync`. A snapshot that is being installed may take many Readies; the carrier holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from zoo.persistence.epochs import write_accepted_epoch, write_current_epoch
from zoo.persistence.installing import Installation
from zoo.persistence.storage import Storage
from zoo.persistence.truncation import truncation_steps
from zoo.persistence.txn_log import encode_entries
from zoo.zab.ready import Configured, Install, Ready


class ConfigurationFiles(Protocol):
    """Where configurations are kept, beside the history."""

    def steps(self, configured: Configured) -> Iterator[str]:
        """Make them durable; yields after each step behind which a server may end."""
        ...


class Carrier:
    """`warn` gets one line per oddity survived. Without `configurations` there are no changes of
    configuration.
    """

    def __init__(
        self,
        storage: Storage,
        warn: Callable[[str], None],
        configurations: ConfigurationFiles | None = None,
    ) -> None:
        self._configurations = configurations
        self._storage = storage
        self._warn = warn
        self._installation: Installation | None = None

    @property
    def is_installing(self) -> bool:
        """A snapshot has been received in part."""
        return self._installation is not None

    def carry_out(self, ready: Ready) -> None:
        """All steps. Blocks. Raises StorageFailed, CannotTruncate (then nothing has been cut, no
        later step was taken, and what is queued behind this Ready cannot be carried out either).
        """
        for _ in self.steps(ready):
            pass

    def steps(self, ready: Ready) -> Iterator[str]:
        """Take one step each time; yields what it was. A server may end before and after each."""
        storage = self._storage
        if ready.configured is not None:
            assert self._configurations is not None, "no place for a changed configuration"
            yield from self._configurations.steps(ready.configured)
        if ready.accepted_epoch is not None:
            write_accepted_epoch(storage, ready.accepted_epoch)
            yield f"acceptedEpoch {ready.accepted_epoch}"
        if ready.truncate is not None:
            self._abandon()
            yield from truncation_steps(storage, ready.truncate, self._warn)
        if ready.install is not None:
            yield from self._install(ready.install)
        if ready.entries:
            self._abandon()
            if ready.roll:
                storage.roll()
            storage.append(encode_entries(ready.entries), ready.first_zxid)
            yield "append"
            storage.sync()
            yield "sync"
        if ready.current_epoch is not None:
            write_current_epoch(storage, ready.current_epoch)
            yield f"currentEpoch {ready.current_epoch}"

    def _install(self, install: Install) -> Iterator[str]:
        if install.is_first:
            self._abandon()
            self._installation = Installation(self._storage, install.zxid)
        installation = self._installation
        assert installation is not None, "a snapshot's later piece without its first"
        assert installation.zxid == install.zxid, "a piece of another snapshot"
        for piece in install.pieces:
            installation.write(piece)
        yield f"received {len(install.pieces)} pieces"
        if install.is_last:
            self._installation = None
            yield from installation.commit_steps()

    def _abandon(self) -> None:
        """The link broke before the snapshot was whole; its pieces are worth nothing."""
        if self._installation is not None:
            self._installation.abort()
            self._installation = None
