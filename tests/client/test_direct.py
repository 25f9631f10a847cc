from __future__ import annotations

import pytest

from zoo.client.blocking import Client
from zoo.client.direct import ask
from zoo.client.errors import (
    BadVersionError,
    ClientClosedError,
    NoNodeError,
    OperationTimeoutError,
    Outcome,
    RequestTooLargeError,
)
from zoo.client.portal import portal
from zoo.jute.client_records import DeleteRequest
from zoo.jute.operations import Op


def test_answers_and_errors(hosts: str) -> None:
    zk = Client(hosts)
    with pytest.raises(ClientClosedError):
        zk.get("/")
    with zk:
        zk.create("/a", b"1")
        assert zk.get("/a").data == b"1"
        assert zk.set("/a", b"2").version == 1
        with pytest.raises(BadVersionError, match="set /a"):
            zk.set("/a", b"", version=9)
        with pytest.raises(NoNodeError, match="get /b"):
            zk.get("/b")
        with pytest.raises(RequestTooLargeError):
            zk.set("/a", bytes(1 << 20))
        wire = zk._client._wire("/a", "delete")
        assert ask(zk._client._session, Op.delete, DeleteRequest(wire, -1), "/a", None) is None
    with pytest.raises(ClientClosedError):
        zk.get("/")


def test_a_late_request_that_was_not_sent_never_will_be(hosts: str) -> None:
    with Client(hosts) as zk:
        zk.create("/a", b"1")
        zk.set_hosts("127.0.0.1:1")
        with pytest.raises(OperationTimeoutError) as failure:
            zk.set("/a", b"2", timeout=0.1)
        assert failure.value.outcome is Outcome.NOT_SENT
        zk.set_hosts(hosts.partition("/")[0])
        assert zk.get("/a").data == b"1"


def test_the_portals_own_thread_may_not_block(hosts: str) -> None:
    with Client(hosts) as zk:

        async def wrong() -> None:
            zk.get("/")

        with pytest.raises(RuntimeError, match="own thread"):
            portal().run(wrong())
