"""What a changing configuration promises, one small checker each.

Theory of operation. The configuration that holds is the last that any member has begun to go by. It
may begin only when a quorum of the one before and a quorum of its own know of it on their disks:
then each quorum of the old one has somebody who decides nothing without the new one, so two that
succeed each other never decide apart (`Activation`). Who leads must have been promised its epoch by
a quorum of the configuration that holds, whatever the leader itself knew, and goes by that one or a
later one (`Electors`). That what is committed is on disks of quorums of both is said by `Durable`.
"""

from __future__ import annotations

from dataclasses import replace

from zoo.config_ensemble import Ensemble as Members
from zoo.sim.cluster_checking import CheckedMember, ClusterChecker, Ensemble
from zoo.sim.prefixes import Prefix
from zoo.zab.configurations import Configuration, parse_configuration


class Activation(ClusterChecker):
    """Configurations come to hold in one order, with the same voters everywhere, each known to
    quorums of itself and of the one before.

    (Observers may differ: to bring a removed server back its operator adds it to a copy of what
    holds, and who has not heard of that one yet may hear of the copy.)
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._voters: dict[int, Members] = {}
        self._last: dict[int, int] = {}

    def started(self, member: CheckedMember) -> None:
        self._last[member.sid] = member.configurations.committed.version

    def configured(self, member: CheckedMember, new: Configuration) -> None:
        version, last = new.version, self._last.get(member.sid, 0)
        if version <= last:
            self.violated(f"{member} goes by version 0x{version:x} after 0x{last:x}")
        self._last[member.sid] = version
        voters = _voting(new)
        if self._voters.setdefault(version, voters) != voters:
            self.violated(f"{member} has another configuration of version 0x{version:x}")
        holds = self.ensemble.configuration
        if version > holds.version:
            self._begins(member, holds, new)

    def _begins(self, member: CheckedMember, old: Configuration, new: Configuration) -> None:
        knowing = [s for s, one in self.ensemble.members.items() if _known(one) >= new.version]
        for each in (old, new):
            if not each.quorum.contains_quorum(knowing):
                self.violated(
                    f"{member} goes by version 0x{new.version:x}, which only {knowing} have on "
                    f"their disks: no quorum of {each.quorum}"
                )


def _voting(configuration: Configuration) -> Members:
    """What of it decides."""
    whole = configuration.ensemble
    return replace(whole, servers={server.id: server for server in whole.voters})


def _known(member: CheckedMember) -> int:
    """The latest version that a member's disk tells of."""
    configured = member.disk.configured
    if configured is None:
        return 0
    if configured.seen is None:
        return configured.version
    return max(configured.version, parse_configuration(configured.seen).version)


class Electors(ClusterChecker):
    """Who is established in the latest epoch had it promised by a quorum of the configuration that
    holds, votes in it or did in the one before, and goes by it. Who has no vote any more commits
    nothing behind the change by which that is.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ensemble)
        self._latest = 0

    def leading(self, member: CheckedMember, epoch: int) -> None:
        if epoch < self._latest:
            return  # it stood still meanwhile, and can decide nothing any more
        self._latest = epoch
        ensemble = self.ensemble
        holds, before = ensemble.configuration, ensemble.previous
        promised = [s for s, one in ensemble.members.items() if one.disk.accepted >= epoch]
        if not holds.quorum.contains_quorum(promised):
            self.violated(
                f"{member} leads in epoch {epoch}, which only {promised} have promised: no quorum "
                f"of {holds.quorum}"
            )
        if member.sid not in (*holds.quorum.voters, *before.quorum.voters):
            self.violated(f"{member} leads, which has no vote")
        mine = member.configurations.committed.version
        if mine < holds.version:
            self.violated(
                f"{member} leads by version 0x{mine:x} of the configuration, but 0x"
                f"{holds.version:x} holds"
            )

    def decided(self, member: CheckedMember, prefix: Prefix) -> None:
        holds = self.ensemble.configuration
        is_own = prefix.zxid >> 32 == member.disk.current  # not of the history that it took over
        if (
            is_own
            and prefix.zxid > holds.version > 0
            and member.is_leading
            and member.sid not in holds.quorum.voters
        ):
            self.violated(f"{member} commits {prefix}, it has no vote by 0x{holds.version:x}")


class Informed(ClusterChecker):
    """After a quiet time all members go by the same configuration."""

    def finished(self) -> None:
        holds = self.ensemble.configuration
        for member in self.ensemble.belonging:
            mine = member.configurations.committed.version
            if member.is_up and mine != holds.version:
                self.violated(
                    f"{member} goes by version 0x{mine:x}, the others by 0x{holds.version:x}"
                )


CONFIGURATION = (Activation, Electors, Informed)
