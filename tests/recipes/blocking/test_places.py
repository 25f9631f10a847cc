from __future__ import annotations

import pytest

from zoo.client.blocking import Client
from zoo.client.errors import TransactionFailedError
from zoo.recipes import blocking
from zoo.testing import expire_session_of


def test_a_place_until_it_is_lost(hosts: str) -> None:
    with Client(hosts) as zk:
        place = blocking.Lock(zk, "/l").acquire()
        with place.guarded() as t:
            t.create("/held")
        assert not place.wait_until_lost(timeout=0.01)
        expire_session_of(zk)
        assert place.wait_until_lost(timeout=5)
        assert not place.is_held
        late = place.guarded()
        with pytest.raises(TransactionFailedError):
            late.commit()
        place.leave()
