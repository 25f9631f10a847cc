"""Who changes the members of a simulated ensemble: drawn from the seed, now sensible, now not.

Theory of operation. The operator looks at the configuration that some serving member shows, which
may be an old one, and asks for another: servers join and leave, vote or observe, move to other
ports, all of that at once, or in groups. A server that is to join is given an initial configuration
first, the members and itself, and started; once removed it keeps its disk. Some requests are wrong.

A server that had been removed and comes back with its disk is told the version, too, and that it
observes: with an older version or as a voter it could believe in an ensemble that is no more, and
make others believe in it that have not heard of a change since. That is a rule for operators, not
one of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from zoo.config_ensemble import OBSERVER, PARTICIPANT, Ensemble, PeerAddress, QuorumServer
from zoo.jute.client_records import ReconfigRequest
from zoo.sim.schedule import Schedule
from zoo.zab.configurations import Configuration, Configurations, configuration_of

SECOND = 1_000_000
MOST_VOTERS = 7


class Site(Protocol):
    """A machine, as its operator sees it."""

    sid: int
    is_up: bool
    addresses: tuple[PeerAddress, ...]
    """Where it listens, or did last."""

    @property
    def is_serving(self) -> bool: ...

    @property
    def is_leading(self) -> bool: ...

    @property
    def is_stalled(self) -> bool: ...

    @property
    def is_prepared(self) -> bool:
        """It was told once who is a member."""
        ...

    @property
    def configurations(self) -> Configurations: ...

    def prepare(self, configuration: Configuration) -> None:
        """Write the configuration with which its next process begins."""
        ...

    def start(self) -> None: ...

    def crash(self, *, power: bool) -> None: ...


def listed(sid: int, role: str = PARTICIPANT, place: int = 0) -> QuorumServer:
    """The line of a server; at another `place` it has other ports."""
    address = PeerAddress(f"10.0.0.{sid}", 2888 + place, 3888 + place)
    return QuorumServer(sid, (address,), role, ("0.0.0.0", 2181))


def initial(voters: Sequence[int], observers: Sequence[int]) -> Configuration:
    """What all begin with."""
    servers = [*map(listed, voters), *(listed(sid, OBSERVER) for sid in observers)]
    return configuration_of(Ensemble({server.id: server for server in servers}))


def request_of(
    joining: Sequence[QuorumServer],
    leaving: Sequence[int],
    version: int,
    members: str | None = None,
) -> ReconfigRequest:
    return ReconfigRequest(
        ",".join(f"server.{one.id}={one}" for one in joining) or None,
        ",".join(map(str, leaving)) or None,
        members,
        version,
    )


class Operator:
    """`ask` brings a request to the ensemble; what becomes of it the operator sees later."""

    def __init__(
        self,
        schedule: Schedule,
        rng: Random,
        sites: Sequence[Site],
        every: int,
        ask: Callable[[ReconfigRequest], None],
        trace: Callable[[str], None],
    ) -> None:
        self.schedule = schedule
        self.rng = rng
        self.sites = list(sites)
        self.every = every
        self.trace = trace
        self.stopped = False
        self.asked = 0
        self._ask = ask
        self._places = 0
        self._kinds: dict[Callable[[Configuration], None], int] = {
            self._add: 6,
            self._remove: 4,
            self._turn: 3,
            self._move: 2,
            self._exchange: 3,
            self._list: 3,
            self._blunder: 1,
            self._hurry: 1,
        }

    def begin(self) -> None:
        if self.every:
            self.schedule.after(int(self.rng.expovariate(1 / self.every)), self._act)

    def _act(self) -> None:
        if self.stopped:
            return
        known = self._shown()
        if known is not None:
            (action,) = self.rng.choices(list(self._kinds), list(self._kinds.values()))
            action(known)
        self.begin()

    def _shown(self) -> Configuration | None:
        """What a member shows that is served by somebody."""
        serving = [s for s in self.sites if s.is_serving and not s.is_stalled]
        return self.rng.choice(serving).configurations.committed if serving else None

    def ask(
        self,
        known: Configuration,
        joining: Sequence[QuorumServer] = (),
        leaving: Sequence[int] = (),
        members: str | None = None,
        version: int | None = None,
    ) -> None:
        """Send a request now, as a rule for the configuration `known` alone: who is listed as it
        was known long ago may be elsewhere by now, could be elected and never reached.
        """
        if version is None:
            version = known.version
        request = request_of(joining, leaving, version, members)
        self.asked += 1
        what = [f"{one.id} as {one.role}" for one in joining]
        self.trace(
            f"the operator asks: {what} join, {list(leaving)} leave"
            if members is None
            else f"the operator asks for {members.split()}"
        )
        self._ask(request)

    def _later(self, action: Callable[[], None]) -> None:
        """Once the joiner is in step, or before."""
        delay = self.rng.randint(0, 3 * SECOND)
        self.schedule.after(delay, lambda: None if self.stopped else action())

    def _version(self, known: Configuration) -> int:
        """Whatever holds, or the one that is known alone."""
        return self.rng.choice((-1, known.version))

    # --- what is asked for

    def _role(self, known: Configuration) -> str:
        if len(known.quorum.voters) >= MOST_VOTERS:
            return OBSERVER
        return self.rng.choice((PARTICIPANT, PARTICIPANT, OBSERVER))

    def _line(self, sid: int, role: str) -> QuorumServer:
        """As it is known, if it is, but for the role."""
        return listed(sid, role, self._place_of(sid))

    def _place_of(self, sid: int) -> int:
        site = next(site for site in self.sites if site.sid == sid)
        return site.addresses[0].quorum_port - 2888 if site.addresses else 0

    def _outsider(self, known: Configuration) -> Site | None:
        """A server that is no member, up and running."""
        outside = [site for site in self.sites if site.sid not in known.ensemble.servers]
        if not outside:
            return None
        site = self.rng.choice(outside)
        if not site.is_up or (not site.is_serving and self.rng.random() < 0.3):
            self._introduce(site, known)
        return site if site.is_up else None

    def _introduce(self, site: Site, known: Configuration) -> None:
        """Tell it the members and itself, and start it."""
        role, version = self.rng.choice((PARTICIPANT, OBSERVER)), 0
        if site.is_prepared:
            version = known.version
        if site.is_prepared or known.ensemble.groups:  # a voter would need a group
            role = OBSERVER
        line = self._line(site.sid, role)
        servers = {**known.ensemble.servers, site.sid: line}
        members = replace(known.ensemble, servers=servers, version=version)
        self.trace(f"the operator starts s{site.sid} as {role} of {sorted(members.servers)}")
        if site.is_up:
            site.crash(power=False)
        site.prepare(configuration_of(members))
        site.start()

    def _add(self, known: Configuration) -> None:
        site = self._outsider(known)
        if site is not None:
            line = self._line(site.sid, self._role(known))
            self._later(lambda: self.ask(known, [line], version=self._version(known)))

    def _member(self, known: Configuration) -> int:
        leaders = [s.sid for s in self.sites if s.is_leading and s.sid in known.ensemble.servers]
        if leaders and self.rng.random() < 0.4:
            return self.rng.choice(leaders)
        return self.rng.choice(list(known.ensemble.servers))

    def _remove(self, known: Configuration) -> None:
        self.ask(known, leaving=[self._member(known)], version=self._version(known))

    def _turn(self, known: Configuration) -> None:
        """A voter shall observe, or the other way round."""
        server = known.ensemble.servers[self._member(known)]
        role = OBSERVER if server.role == PARTICIPANT else PARTICIPANT
        self.ask(known, [replace(server, role=role)])

    def _moved(self, server: QuorumServer) -> QuorumServer:
        self._places = (self._places + 1) % 500
        client = self.rng.choice((server.client, ("0.0.0.0", 2182)))
        return replace(listed(server.id, server.role, self._places), client=client)

    def _move(self, known: Configuration) -> None:
        self.ask(known, [self._moved(known.ensemble.servers[self._member(known)])])

    def _exchange(self, known: Configuration) -> None:
        site = self._outsider(known)
        if site is not None:
            leaving = self._member(known)
            line = self._line(site.sid, known.ensemble.servers[leaving].role)
            self._later(lambda: self.ask(known, [line], [leaving], version=self._version(known)))

    def _list(self, known: Configuration) -> None:
        """The whole new configuration, in groups or not."""
        rng = self.rng
        servers = dict(known.ensemble.servers)
        for site in self.sites:
            if site.is_serving and site.sid not in servers and rng.random() < 0.5:
                servers[site.sid] = self._line(site.sid, self._role(known))
        for sid in list(servers):
            if rng.random() < 0.15:
                del servers[sid]
            elif rng.random() < 0.1 and sid in known.ensemble.servers:
                servers[sid] = self._moved(servers[sid])
            elif rng.random() < 0.1:
                servers[sid] = replace(servers[sid], role=self._role(known))
        groups: dict[int, int] = {}
        weights: dict[int, int] = {}
        if rng.random() < 0.4:
            count = rng.randint(1, 3)
            for sid, server in servers.items():
                if server.role == PARTICIPANT:
                    groups[sid] = rng.randint(1, count)
                    weights[sid] = rng.choice((0, 1, 1, 1, 2))
        text = Ensemble(servers, groups, weights).text()
        self.ask(known, members=text.rpartition("version=")[0])

    def _blunder(self, known: Configuration) -> None:
        """What must be refused."""
        nobody = listed(99)
        self.rng.choice(
            (
                lambda: self.ask(known, [nobody], version=known.version + 1),
                lambda: self.ask(known, leaving=list(known.ensemble.servers)),
                lambda: self.ask(known, members="server.1=nonsense"),
                lambda: self.ask(known, [nobody], [*known.quorum.voters]),
                lambda: self.ask(known, [replace(known.ensemble.voters[0], id=98)]),
            )
        )()

    def _hurry(self, known: Configuration) -> None:
        """Two at a time: the second comes while the first is under way, or just behind it."""
        self._turn(known)
        self._remove(known)

    # --- the end

    def repair(self, holds: Configuration) -> None:
        """Tell the members that cannot find out by themselves what holds: those that do not start,
        and those that ask voters of which none is a member any more, where it was.
        """
        for site in self.sites:
            if site.sid in holds.ensemble.servers:
                if self._is_lost(site, holds):
                    self._tell(site, holds)
            elif not site.is_up and any(self._awaits(other, site.sid) for other in self.sites):
                self._introduce(site, holds)

    def _tell(self, site: Site, holds: Configuration) -> None:
        self.trace(f"the operator tells s{site.sid} who the members are")
        if site.is_up:
            site.crash(power=False)
        site.prepare(holds)
        site.start()

    def _awaits(self, site: Site, sid: int) -> bool:
        """Whether a change that `site` has seen may need the vote of server `sid`."""
        return site.is_up and sid in site.configurations.servers

    def _is_lost(self, site: Site, holds: Configuration) -> bool:
        if not site.is_up:
            return True
        if site.is_serving:
            return False
        mine, theirs = site.configurations.committed, holds.ensemble.servers
        return mine.version < holds.version and not any(
            sid in theirs and theirs[sid].addresses == mine.ensemble.servers[sid].addresses
            for sid in mine.quorum.voters
            if sid != site.sid
        )
