"""A configuration and its members' answers, for people and for machines."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from zoo.config_ensemble import Ensemble, QuorumServer
from zoo.tools.config_survey import Answer, client_address, leader_of, leading
from zoo.zab.quorum import quorum_of

_HEAD = ("server", "role", "quorum, election", "clients at", "now")


def peers(server: QuorumServer) -> str:
    """Where the other members reach it."""
    return str(server).partition(";")[0].rpartition(":")[0]


def clients(server: QuorumServer, answer: Answer | None = None) -> str:
    """Where it serves clients: as configured, or where it was found."""
    known = client_address(server) or (answer.at if answer else None)
    return "?" if known is None else str(known)


def numbers(sids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(sids))) or "none"


def quorum_rule(ensemble: Ensemble) -> str:
    """Who must be up, in a sentence without an end."""
    voters = sorted(server.id for server in ensemble.voters)
    if not (ensemble.groups or ensemble.weights):
        needed = len(voters) // 2 + 1
        if needed == len(voters):
            return f"a quorum is all of {numbers(voters)}: none may fail"
        return f"a quorum is any {needed} of {numbers(voters)}: {len(voters) - needed} may fail"
    groups: dict[int, list[str]] = {}
    for sid in voters:
        weight = ensemble.weights.get(sid, 1)
        note = "" if weight == 1 else f" (weight {weight})"
        groups.setdefault(ensemble.groups[sid], []).append(f"{sid}{note}")
    lists = "; ".join(f"group {gid}: {', '.join(sids)}" for gid, sids in sorted(groups.items()))
    won = len(groups) // 2 + 1
    return f"a quorum is more than half of the weight in each of {won} groups: {lists}"


def now(answer: Answer, leader: Answer | None) -> str:
    """One member's state in words."""
    if answer.zxid is None:
        return f"{answer.state}: {answer.why}"
    behind = answer.behind(leader)
    text = f"{answer.state}, zxid 0x{answer.zxid:x}"
    if not behind:
        return text
    return f"{text}, {behind:,} transaction{'s' if behind > 1 else ''} behind"


def states(answers: dict[int, Answer]) -> dict[int, str]:
    """All members' states in words, by rising number."""
    leader = leading(answers)
    return {sid: now(answer, leader) for sid, answer in sorted(answers.items())}


def table(ensemble: Ensemble, answers: dict[int, Answer]) -> list[str]:
    """The configuration as lines of text."""
    said = states(answers)
    rows = [
        (str(sid), server.role, peers(server), clients(server, answers[sid]), said[sid])
        for sid, server in sorted(ensemble.servers.items())
    ]
    in_step = {sid for sid, answer in answers.items() if answer.is_in_step}
    seen = "there is one" if quorum_of(ensemble).contains_quorum(in_step) else "none is seen"
    return [
        f"version {ensemble.version:x}; {quorum_rule(ensemble)}; {seen} now",
        *columns([_HEAD, *rows]),
    ]


def columns(rows: Collection[tuple[str, ...]]) -> list[str]:
    """Rows with their columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(t.ljust(w) for t, w in zip(row, widths)).rstrip() for row in rows]


def connect_string(ensemble: Ensemble) -> str:
    """What clients may be given: the members whose addresses for clients are known."""
    servers = (client_address(server) for _, server in sorted(ensemble.servers.items()))
    return ",".join(str(server) for server in servers if server is not None)


def as_json(ensemble: Ensemble, answers: dict[int, Answer] | None = None) -> dict[str, Any]:
    """`answers`: what the members say, if they were asked."""
    quorum = quorum_of(ensemble)
    rule: dict[str, Any] = {"rule": "majority", "text": quorum_rule(ensemble)}
    told: dict[str, Any] = {
        "version": f"{ensemble.version:x}",
        "members": [_member(server) for _, server in sorted(ensemble.servers.items())],
        "quorum": {**rule, "voters": list(quorum.voters)},
        "connect": connect_string(ensemble),
    }
    if ensemble.groups or ensemble.weights:
        told["quorum"] |= {
            "rule": "groups",
            "groups": {str(sid): gid for sid, gid in sorted(ensemble.groups.items())},
            "weights": {str(sid): weight for sid, weight in sorted(ensemble.weights.items())},
        }
    if answers is not None:
        leader = leading(answers)
        told["leader"] = leader_of(answers)
        told["quorum"]["up"] = quorum.contains_quorum(
            {sid for sid, answer in answers.items() if answer.is_in_step}
        )
        for member in told["members"]:
            answer = answers[member["id"]]
            member |= {
                "state": answer.state,
                "zxid": None if answer.zxid is None else f"0x{answer.zxid:x}",
                "behind": answer.behind(leader),
                "version": answer.version,
                "why": answer.why,
            }
    return told


def _member(server: QuorumServer) -> dict[str, Any]:
    known = client_address(server)
    return {
        "id": server.id,
        "role": server.role,
        "peers": peers(server),
        "client": None if known is None else str(known),
    }
