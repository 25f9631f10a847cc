"""TLS, through a proxy that ends it before a real server."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.client.live import run
from tests.client.tls_front import TlsFront, needs_openssl
from zoo.client.async_client import connect
from zoo.client.blocking import Client
from zoo.client.errors import OperationTimeoutError


@needs_openssl
def test_tls_and_who_is_trusted(hosts: str, tmp_path: Path) -> None:
    address, _, chroot = hosts.partition("/")

    async def main(secure: str, cert: Path) -> None:
        async with connect(secure, ssl=ssl.create_default_context(cafile=str(cert))) as zk:
            await zk.create("/a", b"over TLS")
            assert (await zk.get("/a")).data == b"over TLS"
        stranger = connect(secure, ssl=ssl.create_default_context())
        with pytest.raises(OperationTimeoutError, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.start(timeout=2)

    with TlsFront(address, tmp_path) as front:
        secure = f"{front.hosts}/{chroot}"
        run(main(secure, front.cert))
        with Client(secure, ssl=ssl.create_default_context(cafile=str(front.cert))) as client:
            assert client.get("/a").data == b"over TLS"
