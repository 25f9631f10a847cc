"""What the checkers of an ensemble have in common: what they may look at, and what they are told.

Theory of operation. As with one server (zoo.sim.checking): a checker states one promise, overrides
the few methods that it needs and calls `violated` when the promise is broken. All of them are told
everything at the very moment. The first, `Agreement`, decides what counts as committed and so is
told of it before the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from zoo.sim.checking import Violation
from zoo.sim.learner_links import End
from zoo.sim.prefixes import Prefix, Prefixes
from zoo.sim.schedule import Schedule
from zoo.zab.configurations import Configuration, Configurations
from zoo.zab.packets import Packet
from zoo.zab.quorum import QuorumVerifier
from zoo.zab.ready import Configured


class CheckedDisk(Protocol):
    """`log` is what the disk was given, `synced` what a power failure leaves, both as histories."""

    @property
    def configured(self) -> Configured | None: ...

    log: Prefix
    synced: Prefix
    accepted: int
    current: int


class CheckedMember(Protocol):
    """A server, as the checkers see it. `state` is what it has applied."""

    sid: int
    is_up: bool
    is_lacking: bool
    """Its disk was replaced, and it has not been sent everything yet."""

    @property
    def disk(self) -> CheckedDisk: ...

    @property
    def state(self) -> Prefix: ...

    @property
    def is_serving(self) -> bool: ...

    @property
    def is_leading(self) -> bool: ...

    @property
    def is_voting(self) -> bool:
        """It looks for a leader, and has said with which history."""
        ...

    @property
    def configurations(self) -> Configurations: ...


class Ensemble:
    """What all checkers of one world look at. `agreed` is the end of what is committed;
    `configuration` the last that has come to hold anywhere, `previous` the one before.
    """

    def __init__(self, schedule: Schedule, configuration: Configuration) -> None:
        self.schedule = schedule
        self.configuration = self.previous = configuration
        self.changes = 0
        self.prefixes = Prefixes()
        self.agreed = self.prefixes.root
        self.members: dict[int, CheckedMember] = {}
        self.at_zxid: dict[int, Prefix] = {0: self.prefixes.root}

    @property
    def quorum(self) -> QuorumVerifier:
        return self.configuration.quorum

    @property
    def belonging(self) -> list[CheckedMember]:
        """Who is a member now."""
        return [self.members[sid] for sid in self.configuration.ensemble.servers]


class ClusterChecker:
    """One promise of the ensemble."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble

    def violated(self, text: str) -> NoReturn:
        raise Violation(f"{type(self).__name__}: {text}")

    # --- a server's process and disk

    def started(self, member: CheckedMember) -> None:
        """It has recovered, and is about to look for a leader."""

    def crashed(self, member: CheckedMember) -> None: ...

    def replaced(self, member: CheckedMember) -> None:
        """It is given an empty disk, and has no vote until a leader has sent it everything."""

    def logged(self, member: CheckedMember, old: Prefix, new: Prefix) -> None:
        """The log on its disk was appended to, cut, or replaced by a snapshot."""

    def synced(self, member: CheckedMember, old: Prefix, new: Prefix) -> None:
        """What is durable of it has changed."""

    def promised(self, member: CheckedMember, epoch: int) -> None:
        """It has written its accepted epoch."""

    def entered(self, member: CheckedMember, epoch: int) -> None:
        """It has written its current epoch."""

    def snapshot(self, member: CheckedMember, prefix: Prefix) -> None:
        """It begins to write what it has applied, up to `prefix`, into a file."""

    # --- its roles

    def leading(self, member: CheckedMember, epoch: int) -> None: ...

    def learning(self, member: CheckedMember) -> None: ...

    def stopped(self, member: CheckedMember) -> None:
        """It serves no more."""

    def applied(self, member: CheckedMember, prefix: Prefix) -> None: ...

    def configured(self, member: CheckedMember, new: Configuration) -> None:
        """It goes by this configuration from now on; the ensemble's is still the one before."""

    def decided(self, member: CheckedMember, prefix: Prefix) -> None:
        """`prefix` is committed; `member` was the first to say so."""

    # --- the wire

    def sent(self, end: End, packet: Packet) -> None:
        """A packet leaves a server over a learner link."""

    # --- time

    def inspect(self) -> None:
        """Now and then."""

    def finished(self) -> None:
        """All has been quiet for long enough."""


class ClusterCheckers:
    """All checkers of one world. Whatever is told to it, all of them are told."""

    def __init__(
        self, ensemble: Ensemble, kinds: Sequence[Callable[[Ensemble], ClusterChecker]]
    ) -> None:
        self.ensemble = ensemble
        self.all = [kind(ensemble) for kind in kinds]
        self._listeners: dict[str, list[Callable[..., None]]] = {}

    def hears(self, what: str) -> bool:
        return bool(self._listening(what))

    def tell(self, what: str, *arguments: Any) -> None:
        for listener in self._listening(what):
            listener(*arguments)

    def _listening(self, what: str) -> list[Callable[..., None]]:
        listeners = self._listeners.get(what)
        if listeners is None:  # only those that override it
            listeners = self._listeners[what] = [
                getattr(checker, what)
                for checker in self.all
                if getattr(type(checker), what) is not getattr(ClusterChecker, what)
            ]
        return listeners

    def configured(self, member: CheckedMember) -> None:
        """Another configuration holds for `member`."""
        ensemble, new = self.ensemble, member.configurations.committed
        self.tell("configured", member, new)
        if new.version > ensemble.configuration.version:
            ensemble.previous, ensemble.configuration = ensemble.configuration, new
            ensemble.changes += not new.lists_same(ensemble.previous)

    def agree(self, member: CheckedMember, prefix: Prefix) -> None:
        """`member` says that all of `prefix` is committed. Raises Violation if that cannot be."""
        ensemble = self.ensemble
        if prefix.agreed:
            return
        start = prefix.back_to_agreed()
        if start is not ensemble.agreed:
            raise Violation(
                f"Agreement: {member} calls {prefix} committed, which leaves the others at "
                f"{start}; they have committed {ensemble.agreed}"
            )
        for one in prefix.since(start):
            one.agreed = True
            ensemble.agreed = one
            ensemble.at_zxid[one.zxid] = one
            self.tell("decided", member, one)
