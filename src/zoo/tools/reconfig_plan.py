"""What a change of the membership would come to, and what could go wrong with it.

Nothing here asks anybody: the configuration, the wish, and what was found out go in, findings come
out. A finding is certain (`REFUSED`: the ensemble would say no), a danger (a person should decide),
or worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from zoo.config_ensemble import OBSERVER, Ensemble
from zoo.errors import Code, KeeperError
from zoo.jute.client_records import ReconfigRequest
from zoo.pipeline.reconfig import Policy, requested
from zoo.tools.config_show import now, numbers
from zoo.tools.config_survey import (
    LEADER,
    NO_ANSWER,
    NOT_SERVING,
    SILENT,
    STANDALONE,
    UNKNOWN,
    Answer,
    leader_of,
)
from zoo.zab.quorum import quorum_of

_ANYTHING = Policy(True, False, True)
"""What some ensemble may allow; the leader's own settings decide."""


class Level(Enum):
    REFUSED = "refused"
    DANGER = "danger"
    NOTE = "note"


class Finding(NamedTuple):
    level: Level
    text: str


class Wish(NamedTuple):
    """What the person asked for: servers that join and leave, or all members. `version`: from
    which, or None for the one that is found."""

    joining: str | None = None
    leaving: str | None = None
    members: str | None = None
    version: int | None = None


class Impossible(Exception):
    """No ensemble would take this; says why."""


@dataclass(frozen=True)
class Plan:
    """A change: from which members to which, and the request for it."""

    old: Ensemble
    new: Ensemble
    request: ReconfigRequest

    @property
    def joiners(self) -> list[int]:
        """Servers that come, or come to another role or other addresses."""
        return [
            sid
            for sid, server in sorted(self.new.servers.items())
            if str(server) != str(self.old.servers.get(sid))
        ]

    @property
    def leavers(self) -> list[int]:
        return sorted(self.old.servers.keys() - self.new.servers.keys())

    @property
    def changes_nothing(self) -> bool:
        return lists_same(self.old, self.new)


def lists_same(one: Ensemble, other: Ensemble) -> bool:
    """Whether both come to the same, however their addresses are written."""
    texts = (replace(each, version=0).text() for each in (one, other))
    first, second = (sorted(text.splitlines()) for text in texts)
    return first == second


@dataclass(frozen=True)
class Facts:
    """What was found out. `answers` has every member's of both configurations."""

    answers: Mapping[int, Answer]
    refusals: tuple[Code, ...] = ()
    """With which the ensemble would answer whatever the change is."""
    loopback: Mapping[str, bool | None] = field(default_factory=dict)
    """Of each host in the new configuration: is it this machine only? None: it has no address."""


def plan(old: Ensemble, wish: Wish) -> Plan:
    """Raises Impossible."""
    if wish.version is not None and wish.version != old.version:
        raise Impossible(f"version {old.version:x} holds, not {wish.version:x}: look again")
    request = ReconfigRequest(wish.joining, wish.leaving, wish.members, old.version)
    try:
        new = requested(old, request, _ANYTHING)
    except KeeperError as refusal:
        raise Impossible(refusal.detail) from refusal
    return Plan(old, new, request)


def findings(plan: Plan, facts: Facts) -> list[Finding]:
    """The worst first."""
    if plan.changes_nothing:
        return []
    found = [
        *_refusals(facts.refusals),
        *_quorums(plan, facts.answers),
        *_joiners(plan, facts.answers),
        *_voters(plan, facts.answers),
        *_addresses(plan.new, facts.loopback),
    ]
    return sorted(found, key=lambda finding: list(Level).index(finding.level))


WAYS_OUT = {
    Code.RECONFIGDISABLED: "reconfigEnabled is not true at the leader: it has to stand in the"
    " zoo.cfg of every member, and takes effect with their next start",
    Code.NOAUTH: "none of your identities may write /zookeeper/config: give --auth"
    " digest:super:PASSWORD (the members' DigestAuthenticationProvider.superDigest), or have an"
    " administrator grant you WRITE with setAcl",
    Code.UNIMPLEMENTED: "the server stands alone and takes no part in an ensemble: start it with a"
    " server line of its own and standaloneEnabled=false",
    Code.RECONFIGINPROGRESS: "another change is under way: wait until it is done, then look again",
    Code.BADVERSION: "the configuration has changed meanwhile: look again",
    Code.NEWCONFIGNOQUORUM: "no quorum of the new configuration is connected to the leader and in"
    " step: start the servers that join, and wait until they are",
    Code.BADARGUMENTS: "the leader does not take this membership; its log says why. With"
    " standaloneEnabled=true (the default) there have to be at least two voters",
    Code.MARSHALLINGERROR: "the leader cannot read the request: servers are server.N=..., those"
    " that leave are numbers",
}
"""What to do about a refusal."""


def _refusals(codes: Iterable[Code]) -> Iterable[Finding]:
    return (Finding(Level.REFUSED, WAYS_OUT[code]) for code in codes)


def _quorums(plan: Plan, answers: Mapping[int, Answer]) -> Iterable[Finding]:
    strangers = _strangers(plan, answers)
    in_step = {sid for sid, a in answers.items() if a.is_in_step and sid not in strangers}
    # Who observes counts only from the change on, and the leader wants a quorum before.
    votes = {sid for sid in in_step if answers[sid].state != OBSERVER}
    unseen = {sid for sid, answer in answers.items() if answer.state in (SILENT, UNKNOWN)}
    # Newcomers that run are waited for before anything is sent.
    coming = {s for s, a in answers.items() if a.state == NOT_SERVING} - plan.old.servers.keys()
    new = quorum_of(plan.new)
    for name, quorum in (("present", quorum_of(plan.old)), ("new", new)):
        if quorum.contains_quorum(votes | coming):
            continue
        up = numbers(votes & set(quorum.voters))
        text = f"no quorum of the {name} configuration is seen to be in step; in step: {up}"
        if quorum.contains_quorum(in_step):
            text += " (who observes now does not count yet)"
        elif quorum.contains_quorum(votes | unseen):
            text += " (not all can be asked from here)"
        yield Finding(Level.DANGER, text)
    for sid in sorted(set(new.voters) & plan.old.servers.keys() - in_step - unseen):
        state = now(answers[sid], None)
        yield Finding(Level.NOTE, f"server {sid} stays, and is not in step now: {state}")
    if new.contains_quorum(in_step) and len(new.voters) > 2:
        needed = [sid for sid in new.voters if not new.contains_quorum(in_step - {sid})]
        if needed:
            text = f"as they are now, the loss of one of {numbers(needed)} would stop all writes"
            yield Finding(Level.NOTE, text)


def _strangers(plan: Plan, answers: Mapping[int, Answer]) -> list[int]:
    """Newcomers that serve without us."""
    return [
        sid
        for sid in plan.new.servers.keys() - plan.old.servers.keys()
        if answers[sid].state in (LEADER, STANDALONE, "read-only")
    ]


def _joiners(plan: Plan, answers: Mapping[int, Answer]) -> Iterable[Finding]:
    strangers = _strangers(plan, answers)
    for sid in plan.joiners:
        answer = answers[sid]
        if sid in strangers:
            text = f"server {sid} serves without this ensemble ({answer.state}), on data of its own"
            yield Finding(Level.DANGER, f"{text}: start it with the present members in its zoo.cfg")
            continue
        if answer.is_in_step:
            continue
        if answer.state == UNKNOWN:
            yield Finding(Level.NOTE, f"server {sid} cannot be watched: {answer.why}")
        elif answer.state == NO_ANSWER and sid not in plan.old.servers:
            yield Finding(
                Level.DANGER,
                f"server {sid} does not run, or cannot be reached at {answer.at} ({answer.why}):"
                " start it first, with the present members and itself in its configuration",
            )
        elif sid not in plan.old.servers:
            text = f"server {sid} is not in step yet ({answer.state}), and will be waited for"
            yield Finding(Level.NOTE, text)


def _voters(plan: Plan, answers: Mapping[int, Answer]) -> Iterable[Finding]:
    old = {server.id for server in plan.old.voters}
    new = {server.id for server in plan.new.voters}
    if not old & new:
        yield Finding(Level.DANGER, "no voter stays: everything depends on servers that are new")
    if len(new) == 1 < len(old):
        yield Finding(
            Level.DANGER,
            "one voter is left: it is a single point of failure, and servers with"
            " standaloneEnabled=true (the default) refuse this",
        )
    if len(new) % 2 == 0 and not plan.new.groups:
        yield Finding(
            Level.NOTE,
            f"{len(new)} voters bear the loss of {(len(new) - 1) // 2}, no more than"
            f" {len(new) - 1} do: better add one, or let one observe",
        )
    leaders = [sid for sid in plan.old.servers if answers[sid].state == LEADER]
    if len(leaders) > 1:
        text = f"servers {numbers(leaders)} all say that they lead: are their files what they were?"
        yield Finding(Level.DANGER, text)
    leader = leader_of(answers)
    if leader is not None and leader not in new:
        yield Finding(
            Level.NOTE,
            f"server {leader} leads and will not vote any more: another takes over, and writes wait"
            " for it meanwhile",
        )


def _addresses(new: Ensemble, loopback: Mapping[str, bool | None]) -> Iterable[Finding]:
    yield from _shared(new)
    for host, is_loopback in loopback.items():
        if is_loopback is None:
            yield Finding(Level.DANGER, f"{host} has no address, seen from here")
    local = [host for host, is_loopback in loopback.items() if is_loopback]
    if local and any(is_loopback is False for is_loopback in loopback.values()):
        yield Finding(
            Level.DANGER,
            f"{', '.join(local)} means each machine itself, and other members are elsewhere:"
            " they will not reach it there",
        )


def _shared(new: Ensemble) -> Iterable[Finding]:
    owners: dict[tuple[str, int], list[str]] = {}
    for sid, server in sorted(new.servers.items()):
        home = server.addresses[0].host
        for address in server.addresses:
            owners.setdefault((address.host, address.quorum_port), []).append(f"{sid} (quorum)")
            owners.setdefault((address.host, address.election_port), []).append(f"{sid} (election)")
        if server.client is not None:
            host = home if server.client[0] in ("0.0.0.0", "::", home) else server.client[0]
            owners.setdefault((host, server.client[1]), []).append(f"{sid} (clients)")
    for (host, port), servers in owners.items():
        if len(servers) > 1:
            text = f"{host} port {port} is to be used twice: by server {' and '.join(servers)}"
            yield Finding(Level.DANGER, text)
