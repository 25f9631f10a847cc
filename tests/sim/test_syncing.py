"""The checker of syncs, on hand-made histories."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.entries import SESSION, created, opened
from zoo.jute.operations import Op
from zoo.sim.checking import Checkers, Violation
from zoo.sim.client import Request
from zoo.sim.schedule import Schedule
from zoo.sim.syncing import Syncs

SYNC, READ = Request(1, Op.sync, None), Request(2, Op.getData, None)


class Client:
    """As far as the checker looks at one."""

    session_id = SESSION


def stage() -> tuple[Checkers, Any]:
    """A client has asked for a sync after the second transaction."""
    checkers = Checkers(Schedule(), (Syncs,))
    client: Any = Client()
    checkers.committed(opened(1))
    checkers.committed(created(2, b"/a", 1))
    checkers.sent(client, SYNC)
    checkers.committed(created(3, b"/b", 2))
    return checkers, client


@pytest.mark.parametrize("zxid", [2, 3])
def test_a_sync_shows_what_was_committed_before(zxid: int) -> None:
    checkers, client = stage()
    checkers.replied(client, SYNC, zxid, 0, b"")
    assert checkers.replies == 1


def test_one_that_shows_less_is_seen() -> None:
    checkers, client = stage()
    with pytest.raises(Violation, match=r"Syncs: .* in step at 0x1, .* 0x2 was committed"):
        checkers.replied(client, SYNC, 1, 0, b"")


def test_a_refusal_or_a_read_promises_nothing() -> None:
    checkers, client = stage()
    checkers.replied(client, SYNC, 1, -4, b"")
    checkers.sent(client, READ)
    checkers.replied(client, READ, 1, 0, b"")
    assert checkers.replies == 2
