from __future__ import annotations

import asyncio

import pytest

from zoo.shell.access import Access
from zoo.testing.servers import EmbeddedServer, free_ports
from zoo.tools.transfer import Refused, transfer


def test_all_servers_are_asked_and_each_says_why_not() -> None:
    (nobody,) = free_ports(1)
    with EmbeddedServer() as alone:
        access = Access(f"127.0.0.1:{nobody},127.0.0.1:{alone.port}")
        with pytest.raises(Refused) as refused:
            asyncio.run(transfer(access, 1, 0.5))
    said = str(refused.value)
    assert said.startswith(f"127.0.0.1:{nobody}: ")
    assert said.endswith(f"; 127.0.0.1:{alone.port}: does not lead, or is no Zoo")
