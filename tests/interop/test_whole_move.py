"""Ensembles that become other ensembles by reconfig alone, while a client writes throughout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.interop.harness import Server, wait_until
from tests.interop.rewriter import Rewriter
from tests.interop.test_reconfig import Growing, change, connected
from tests.interop.test_transfer import writes_on

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.usefixtures("needs_java", "needs_zoo"),
]
PATH = "/moved"


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    made = Growing(tmp_path)
    yield made
    for server in made.servers.values():
        server.kill()


def grow(growing: Growing, kind: str, *sids: int) -> None:
    for sid in sids:
        server = growing.add(sid, kind)
        if len(growing.lines) == 1:
            server.wait()
        else:
            reconfigure(growing, joining=growing.line(sid))


def reconfigure(growing: Growing, joining: str | None = None, leaving: str | None = None) -> None:
    running = [server for server in growing.servers.values() if server.process is not None]
    with connected(*running) as client:
        change(client, joining, leaving)


def shrink(growing: Growing, *sids: int) -> None:
    """They leave one after the other, and are ended when they have left."""
    for sid in sids:
        del growing.lines[sid]
        reconfigure(growing, leaving=str(sid))
        growing.servers.pop(sid).kill()


def check(growing: Growing, writer: Rewriter) -> None:
    """What was acknowledged is on every server that there is."""
    assert writer.problem is None
    for server in growing.servers.values():
        with connected(server) as client:
            client.sync(PATH)
            assert client.get(PATH)[1].version == writer.count


def addresses(*servers: Server) -> str:
    return ",".join(server.address for server in servers)


def test_three_java_servers_become_three_zoos_on_other_ports(growing: Growing) -> None:
    grow(growing, "java", 1, 2, 3)
    with Rewriter(addresses(*growing.servers.values()), PATH, follow_config=True) as writer:
        for sid in (4, 5, 6):
            grow(growing, "zoo", sid)
            writes_on(writer)
        for sid in (1, 2, 3):
            shrink(growing, sid)
            writes_on(writer)
    assert writer.count > 100
    check(growing, writer)


@pytest.mark.parametrize("seed", range(2))
def test_from_one_to_five_to_three_while_members_are_killed(growing: Growing, seed: int) -> None:
    rng = Random(seed)
    grow(growing, "zoo", 1)
    with Rewriter(growing.servers[1].address, PATH, follow_config=True) as writer:
        for sid in (2, 3, 4, 5):
            grow(growing, "zoo", sid)
            writes_on(writer)
            if sid >= 3:
                kill_one(growing, rng)
                writes_on(writer)
        for sid in (1, 2):
            shrink(growing, sid)
            writes_on(writer)
            kill_one(growing, rng)
            writes_on(writer)
    assert writer.count > 100
    check(growing, writer)


def kill_one(growing: Growing, rng: Random) -> None:
    """A quorum is left; it comes back."""
    victim = rng.choice(list(growing.servers.values()))
    victim.kill()
    victim.relaunch()
    wait_until(lambda: "Mode: " in asked(victim), 60.0, f"{victim.address} serves again")


def asked(server: Server) -> str:
    try:
        return server.four_letter("srvr")
    except OSError:
        return ""
