"""The checker of sessions, fed by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.sim.entries import OPEN, SESSION
from zoo.jute import txn_records as t
from zoo.jute.operations import Op
from zoo.jute.txns import encode_txn
from zoo.sim.checking import Violation
from zoo.sim.client import Request
from zoo.sim.history import History
from zoo.sim.host import WALL_START_MS
from zoo.sim.schedule import Schedule
from zoo.sim.session_checker import Sessions

TIMEOUT = 4_000
CORE: Any = SimpleNamespace(
    sessions=SimpleNamespace(interval=1_000),
    config=SimpleNamespace(tick_time_ms=1_000),
    attached={},
)


class Stage:
    """A session opened at 0 ms with an ephemeral; time passes by `at`."""

    def __init__(self) -> None:
        self.history, self.schedule = History(), Schedule()
        self.checker = Sessions(self.history, self.schedule)
        self.checker.recovered(CORE)
        self.log(Op.createSession, t.CreateSessionTxn(TIMEOUT))
        self.log(Op.create, t.CreateTxn(b"/e", b"", OPEN, True, 1))

    def at(self, ms: int) -> Stage:
        self.schedule.run_until(ms * 1000)
        return self

    def log(self, op: Op, record: Any, session: int = SESSION) -> None:
        zxid = self.history.last_zxid + 1
        header = t.TxnHeader(session, 0, zxid, WALL_START_MS + self.schedule.now_ms, op)
        self.checker.logged(self.history.append(encode_txn(header, record)))

    def close(self, *paths: bytes) -> None:
        self.log(Op.closeSession, t.CloseSessionTxn(list(paths)))

    def heard(self) -> None:
        self.checker.heard(SESSION)


def test_silence_ends_a_session() -> None:
    stage = Stage().at(TIMEOUT)
    stage.close(b"/e")
    assert stage.checker.expired == 1


def test_not_before_its_timeout() -> None:
    stage = Stage().at(500)
    stage.heard()
    stage.at(TIMEOUT + 400)
    with pytest.raises(Violation, match="expired after 3900 ms"):
        stage.close(b"/e")


def test_stalls_do_not_count() -> None:
    stage = Stage().at(2_000)
    stage.checker.stalled(10_000_000)
    stage.at(12_400)
    with pytest.raises(Violation, match="expired after 2400 ms"):
        stage.close(b"/e")


def test_a_stall_may_be_charged_a_little() -> None:
    stage = Stage().at(3_500)
    stage.checker.stalled(10_000_000)
    stage.at(13_500)
    stage.close(b"/e")
    assert stage.checker.expired == 1


def test_by_request_at_any_time() -> None:
    stage = Stage()
    client: Any = SimpleNamespace(session_id=SESSION)
    stage.checker.sent(client, Request(1, Op.closeSession, None))
    stage.close(b"/e")
    assert stage.checker.expired == 0


def test_ephemerals_go_along_and_no_others() -> None:
    stage = Stage().at(9_000)
    with pytest.raises(Violation, match="outlive"):
        stage.close()
    stage = Stage().at(9_000)
    stage.log(Op.create, t.CreateTxn(b"/p", b"", OPEN, False, 2))
    with pytest.raises(Violation, match="not its own"):
        stage.close(b"/e", b"/p")


def test_nothing_is_written_without_a_session() -> None:
    stage = Stage().at(9_000)
    stage.close(b"/e")
    with pytest.raises(Violation, match="not open"):
        stage.log(Op.create, t.CreateTxn(b"/late", b"", OPEN, False, 2))
    stage.log(Op.createSession, t.CreateSessionTxn(TIMEOUT), 0x99)
    with pytest.raises(Violation, match="opened again"):
        stage.log(Op.createSession, t.CreateSessionTxn(TIMEOUT), 0x99)


def test_a_silent_session_must_end_in_time() -> None:
    stage = Stage().at(TIMEOUT + 2_900)
    stage.checker.inspect(CORE)
    stage.at(TIMEOUT + 3_100)
    with pytest.raises(Violation, match="lives on after"):
        stage.checker.inspect(CORE)
    with pytest.raises(Violation, match="outlive their clients"):
        stage.checker.finished(CORE)


@pytest.mark.parametrize(
    ("ttl", "wait", "fine"), [(1_000, 1_001, True), (1_000, 1_000, False), (0, 9_000, False)]
)
def test_reaping(ttl: int, wait: int, fine: bool) -> None:
    stage = Stage()
    if ttl:
        stage.log(Op.createTTL, t.CreateTTLTxn(b"/t", b"", OPEN, 2, ttl))
    else:
        stage.log(Op.createContainer, t.CreateContainerTxn(b"/t", b"", OPEN, 2))
    stage.at(wait)
    if fine:
        stage.log(Op.deleteContainer, t.DeleteTxn(b"/t"), 0)
        assert stage.history.now(b"/t") is None
    else:
        with pytest.raises(Violation, match="reaped"):
            stage.log(Op.deleteContainer, t.DeleteTxn(b"/t"), 0)
