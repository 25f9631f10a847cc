from __future__ import annotations

import pytest

from zoo.client.blocking import Client
from zoo.client.errors import OperationTimeoutError
from zoo.recipes import blocking


def test_an_item_that_is_due_and_one_that_is_not(hosts: str) -> None:
    with Client(hosts) as zk:
        queue = blocking.DelayQueue(zk, "/d")
        queue.put(b"later", 60)
        queue.put(b"now")
        assert queue.get(timeout=10) == b"now"
        with pytest.raises(OperationTimeoutError):
            queue.get(timeout=0.05)
        assert queue.size() == 1
