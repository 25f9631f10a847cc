from __future__ import annotations

from contextlib import suppress

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.errors import InvalidPathError, NoNodeError, TransactionFailedError
from zoo.client.results import Node
from zoo.client.transaction import Get, ListChildren
from zoo.errors import Code


def test_all_or_nothing(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            async with zk.transaction() as t:
                t.create("/a", b"1")
                t.create("/a/s-", b"2", sequence=True)
                t.set("/a", b"3", version=0)
                t.check("/a", version=1)
                t.create("/gone")
                assert t.delete("/gone") == 5
            first, second, stat, *rest = t.results
            assert (first.path, first.data) == ("/a", b"1")
            assert second.path == "/a/s-0000000000"
            assert stat.version == 1
            assert rest[0] is None
            assert "committed" in repr(t)
            t = zk.transaction()
            t.create("/b")
            t.check("/a", version=7)
            t.delete("/a")
            with pytest.raises(TransactionFailedError, match="check /a") as failure:
                await t.commit()
            error = failure.value
            assert error.failed == 1
            assert error.code is Code.BADVERSION
            assert error.results == (Code.OK, Code.BADVERSION, Code.RUNTIMEINCONSISTENCY)
            assert await zk.children() == ["a"]
            t = zk.transaction()
            t.create("/none/b")
            with pytest.raises(TransactionFailedError) as failure:
                await t.commit()
            assert "transaction: create /none/b: " in str(failure.value)
            assert "(its parent /none; operation 0 of 1" in str(failure.value)

    run(main())


def test_a_number_alone_stays_below_the_chroot(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            assert (await zk.create("/", b"1", sequence=True)).path == "/0000000000"
            async with zk.transaction() as t:
                t.create("/", b"2", sequence=True)
            assert t.results[0].path == "/0000000001"
            assert await zk.children() == ["0000000000", "0000000001"]

    run(main())


def test_the_builder(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            with suppress(ZeroDivisionError):
                async with zk.transaction() as t:
                    t.create("/a")
                    raise ZeroDivisionError
            assert await zk.children() == []
            t = zk.transaction()
            with pytest.raises(InvalidPathError):
                t.set("a", b"")
            with pytest.raises(TypeError, match=r"^/a: version must be an int"):
                t.set("/a", b"", version="0")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"^/a: version must be an int"):
                t.delete("/a", version=None)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"^/a: version must be an int"):
                t.check("/a", version=1.0)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"^/a: acl must be"):
                t.create("/a", acl=["world"])  # type: ignore[list-item]
            assert len(t) == 0
            assert await t.commit() == []
            with pytest.raises(ValueError, match="committed already"):
                t.create("/a")
            with pytest.raises(ValueError, match="committed already"):
                await t.commit()

    run(main())


def test_several_reads_in_one(hosts: str) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            await zk.create("/a", b"1")
            await zk.create("/a/b")
            node, names, missing = await zk.multi_read(
                [Get("/a"), ListChildren("/a"), Get("/none")]
            )
            assert isinstance(node, Node)
            assert node.data == b"1"
            assert names == ["b"]
            assert isinstance(missing, NoNodeError)
            assert missing.path == "/none"
            assert await zk.multi_read([]) == []
            with pytest.raises(TypeError, match=r"reads\[1\] must be Get\(path\) or .* not '/v'"):
                await zk.multi_read([Get("/a"), "/v"])  # type: ignore[list-item]

    run(main())
