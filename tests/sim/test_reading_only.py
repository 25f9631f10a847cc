"""The checker of read-only mode, fed by hand and by broken members."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.sim.entries import OPEN, created, opened
from zoo.errors import Code, KeeperError
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.server import handshake
from zoo.server.member import Member
from zoo.server.writing import ReadOnly
from zoo.sim.checking import Violation
from zoo.sim.client import Request, SimClient
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.cluster_scenario import ClusterScenario
from zoo.sim.history import History
from zoo.sim.reading_only import ReadingOnly
from zoo.sim.schedule import Schedule

READ = Request(1, Op.exists, c.ExistsRequest(b"/a", False))
WRITE = Request(2, Op.create, c.CreateRequest(b"/b", b"", OPEN, 0))
SYNC = Request(3, Op.sync, c.SyncRequest(b"/"))


class Client:
    server = 2
    accepts_read_only = True
    is_read_only = True


class Stage:
    """Two transactions are agreed on, and a client is connected to read only."""

    def __init__(self, *, read_only: bool = True) -> None:
        self.history = History()
        self.history.append(opened(0x100000001))
        self.history.append(created(0x100000002, b"/a", 1))
        self.checker = ReadingOnly(self.history, Schedule())
        self.checker.may_be = True
        self.client: Any = Client()
        self.client.is_read_only = read_only
        self.connect()

    def connect(self) -> None:
        shown = self.client.is_read_only
        self.checker.connected(self.client, c.ConnectResponse(0, 1, 1, b"", shown))

    def reply(self, request: Request, zxid: int = 0x100000002, err: int = 0) -> None:
        self.checker.replied(self.client, request, zxid, err, b"")


def test_reads_are_served_and_nothing_else() -> None:
    stage = Stage()
    stage.reply(READ)
    stage.checker.ponged(stage.client, 0x100000002)
    for request in (WRITE, SYNC):
        stage.reply(request, err=Code.NOTREADONLY)
        with pytest.raises(Violation, match="which only reads, answers"):
            stage.reply(request)
    stage.reply(Request(4, Op.closeSession, None))
    stage.reply(Request(-4, Op.auth, None), 0)
    assert (stage.checker.read, stage.checker.refusals) == (2, 4)


def test_what_is_shown_was_agreed_on() -> None:
    stage = Stage()
    stage.reply(READ, 0x100000001)
    with pytest.raises(Violation, match="never agreed on"):
        stage.reply(READ, 0x100000003)
    with pytest.raises(Violation, match="never agreed on"):
        stage.checker.ponged(stage.client, 0x200000001)


def test_time_runs_forward_across_servers_until_a_client_begins_anew() -> None:
    stage = Stage()
    stage.reply(READ)
    with pytest.raises(Violation, match="after 0x100000002"):
        stage.reply(READ, 0x100000001)
    stage.checker.refused(stage.client)
    stage.reply(READ, 0x100000001)


def test_who_may_write_is_not_refused_as_if_not() -> None:
    stage = Stage(read_only=False)
    stage.reply(WRITE)
    with pytest.raises(Violation, match="which may write"):
        stage.reply(WRITE, err=Code.NOTREADONLY)


def test_nobody_is_made_to_read_only() -> None:
    stage = Stage()
    stage.client.accepts_read_only = False
    with pytest.raises(Violation, match="did not want"):
        stage.connect()
    stage.client.accepts_read_only = True
    stage.checker.may_be = False
    with pytest.raises(Violation, match="did not want"):
        stage.connect()


def test_nothing_changes_there() -> None:
    stage = Stage()
    stage.checker.notified(stage.client, -1, None)
    with pytest.raises(Violation, match="nothing changes"):
        stage.checker.notified(stage.client, 0x100000003, None)


# --- broken members

Patch = pytest.MonkeyPatch
CALM = ClusterScenario(
    *(3, 0), tick_ms=200, pause_us=40_000, faults=FaultMix(every=0), read_only=True
)


def lived(*, anew: bool = False) -> ReadingOnly:
    """The leader is cut off with what it has proposed, and perhaps begins `anew`; clients begin
    anew. Raises Violation.
    """
    world = ClusterWorld(1, scenario=CALM)
    checker = next(one for one in world.service.all if isinstance(one, ReadingOnly))

    def part() -> None:
        (alone,) = (server for server in world.servers if server.is_leading)
        world.reach.split([alone.sid], [each.sid for each in world.servers if each is not alone])
        if anew:
            alone.on_stop = lambda: None
            world.schedule.after(SECOND // 4, lambda: alone.crash(power=False))
            world.schedule.after(SECOND // 2, alone.start)

    def begin_anew(client: SimClient) -> None:
        checker.refused(client)
        client.forget_session()
        client.hang_up()

    world.schedule.after(2 * SECOND, part)
    for number in range(60):
        client = world.clients[number % len(world.clients)]
        world.schedule.after(4 * SECOND + number * SECOND // 20, partial(begin_anew, client))
    world.run(8 * SECOND)
    return checker


def test_there_is_something_to_see() -> None:
    alone = lived()
    assert min(alone.read, alone.refusals) > 0
    assert lived(anew=True).read == 0, "who begins anew knows nothing that was agreed on"


def admits_all(patch: Patch) -> None:
    patch.setattr(ReadOnly, "_accepts", lambda self, connection: True)


def tells_nobody(patch: Patch) -> None:
    patch.setattr(handshake, "READ_ONLY_MODE", "another")


def refuses_otherwise(patch: Patch) -> None:
    def prepare(self: ReadOnly, connection: Any, xid: int, op: int, payload: bytes) -> Any:
        raise KeeperError(Code.NONODE)

    patch.setattr(ReadOnly, "prepare", prepare)


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        (admits_all, "ReadingOnly: .*did not want"),
        (refuses_otherwise, "Durability: .*was acknowledged"),
        (tells_nobody, "OwnSessions: .*has a session that the ensemble knows nothing of"),
    ],
)
def test_whoever_is_served_and_how_is_watched(
    broken: Callable[[Patch], None], seen: str, monkeypatch: Patch
) -> None:
    broken(monkeypatch)
    with pytest.raises(Violation, match=seen):
        lived()


def test_who_shows_what_it_finds_in_its_log_is_seen(monkeypatch: Patch) -> None:
    consider = Member._consider_read_only

    def hasty(self: Member) -> None:
        self._has_served = True
        consider(self)

    monkeypatch.setattr(Member, "_consider_read_only", hasty)
    with pytest.raises(Violation, match=r"ReadingOnly: .*never agreed on"):
        lived(anew=True)
