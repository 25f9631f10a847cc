from __future__ import annotations

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.recipes import KAZOO, Election, Lock, RWLock, Semaphore
from zoo.recipes.layouts import CURATOR, Layout
from zoo.recipes.places import contenders
from zoo.recipes.rwlock import KINDS


@pytest.mark.parametrize("layout", [CURATOR, KAZOO])
def test_what_is_created_is_recognised(hosts: str, layout: Layout) -> None:
    async def main() -> None:
        async with connect(hosts) as zk:
            rw = RWLock(zk, "/rw", layout=layout)
            async with (
                Lock(zk, "/l", layout=layout),
                rw.read,
                Election(zk, "/e", layout=layout),
                Semaphore(zk, "/s", 2, layout=layout) as lease,
            ):
                names = [(await zk.children(path))[0] for path in ("/l", "/rw", "/e")]
                stems = (layout.lock, layout.reader, layout.candidate)
                assert all(stem in name for stem, name in zip(stems, names))
                assert len(contenders(names, (*KINDS, "latch"))) == 3
                assert lease.path.startswith("/s/leases/" if layout is CURATOR else "/s/")
                assert await Semaphore(zk, "/s", 2, layout=layout).holders() == 1
            async with rw.write:
                assert layout.writer in (await zk.children("/rw"))[0]

    run(main())
