"""The configurations that a member knows: the one that holds, and one that may come to hold.

Theory of operation. `committed` is the last configuration known to be committed: elections spread
it, clients read it. `seen` is the last one proposed, or announced by a new leader; it is written to
the disk before the transaction that carries it is logged, so whoever has logged a change knows of
it. While the two differ, `quorum` asks both (zoo.zab.quorum_joint), and a leader that begins with
such a pair completes the change: its NEWLEADER carries `seen`, and with a quorum of both the change
is committed. A leader's word on `seen` also replaces a later one of ours, which then was never
committed.

The version of a configuration is the zxid of its change. The one that zoo.cfg lists has version 0;
the first leader gives it the beginning of its epoch, so that it counts for more than what other
servers were merely told to begin with (ZOOKEEPER-1783).

Where reconfig is disabled nothing of this happens: the configuration is what the files say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from zoo.config_ensemble import Ensemble, QuorumServer, parse_ensemble_text
from zoo.config_properties import ConfigError
from zoo.errors import ProtocolViolation
from zoo.jute.codec import JuteError
from zoo.jute.operations import Op
from zoo.jute.txns import decode_txn
from zoo.zab.quorum import QuorumVerifier, quorum_of
from zoo.zab.quorum_joint import Joint
from zoo.zab.ready import Configured

_TYPE_AT = slice(28, 32)  # of a transaction's header
_RECONFIG = int(Op.reconfig).to_bytes(4, "big")
_NOBODY = Ensemble({})


class Configuration(NamedTuple):
    """`text` is the form in which members and clients are told of it."""

    ensemble: Ensemble
    text: bytes
    quorum: QuorumVerifier

    @property
    def version(self) -> int:
        return self.quorum.version

    def lists_same(self, other: Configuration) -> bool:
        """Whether both list the same members alike, whatever their versions."""
        mine, theirs = self.ensemble, other.ensemble
        return replace(mine, version=0) == replace(theirs, version=0)

    def with_version(self, version: int) -> Configuration:
        return configuration_of(replace(self.ensemble, version=version))


def configuration_of(ensemble: Ensemble) -> Configuration:
    return Configuration(ensemble, ensemble.text().encode(), quorum_of(ensemble))


def parse_configuration(text: bytes) -> Configuration:
    """Raises ProtocolViolation for what is no configuration."""
    try:
        ensemble = parse_ensemble_text(text.decode(), "a configuration of another member")
    except (ConfigError, UnicodeDecodeError) as error:
        raise ProtocolViolation(f"a configuration that cannot be read: {error}") from error
    return configuration_of(ensemble)


def carries_configuration(entry: bytes) -> bool:
    """Whether a transaction is a change of the configuration."""
    return entry[_TYPE_AT] == _RECONFIG


def configuration_in(entry: bytes) -> Configuration:
    """The configuration that such a transaction carries. Raises ProtocolViolation."""
    try:
        text = decode_txn(entry).record.data
    except JuteError as error:
        raise ProtocolViolation(f"a change of configuration is torn: {error}") from error
    return parse_configuration(text or b"")


class Configurations:
    """`quorum` decides at the moment. `store` has the disk keep what changes, ahead of all that
    is logged from now on; `changed` is told of every change, when it is complete.
    """

    def __init__(
        self,
        committed: Configuration,
        seen: Configuration | None = None,
        is_enabled: bool = False,
    ) -> None:
        self.committed = committed
        self.seen = committed
        self.is_enabled = is_enabled
        self.store: Callable[[Configured], None] = _nothing
        self.changed: Callable[[], None] = lambda: None
        if is_enabled and seen is not None and seen.version > committed.version:
            self.seen = seen
        self._decide()

    @property
    def is_changing(self) -> bool:
        """Whether a change is under way."""
        return self.seen.version > self.committed.version

    @property
    def servers(self) -> dict[int, QuorumServer]:
        """All that are members or may come to be, where they are now."""
        return {**self.seen.ensemble.servers, **self.committed.ensemble.servers}

    def _decide(self) -> None:
        self.quorum: QuorumVerifier = self.committed.quorum
        if self.is_changing and not self.seen.lists_same(self.committed):
            self.quorum = Joint(self.committed.quorum, self.seen.quorum)

    def see(self, configuration: Configuration) -> None:
        """A leader proposes or announces this one: it may come to hold."""
        if not self.is_enabled or configuration.version == self.seen.version:
            return
        if configuration.version < self.committed.version:
            return
        if configuration.version == self.committed.version:
            configuration = self.committed
        self.seen = configuration
        self._settle()

    def establish(self, epoch: int) -> None:
        """The leader of a new epoch: a configuration without a version is to get one."""
        if self.is_enabled and self.committed.version == self.seen.version == 0:
            self.see(self.committed.with_version(epoch << 32))

    def activate(self, configuration: Configuration) -> bool:
        """This one holds from now on. Returns whether it lists other members, or others ways to
        them, than the one before; false for one that is known or old.
        """
        old = self.committed
        if not self.is_enabled or configuration.version <= old.version:
            return False
        self.committed = configuration
        if self.seen.version < configuration.version:
            self.seen = configuration
        self._settle()
        return not configuration.lists_same(old)

    def _settle(self) -> None:
        self._decide()
        seen = self.seen.text if self.is_changing else None
        self.store(Configured(self.committed.text, self.committed.version, seen))
        self.changed()


def fixed(quorum: QuorumVerifier, text: bytes = b"") -> Configurations:
    """For a member whose configuration never changes; nobody asks who its members are."""
    return Configurations(Configuration(_NOBODY, text, quorum))


def quorum_address(server: QuorumServer | None) -> frozenset[tuple[str, int]]:
    """Where a server expects its learners."""
    return frozenset(() if server is None else ((a.host, a.quorum_port) for a in server.addresses))


def changes_part(
    old: Configuration, new: Configuration, my_id: int, leader: int, designated: int | None
) -> bool:
    """Whether a learner of `leader` must leave it for the new configuration: it observes and shall
    vote or the other way round, or the leader shall be another (`designated`). Where nobody says
    who shall, the leader must vote in both, at the same address.
    """
    if (my_id in old.quorum.observers) != (my_id in new.quorum.observers):
        return True
    if designated is not None:
        return designated != leader
    before, after = old.ensemble.servers.get(leader), new.ensemble.servers.get(leader)
    votes = leader in old.quorum.voters and leader in new.quorum.voters
    return not votes or quorum_address(before) != quorum_address(after)


def _nothing(state: Configured) -> None:
    """No disk is there to keep it."""
