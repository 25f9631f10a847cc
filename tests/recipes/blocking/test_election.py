from __future__ import annotations

import pytest

from zoo.client.blocking import Client
from zoo.recipes import blocking


def test_elections(hosts: str) -> None:
    with Client(hosts) as zk, Client(hosts) as other:
        one = blocking.Election(zk, "/e", name="one")
        with one as leadership:
            assert leadership.is_held
            assert one.leader() == "one"
            latch = blocking.LeaderLatch(other, "/e", name="two")
            with latch:
                with pytest.raises(TimeoutError):
                    latch.wait_until_leader(timeout=0.05)
                assert latch.leadership is None
                one.resign()
                assert latch.wait_until_leader(timeout=5).token > leadership.token
            one.lead(timeout=5)
        assert one.run(lambda place: place.is_held)
