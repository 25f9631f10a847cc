from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.live import run
from tests.interop.ensemble import lone_member
from tests.interop.harness import Server, free_port
from zoo.client.async_client import AsyncClient
from zoo.client.errors import Outcome, error_for
from zoo.client.results import Node
from zoo.config_ensemble import parse_ensemble_text
from zoo.errors import Code
from zoo.jute.records import Stat
from zoo.shell.access import Access
from zoo.tools.config_live import connected
from zoo.tools.config_survey import NO_ANSWER, SILENT, Answer, Known
from zoo.tools.reconfig_plan import Plan, Wish, findings, plan
from zoo.tools.reconfig_run import Lagging, Refused, Run, Unknown, is_there, prepare

GONE = f"server.9=127.0.0.1:1:2:observer;127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory: Path = tmp_path_factory.mktemp("member")
    server = lone_member(directory, skipACL="yes")
    try:
        yield server.start()
    finally:
        server.kill()


async def carry_out(
    client: AsyncClient[bytes], wanted: Plan, told: list[str], timeout: float
) -> int:
    changed, _ = await Run(client, wanted, Known(), told.append).carry_out(timeout)
    return changed.version


def test_a_change_and_a_joiner_that_does_not_come(member: Server) -> None:
    async def main() -> None:
        told: list[str] = []
        async with connected(Access(member.address), 10) as client:
            wanted, facts = await prepare(client, Wish(joining=GONE), Known())
            assert [level.value for level, _ in findings(wanted, facts)] == ["danger"]
            with pytest.raises(Lagging, match=r"not in step: server 9 \(no answer"):
                await carry_out(client, wanted, told, 0.3)
            assert told[-1] == "server 9: no answer: connection refused"
            wanted, facts = await prepare(client, Wish(leaving="9"), Known())
            assert await carry_out(client, wanted, told, 10) > wanted.old.version
            wanted, facts = await prepare(client, Wish(leaving="9"), Known())
            assert (wanted.changes_nothing, facts.refusals) == (True, ())

    run(main())


def test_a_voter_that_does_not_come_is_waited_for_and_refused(member: Server) -> None:
    async def main() -> None:
        told: list[str] = []
        async with connected(Access(member.address), 10) as client:
            wanted, _ = await prepare(client, Wish(joining=GONE.replace(":observer", "")), Known())
            with pytest.raises(Refused, match="NEWCONFIGNOQUORUM: no quorum of the new"):
                await carry_out(client, wanted, told, 0.5)
        assert told[0] == "waiting: the leader sees no quorum of the new configuration in step"
        assert told[1] == "server 9: no answer: connection refused"

    run(main())


def test_what_any_change_would_be_refused_with(tmp_path: Path) -> None:
    server = lone_member(tmp_path)

    async def ask() -> tuple[Code, ...]:
        async with connected(Access(server.address), 10) as client:
            return (await prepare(client, Wish(joining=GONE), Known()))[1].refusals

    try:
        server.start()
        assert run(ask()) == (Code.NOAUTH,)
        server.stop()
        server.settings["reconfigEnabled"] = "false"
        server.start()
        assert run(ask()) == (Code.RECONFIGDISABLED, Code.NOAUTH)
    finally:
        server.kill()


OLD = parse_ensemble_text("server.1=a:1:2;3\nserver.2=b:1:2;3\nversion=5")
PLAN = plan(OLD, Wish(joining="server.3=c:1:2;3"))
DONE = f"{PLAN.new.text().rpartition('version')[0]}version=8"


class Scripted:
    """A client whose reconfig has these outcomes, one after the other; `config` holds meanwhile."""

    def __init__(self, config: str, *outcomes: Code | str) -> None:
        self.config = config
        self._outcomes = list(outcomes)
        self.versions: list[int] = []

    async def reconfig(self, *, version: int, **_: object) -> Node[str]:
        self.versions.append(version)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, str):
            return self._node(outcome)
        lost = outcome is Code.CONNECTIONLOSS
        raise error_for(outcome, outcome=Outcome.UNKNOWN if lost else Outcome.REFUSED)

    def _node(self, text: str) -> Node[str]:
        return Node("/zookeeper/config", text, Stat(*[0] * 11))

    async def get_config(self) -> Node[str]:
        return self._node(self.config)

    async def sync(self, path: str) -> None:
        return None

    async def retrying(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        return await operation()


def send(client: Scripted, seconds: float = 10.0) -> int:
    async def main() -> int:
        one = Run(client, PLAN, Known(), lambda text: None)  # type: ignore[arg-type]
        return (await one._send(asyncio.get_running_loop().time() + seconds)).version

    return asyncio.run(main())


def test_a_lost_answer_is_asked_for_again() -> None:
    client = Scripted("", Code.CONNECTIONLOSS, DONE)
    assert (send(client), client.versions) == (8, [5, 5])
    assert send(Scripted(DONE, Code.CONNECTIONLOSS, Code.BADVERSION)) == 8


def test_somebody_elses_change_is_not_taken_for_ours() -> None:
    other = DONE.replace("server.3=c", "server.3=d")
    with pytest.raises(Refused, match="BADVERSION: the configuration has changed"):
        send(Scripted(other, Code.CONNECTIONLOSS, Code.BADVERSION))
    with pytest.raises(Refused, match="BADVERSION"):
        send(Scripted(DONE, Code.BADVERSION))


def test_when_nobody_answers_the_outcome_is_unknown() -> None:
    with pytest.raises(Unknown):
        send(Scripted("", Code.CONNECTIONLOSS), -1.0)


def test_a_change_under_way_after_a_lost_answer_may_be_ours() -> None:
    with pytest.raises(Unknown):
        send(Scripted("", Code.CONNECTIONLOSS, Code.RECONFIGINPROGRESS), 0.2)
    with pytest.raises(Refused, match="RECONFIGINPROGRESS: another change"):
        send(Scripted("", Code.RECONFIGINPROGRESS), -1.0)


def test_who_has_its_part() -> None:
    new = parse_ensemble_text("server.1=a:1:2;3\nserver.2=b:1:2:observer;3\nversion=5")
    answers = [Answer(state, zxid=5) for state in ("leader", "follower", "observer", NO_ANSWER)]
    assert [is_there(answer, new, 1) for answer in answers] == [True, True, False, False]
    assert [is_there(answer, new, 2) for answer in answers] == [False, False, True, False]
    assert not is_there(Answer("follower", zxid=4), new, 1)
    assert is_there(Answer(SILENT), new, 1)
