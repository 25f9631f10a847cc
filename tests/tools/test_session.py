from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.runtime.servers import Process
from zoo.errors import Code
from zoo.tools.session import Refused, Session, SessionExpired, Uncertain


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path) as made:
        yield made


def session(server: Process, timeout_ms: int = 10_000) -> Session:
    return Session([("127.0.0.1", server.port)], timeout_ms, Random(1))


def test_creates_reads_writes_and_deletes(server: Process) -> None:
    mine = session(server)
    mine.create("/a", b"1")
    mine.create("/b", b"2")
    assert mine.get("/a") == (b"1", 0)
    mine.set_all([("/a", b"10", 0), ("/b", b"20", 0)])
    assert mine.get_all(["/a", "/b"]) == [b"10", b"20"]
    with pytest.raises(Refused, match="BADVERSION") as refused:
        mine.set_all([("/a", b"x", 1), ("/b", b"x", 0)])
    assert refused.value.code == Code.BADVERSION
    assert mine.get_all(["/a", "/b"]) == [b"10", b"20"], "all or none"
    mine.delete("/a")
    with pytest.raises(Refused, match="NONODE"):
        mine.get("/a")
    mine.close()


def test_takes_its_session_up_again_when_the_link_breaks(server: Process) -> None:
    mine, other = session(server), session(server)
    mine.create("/lock", b"mine", 1)
    assert mine._link is not None
    mine._link.shutdown(2)
    with pytest.raises(Uncertain):
        mine.get("/lock")
    assert mine.get("/lock") == (b"mine", 0)
    mine.close()
    with pytest.raises(Refused, match="NONODE"):
        other.get("/lock")


def test_says_that_the_session_is_over(server: Process) -> None:
    mine = session(server)
    mine.create("/a")
    assert mine._link is not None
    mine._link.close()
    mine._link = None
    mine._password = bytes(16)
    with pytest.raises(SessionExpired):
        mine.get("/a")
    assert mine.get("/a") == (b"", 0), "a new session goes on"
