"""TLS, through a proxy that ends it before a real server."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.client.live import run
from zoo.client.async_client import connect
from zoo.client.errors import OperationTimeoutError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


def test_tls_and_who_is_trusted(hosts: str, tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    address, _, chroot = hosts.partition("/")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(cert, key)

    async def main() -> None:
        links: set[asyncio.Task[None]] = set()

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            host, _, port = address.partition(":")
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            links.add(asyncio.create_task(pump(reader, inner_writer)))
            links.add(asyncio.create_task(pump(inner_reader, writer)))

        proxy = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=server_side)
        secure = f"localhost:{proxy.sockets[0].getsockname()[1]}/{chroot}"
        async with connect(secure, ssl=ssl.create_default_context(cafile=str(cert))) as zk:
            await zk.create("/a", b"over TLS")
            assert (await zk.get("/a")).data == b"over TLS"
        stranger = connect(secure, ssl=ssl.create_default_context())
        with pytest.raises(OperationTimeoutError, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.start(timeout=2)
        proxy.close()
        await asyncio.gather(*links, return_exceptions=True)

    run(main())
