from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.shell.access import Access
from zoo.testing.ports import free_ports
from zoo.testing.servers import EmbeddedServer
from zoo.tools import transfer as transfer_module
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


class _Configured:
    """A client that was told of this configuration."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def get_config(self) -> Any:
        return SimpleNamespace(data=self._text)


def test_members_are_asked_where_they_are_though_they_listen_everywhere() -> None:
    text = "\n".join(
        [
            "server.1=10.0.0.1:2888:3888:participant;2181",
            "server.2=10.0.0.2:2888:3888:participant;0.0.0.0:2182",
            "server.3=10.0.0.3:2888:3888:participant;10.0.1.3:2183",
            "server.4=10.0.0.4:2888:3888:participant",
            "version=100000000",
        ]
    )
    client: Any = _Configured(text)
    found = asyncio.run(transfer_module._listed(client))
    assert list(map(str, found)) == ["10.0.0.1:2181", "10.0.0.2:2182", "10.0.1.3:2183"]
