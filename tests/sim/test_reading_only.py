"""The checker of read-only mode, fed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.entries import OPEN, created, opened
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.sim.checking import Violation
from zoo.sim.client import Request
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
