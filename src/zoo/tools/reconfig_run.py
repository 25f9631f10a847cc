"""Carry a change of the membership out: find out, send, and watch until all are in step.

Theory of operation. The request names the version of the configuration that was looked at, so it
can be sent again when its answer was lost: should the first have been carried out, the second is
refused with BADVERSION, and the configuration that then holds is the wished one. Whether the leader
would refuse any change at all is asked with two requests that no leader carries out, as they name a
version that never was: who is told BADVERSION would have been heard.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address

from zoo.client.async_client import AsyncClient
from zoo.client.errors import BadVersionError, ClientError, Outcome
from zoo.client.following import CONFIG_PATH
from zoo.client.hosts import Server
from zoo.client.retry import is_transient
from zoo.config_ensemble import OBSERVER, Ensemble
from zoo.errors import Code
from zoo.tools.config_live import parsed, read
from zoo.tools.config_show import now
from zoo.tools.config_survey import (
    NOT_SERVING,
    SILENT,
    UNKNOWN,
    Answer,
    Known,
    client_address,
    leading,
    survey,
)
from zoo.tools.reconfig_plan import WAYS_OUT, Facts, Plan, Wish, lists_same, plan

_NEVER = -2
_NEVER_A_ZNODES = 0x7FFFFFFE
_POLL_SECONDS = 0.25
_RETRY_SECONDS = 1.0
_GENERAL = (Code.RECONFIGDISABLED, Code.UNIMPLEMENTED, Code.RECONFIGINPROGRESS, Code.NOAUTH)
_MAY_PASS = {
    Code.NEWCONFIGNOQUORUM: "waiting: the leader sees no quorum of the new configuration in step",
    Code.RECONFIGINPROGRESS: "waiting: another change is under way",
}
_WHO_KNOWS = "no answer came in time; `zoo config` tells what holds now"
Tell = Callable[[str], None]


class Refused(Exception):
    """The ensemble said no; the text says what to do. Nothing was changed."""


class Unknown(Exception):
    """Nobody can say whether the change was made."""


class Lagging(Exception):
    """The change is made, and not all who joined are in step."""


async def prepare(client: AsyncClient[bytes], wish: Wish, known: Known) -> tuple[Plan, Facts]:
    """The plan, and all that can be found out about it. Raises ClientError, Impossible."""
    wanted = plan(await read(client), wish)
    both = replace(wanted.old, servers={**wanted.new.servers, **wanted.old.servers})
    answers = await survey(both, known)
    refusals = () if wanted.changes_nothing else await _general_refusals(client)
    return wanted, Facts(answers, refusals, await _loopback(wanted.new))


async def _general_refusals(client: AsyncClient[bytes]) -> tuple[Code, ...]:
    """With which codes the leader would answer any change by us."""
    found: list[Code] = []
    for ask in (
        lambda: client.reconfig(version=_NEVER),
        lambda: client.set(CONFIG_PATH, b"", version=_NEVER_A_ZNODES),
    ):
        try:
            await client.retrying(ask)
        except BadVersionError:
            continue
        except ClientError as error:
            if error.code not in _GENERAL:
                raise
            found.append(error.code)
    return tuple(found)


async def _loopback(ensemble: Ensemble) -> dict[str, bool | None]:
    """Of each host that the members give: does it mean whatever machine looks it up?"""
    hosts = {a.host: None for server in ensemble.servers.values() for a in server.addresses}
    loop = asyncio.get_running_loop()

    async def is_loopback(host: str) -> bool | None:
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            return None
        addresses = [ip_address(str(at[0]).partition("%")[0]) for *_, at in found]
        return all(address.is_loopback or address.is_unspecified for address in addresses)

    return dict(zip(hosts, await asyncio.gather(*map(is_loopback, hosts))))


class Run:
    """One change under way. `tell` hears of progress, in lines for people."""

    def __init__(self, client: AsyncClient[bytes], plan: Plan, known: Known, tell: Tell) -> None:
        self._client = client
        self._plan = plan
        self._known = known
        self._tell = tell
        self._told: dict[int | None, str] = {}
        """The last line about each server, and (None) about the whole."""

    async def carry_out(self, timeout: float) -> tuple[Ensemble, dict[int, Answer]]:
        """Each of the three stages, up to the request, up to its answer, and until all are in step,
        may take `timeout` s. Raises Refused, Unknown, Lagging.
        """
        self._client.set_hosts(",".join(map(str, self._all_servers())))
        await self._wait_for_newcomers(_now() + timeout)
        changed = await self._send(_now() + timeout)
        self._tell(f"version {changed.version:x} holds")
        return changed, await self._wait_for_joiners(changed, _now() + timeout)

    def _all_servers(self) -> Iterable[Server]:
        """Whoever may know the outcome, also when the one we talk to leaves."""
        both = (*self._plan.old.servers.values(), *self._plan.new.servers.values())
        found = (client_address(server) for server in both)
        return dict.fromkeys(
            (*self._known.servers, *(server for server in found if server is not None))
        )

    async def _wait_for_newcomers(self, deadline: float) -> None:
        """Those that run already are brought up to date before they count."""
        old, new = self._plan.old.servers, self._plan.new
        while True:
            answers = await survey(new, self._known)
            late = {
                sid: answer
                for sid, answer in answers.items()
                if sid not in old and answer.state == NOT_SERVING
            }
            self._tell_states(late, answers)
            if not late:
                return
            if _now() > deadline:
                text = _listed(late)
                raise Refused(f"nothing was sent, since these are not in step: {text}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _send(self, deadline: float) -> Ensemble:
        was_lost = False
        while True:
            try:
                return await self._ask(max(deadline - _now(), _POLL_SECONDS))
            except ClientError as error:
                if is_transient(error) or error.outcome is Outcome.UNKNOWN:
                    was_lost, pause = True, _POLL_SECONDS
                    self._tell(f"the answer was lost ({error.code.name}): looking, asking again")
                elif error.code is Code.BADVERSION and was_lost:
                    return await self._outcome()
                elif error.code in _MAY_PASS and _now() < deadline:
                    pause = _RETRY_SECONDS
                    await self._tell_who_lacks(error.code)
                elif error.code is Code.RECONFIGINPROGRESS and was_lost:
                    raise Unknown(_WHO_KNOWS) from error  # it may be ours
                else:
                    why = WAYS_OUT.get(error.code, str(error))
                    raise Refused(f"{error.code.name}: {why}") from error
            if _now() > deadline:
                raise Unknown(_WHO_KNOWS)
            await asyncio.sleep(pause)

    async def _ask(self, timeout: float) -> Ensemble:
        request = self._plan.request
        node = await self._client.reconfig(
            joining=request.joining_servers,
            leaving=request.leaving_servers,
            members=request.new_members,
            version=request.cur_config_id,
            timeout=timeout,
        )
        return parsed(node.data)

    async def _outcome(self) -> Ensemble:
        """After a lost answer: the wished configuration, if it holds now."""
        try:
            await self._client.retrying(lambda: self._client.sync(CONFIG_PATH))
            found = await read(self._client)
        except ClientError as error:
            raise Unknown(_WHO_KNOWS) from error
        if not lists_same(found, self._plan.new):
            raise Refused(f"BADVERSION: {WAYS_OUT[Code.BADVERSION]}")
        return found

    async def _tell_who_lacks(self, code: Code) -> None:
        if _MAY_PASS[code] not in self._told.values():
            self._told[None] = _MAY_PASS[code]
            self._tell(_MAY_PASS[code])
        answers = await survey(self._plan.new, self._known)
        self._tell_states({s: a for s, a in answers.items() if not a.is_in_step}, answers)

    async def _wait_for_joiners(self, changed: Ensemble, deadline: float) -> dict[int, Answer]:
        while True:
            answers = await survey(changed, self._known)
            joiners = {sid: answers[sid] for sid in self._plan.joiners}
            self._tell_states(joiners, answers)
            late = {sid: a for sid, a in joiners.items() if not is_there(a, changed, sid)}
            leads = leading(answers) is not None or all(map(cannot_be_asked, answers.values()))
            if leads and not late:
                return answers
            if _now() > deadline:
                lacking = _listed(late) or "a leader"
                raise Lagging(f"the change is made, but these are not in step: {lacking}")
            await asyncio.sleep(_POLL_SECONDS)

    def _tell_states(self, some: dict[int, Answer], answers: dict[int, Answer]) -> None:
        leader = leading(answers)
        for sid, answer in some.items():
            text = now(answer, leader).replace(f", zxid 0x{answer.zxid or 0:x}", "")
            if self._told.get(sid) != text:
                self._told[sid] = text
                self._tell(f"server {sid}: {text}")


def is_there(answer: Answer, ensemble: Ensemble, sid: int) -> bool:
    """Whether a server has its part in this configuration and all transactions up to it. Of one
    that nobody can ask we are content to know nothing.
    """
    if cannot_be_asked(answer):
        return True
    observes = ensemble.servers[sid].role == OBSERVER
    has_part = answer.is_in_step and observes == (answer.state == OBSERVER)
    return has_part and (answer.zxid or 0) >= ensemble.version


def cannot_be_asked(answer: Answer) -> bool:
    return answer.state in (SILENT, UNKNOWN)


def _listed(answers: dict[int, Answer]) -> str:
    return ", ".join(f"server {sid} ({now(answer, None)})" for sid, answer in answers.items())


def _now() -> float:
    return asyncio.get_running_loop().time()
