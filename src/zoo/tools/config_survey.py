"""What the members of an ensemble say of themselves at this moment.

Each is asked `srvr`, the one four-letter word that ZooKeeper answers by default; where an address
for clients does not stand in the configuration, `conf` may tell whose an address we know is. A
server that answers is in step: while it looks for a leader or is brought up to date it says that it
is not serving.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ssl import SSLContext
from typing import NamedTuple

from zoo.client.hosts import Server
from zoo.config_ensemble import Ensemble, QuorumServer
from zoo.shell.members import ask

NO_ANSWER = "no answer"
NOT_SERVING = "not serving"
SILENT = "does not say"
UNKNOWN = "unknown address"
LEADER = "leader"
STANDALONE = "standalone"
MODES = (LEADER, "follower", "observer", STANDALONE, "read-only")
_ANSWER_SECONDS = 4.0
_ANY_ADDRESS = ("0.0.0.0", "::", "0:0:0:0:0:0:0:0")


@dataclass(frozen=True)
class Answer:
    """One server's. `state` is one of MODES, or why there is none."""

    state: str
    at: Server | None = None
    """Where it serves clients, as far as we know."""
    zxid: int | None = None
    why: str = ""
    version: str = ""

    @property
    def is_in_step(self) -> bool:
        return self.state in (LEADER, "follower", "observer")

    def behind(self, leader: Answer | None) -> int | None:
        """How many transactions it lacks of what the leader has; None where nobody can tell."""
        if leader is None or leader.zxid is None or self.zxid is None:
            return None
        if self.zxid < leader.zxid and self.zxid >> 32 != leader.zxid >> 32:
            return None  # it is an epoch behind
        return max(0, leader.zxid - self.zxid)


class Known(NamedTuple):
    """What whoever asks was told: where some members serve, and how to speak TLS with them."""

    servers: tuple[Server, ...] = ()
    ssl: SSLContext | None = None


def client_address(server: QuorumServer) -> Server | None:
    """Where a member serves clients; None when only its own zoo.cfg says so."""
    if server.client is None:
        return None
    host, port = server.client
    return Server(server.addresses[0].host if host in _ANY_ADDRESS else host, port)


def leader_of(answers: Mapping[int, Answer]) -> int | None:
    """Who leads; one that was cut off and does not know of its successor is behind it."""
    leaders = [(answer.zxid or 0, sid) for sid, answer in answers.items() if answer.state == LEADER]
    return max(leaders)[1] if leaders else None


def leading(answers: Mapping[int, Answer]) -> Answer | None:
    """The leader's answer."""
    sid = leader_of(answers)
    return None if sid is None else answers[sid]


async def survey(ensemble: Ensemble, known: Known) -> dict[int, Answer]:
    """Every member's answer by its number."""
    places = {sid: client_address(server) for sid, server in ensemble.servers.items()}
    if None in places.values():
        places |= await _places(ensemble, known)
    answers = await asyncio.gather(*(look(place, known.ssl) for place in places.values()))
    return dict(zip(places, answers))


async def _places(ensemble: Ensemble, known: Known) -> dict[int, Server]:
    """Addresses of members that do not stand in the configuration: who answers there says who it
    is, or else is the only one on its host.
    """
    found: dict[int, Server] = {}
    lacking = {sid for sid, server in ensemble.servers.items() if server.client is None}
    hosts = [server.addresses[0].host for server in ensemble.servers.values()]
    for place in known.servers:
        conf = await _ask(place, "conf", known.ssl)
        told = re.search(r"^serverId=(-?\d+)$", conf, re.MULTILINE)
        if told:
            sids = {int(told[1])}
        else:
            sids = {
                sid
                for sid, server in ensemble.servers.items()
                if server.addresses[0].host == place.host and hosts.count(place.host) == 1
            }
        found.update(dict.fromkeys(sids & lacking, place))
    return found


async def look(place: Server | None, ssl: SSLContext | None = None) -> Answer:
    """What the server there says of itself."""
    if place is None:
        return Answer(UNKNOWN, why="its address for clients stands only in its own zoo.cfg")
    try:
        text = await ask(place, "srvr", _ANSWER_SECONDS, ssl)
    except OSError as error:
        return Answer(NO_ANSWER, place, why=_reason(error))
    return replace(parse_srvr(text), at=place)


def parse_srvr(text: str) -> Answer:
    """The answer to `srvr`."""
    told = dict(line.partition(": ")[::2] for line in text.splitlines())
    mode = told.get("Mode", "")
    if mode in MODES:
        version = told.get("Zookeeper version", "").partition(",")[0]
        return Answer(mode, zxid=int(told["Zxid"], 16), version=version)
    if "not currently serving" in text:
        return Answer(NOT_SERVING, why="it looks for a leader, or is being brought up to date")
    if "not in the whitelist" in text:
        return Answer(SILENT, why="4lw.commands.whitelist lacks srvr")
    return Answer(SILENT, why="it does not answer like a ZooKeeper server")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {_ANSWER_SECONDS:g} s"
    text = getattr(error, "strerror", None) or str(error)
    return "connection refused" if isinstance(error, ConnectionRefusedError) else text


async def _ask(place: Server, word: str, ssl: SSLContext | None) -> str:
    """The answer to a four-letter word, "" when there is none."""
    try:
        return await ask(place, word, _ANSWER_SECONDS, ssl)
    except OSError:
        return ""
