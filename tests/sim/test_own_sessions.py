"""The checker of sessions that one member alone knows, fed by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.sim.entries import OPEN, created, multi, opened
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute import txn_records as t
from zoo.jute.operations import Op
from zoo.jute.txns import encode_txn
from zoo.server import learning, writing
from zoo.server.learning import Forwarding
from zoo.server.local_sessions import LocalSessions
from zoo.sim.checking import Violation
from zoo.sim.client import Request
from zoo.sim.cluster import ClusterWorld
from zoo.sim.cluster_faults import SECOND, FaultMix
from zoo.sim.cluster_scenario import ClusterScenario, SessionKind
from zoo.sim.history import History
from zoo.sim.own_sessions import OwnSessions, asks_for_ephemeral
from zoo.sim.schedule import Schedule

TIMEOUT = 4_000
HOME, OTHER = 2, 3
EPHEMERAL = Request(7, Op.create, c.CreateRequest(b"/e", b"", OPEN, 1))
PLAIN = Request(8, Op.create, c.CreateRequest(b"/p", b"", OPEN, 0))
CLOSE = Request(9, Op.closeSession, None)


class Client:
    def __init__(self) -> None:
        self.session_id = HOME << 56 | 0x51
        self.server = HOME


class Stage:
    """A client with a session that server 2 has granted at 0 ms."""

    def __init__(self, kind: SessionKind = SessionKind.UPGRADING, *, reads_only: bool = False):
        self.history, self.schedule = History(), Schedule()
        self.checker = OwnSessions(self.history, self.schedule)
        self.checker.kind = kind
        self.client: Any = Client()
        self.reads_only = reads_only
        self.connect()

    def connect(self, server: int = HOME) -> None:
        self.client.server = server
        self.checker.reached(server, self.client.session_id)
        self.answer()

    def answer(self) -> None:
        """Its server's answer to the connect request arrives."""
        response = c.ConnectResponse(0, TIMEOUT, self.client.session_id, b"", self.reads_only)
        self.checker.connected(self.client, response)

    def at(self, ms: int) -> Stage:
        self.schedule.run_until(ms * 1000)
        return self

    def refuse(self, server: int = HOME) -> None:
        self.client.server = server
        self.checker.refused(self.client)

    def send(self, request: Request) -> None:
        self.checker.sent(self.client, request)

    def reply(self, request: Request, err: int = 0) -> None:
        self.checker.replied(self.client, request, 1, err, b"")

    def log(self, entry: bytes) -> None:
        self.checker.logged(self.history.append(entry))

    def open(self) -> None:
        self.log(opened(self.history.last_zxid + 1, self.client.session_id))

    def write(self) -> None:
        zxid = self.history.last_zxid + 1
        entry = bytearray(created(zxid, b"/w", 1))
        entry[:8] = self.client.session_id.to_bytes(8, "big")
        self.log(bytes(entry))


def test_a_local_session_lives_where_it_was_opened() -> None:
    stage = Stage()
    assert stage.checker.is_own(stage.client.session_id)
    stage.write()
    stage.connect()
    stage.refuse(OTHER)
    assert (stage.checker.resumed, stage.checker.moved) == (1, 1)
    with pytest.raises(Violation, match="a local session of s2"):
        stage.connect(OTHER)


def test_whose_it_is_says_its_number() -> None:
    stage = Stage()
    stage.client.session_id += 1
    with pytest.raises(Violation, match="for its own"):
        stage.connect(OTHER)


def test_a_grant_may_come_from_a_server_that_has_forgotten_it_by_then() -> None:
    stage = Stage()
    stage.client.session_id += 1
    stage.checker.reached(HOME, stage.client.session_id)
    stage.checker.forgets(HOME)
    stage.answer()
    stage.refuse()
    assert stage.checker.granted == 2


def test_a_session_that_is_global_from_the_beginning_is_none_of_them() -> None:
    stage = Stage()
    stage.client.session_id += 1
    stage.checker.reached(HOME, stage.client.session_id)
    stage.open()
    stage.connect(OTHER)
    assert stage.checker.granted == 1


def test_without_local_sessions_all_are_agreed_on() -> None:
    with pytest.raises(Violation, match="knows nothing of"):
        Stage(SessionKind.GLOBAL)
    stage = Stage(SessionKind.GLOBAL, reads_only=True)
    assert not stage.checker.is_own(stage.client.session_id)
    with pytest.raises(Violation, match="may only read"):
        stage.write()


def test_it_ends_by_silence_and_not_before() -> None:
    stage = Stage().at(3_000)
    stage.checker.reached(HOME, stage.client.session_id)
    stage.checker.reached(OTHER, 0x77)
    stage.at(3_000 + TIMEOUT - 10)
    with pytest.raises(Violation, match="after 3990 ms of silence"):
        stage.refuse()
    stage.at(3_000 + TIMEOUT).refuse()


def test_a_member_that_begins_anew_has_forgotten_it() -> None:
    stage = Stage()
    stage.checker.forgets(OTHER)
    stage.connect()
    stage.checker.forgets(HOME)
    stage.refuse()
    with pytest.raises(Violation, match="cannot know"):
        stage.connect()


def test_the_answer_that_takes_it_up_may_come_when_it_is_forgotten() -> None:
    stage = Stage()
    stage.checker.reached(HOME, stage.client.session_id)
    stage.checker.forgets(HOME)
    stage.answer()
    assert stage.checker.resumed == 1


def test_its_end_is_its_end() -> None:
    stage = Stage()
    stage.send(CLOSE)
    stage.refuse()
    stage.write()
    stage.reply(CLOSE)
    with pytest.raises(Violation, match="which was closed"):
        stage.connect()
    stage.log(multi(2))
    stage.log(_of(stage, 3, Op.setData, t.SetDataTxn(b"/w", b"", 1), cxid=CLOSE.xid - 1))
    with pytest.raises(Violation, match="closed before"):
        stage.log(_of(stage, 4, Op.setData, t.SetDataTxn(b"/w", b"", 2), cxid=CLOSE.xid + 1))


def _of(stage: Stage, zxid: int, op: Op, record: Any, cxid: int = 1) -> bytes:
    return encode_txn(t.TxnHeader(stage.client.session_id, cxid, zxid, 0, op), record)


def test_an_ephemeral_makes_it_global_and_nothing_else_does() -> None:
    stage = Stage()
    stage.send(PLAIN)
    with pytest.raises(Violation, match="unasked"):
        stage.open()
    stage = Stage()
    stage.send(EPHEMERAL)
    stage.refuse()  # nobody knows yet whether it is global
    stage.open()
    stage.reply(EPHEMERAL)
    stage.connect(OTHER)
    assert stage.checker.upgraded == 1
    assert not stage.checker.is_own(stage.client.session_id)


def test_an_ephemeral_is_refused_where_it_may_not_and_only_there() -> None:
    refusal = Code.EPHEMERALONLOCALSESSION
    stage = Stage(SessionKind.LOCAL)
    stage.send(EPHEMERAL)
    stage.reply(EPHEMERAL, refusal)
    with pytest.raises(Violation, match="refused as a local"):
        stage.reply(PLAIN, refusal)
    with pytest.raises(Violation, match="is done for"):
        stage.reply(EPHEMERAL)
    with pytest.raises(Violation, match="unasked"):
        stage.open()
    stage = Stage()
    with pytest.raises(Violation, match="refused as a local"):
        stage.reply(EPHEMERAL, refusal)


def test_what_asks_for_an_ephemeral() -> None:
    assert asks_for_ephemeral(EPHEMERAL)
    assert not asks_for_ephemeral(CLOSE)
    assert asks_for_ephemeral(Request(1, Op.multi, [(Op.create, EPHEMERAL.record)]))
    assert not asks_for_ephemeral(Request(1, Op.multi, [(Op.delete, c.DeleteRequest(b"/e", -1))]))


def test_none_is_left_over() -> None:
    stage = Stage()
    core: Any = type("Core", (), {"local_sessions": []})
    stage.checker.finished(core)
    core.local_sessions = [1]
    with pytest.raises(Violation, match="outlive"):
        stage.checker.finished(core)


# --- broken members

Patch = pytest.MonkeyPatch
CALM = ClusterScenario(*(3, 0), tick_ms=200, pause_us=40_000, faults=FaultMix(every=0))


def lived(kind: SessionKind) -> OwnSessions:
    """A calm world whose clients break their connections. Raises Violation."""
    world = ClusterWorld(1, scenario=replace(CALM, sessions=kind))
    for number in range(30):
        client = world.clients[number % len(world.clients)]
        world.schedule.after(SECOND // 2 + number * SECOND // 10, client.hang_up)
    world.run(4 * SECOND)
    return next(one for one in world.service.all if isinstance(one, OwnSessions))


def test_there_is_something_to_see() -> None:
    local = lived(SessionKind.LOCAL)
    assert min(local.granted, local.resumed, local.moved) > 0
    assert local.upgraded == 0
    assert lived(SessionKind.UPGRADING).upgraded > 0


@pytest.mark.parametrize(
    "needs_global", [lambda op, payload: False, lambda op, payload: op == Op.create]
)
def test_what_makes_a_session_global_is_watched(needs_global: Any, monkeypatch: Patch) -> None:
    for module in (learning, writing):
        monkeypatch.setattr(module, "needs_global", needs_global)
    with pytest.raises(Violation, match=r"^O"):
        lived(SessionKind.UPGRADING)


def taken_up_by_whoever_is_asked(patch: Patch) -> None:
    def revalidated(self: Forwarding, session_id: int, valid: bool) -> None:
        connection = self._revalidating.pop(session_id)
        if not connection.closing and connection.handshake is not None:
            local = self._core.local_sessions
            local.take_up(connection, session_id, connection.handshake.timeout)
            connection.session.is_local = True
            connection.handshake.established()

    patch.setattr(Forwarding, "revalidated", revalidated)


def never_ended(patch: Patch) -> None:
    patch.setattr(LocalSessions, "expire", lambda self: None)


def ended_before_their_time(patch: Patch) -> None:
    expire = LocalSessions.expire

    def hasty(self: LocalSessions) -> None:
        self._tracker.advance(self._core.now_ms + 300)
        expire(self)

    patch.setattr(LocalSessions, "expire", hasty)


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        (taken_up_by_whoever_is_asked, "takes up"),
        (never_ended, "outlive"),
        (ended_before_their_time, "is over after"),
    ],
)
def test_whose_it_is_and_when_it_ends_is_watched(
    broken: Callable[[Patch], None], seen: str, monkeypatch: Patch
) -> None:
    broken(monkeypatch)
    with pytest.raises(Violation, match=f"OwnSessions: .*{seen}"):
        lived(SessionKind.LOCAL)
