"""zoo transfer-leader on real servers, a client of each of them meanwhile."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

import zoo
from zoo.client.states import State
from zoo.testing.servers import EmbeddedEnsemble
from zoo.tools.cli import main

USER = "super:secret"
SUPER = "super:" + base64.b64encode(hashlib.sha1(USER.encode()).digest()).decode()


@pytest.fixture(scope="module")
def ensemble() -> Iterator[EmbeddedEnsemble]:
    settings = {"DigestAuthenticationProvider.superDigest": SUPER}
    with EmbeddedEnsemble(3, settings) as running:
        yield running


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["transfer-leader", *arguments])


def transfer(ensemble: EmbeddedEnsemble, target: int) -> Result:
    return command(str(target), "--server", ensemble.hosts, "--auth", f"digest:{USER}")


class Busy:
    """Writes to one server without a pause; what was answered, and what its client noticed."""

    def __init__(self, hosts: str) -> None:
        self.client = zoo.Client(hosts)
        self.noticed: list[State] = []
        self.count = 0
        self._over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Busy:
        self.client.start()
        self.client.add_listener(self.noticed.append)
        self.path = self.client.create("/busy-", b"", sequence=True).path
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self.client.set(self.path, b"%d" % self.count, version=self.count)
                self.count += 1
        except BaseException as failure:
            self._failed = failure

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)
        self.client.close()

    @property
    def is_writing(self) -> bool:
        return self._thread.is_alive()

    def check(self) -> None:
        assert self._failed is None, "a conditional write is refused if one was done twice or lost"
        assert {*self.noticed} <= {State.CLOSED}, "the connection broke"


def test_clients_write_on_while_leadership_goes_round(ensemble: EmbeddedEnsemble) -> None:
    busy = [Busy(server.hosts) for server in ensemble.servers]
    with busy[0], busy[1], busy[2]:
        for _ in range(2):
            for target, server in enumerate(ensemble.servers, 1):
                if ensemble.leader() is server:
                    continue
                before = [each.count for each in busy]
                result = transfer(ensemble, target)
                assert result.exit_code == 0, result.output
                assert f"server {target} leads, no longer the one at 127.0.0.1:" in result.output
                assert re.search(r"writes stood still for \d+ ms", result.output)
                assert ensemble.leader() is server
                all_go_on(busy, before)
    for each in busy:
        each.check()


def all_go_on(busy: list[Busy], before: list[int]) -> None:
    done = threading.Event()
    for each, count in zip(busy, before, strict=True):
        for _ in range(1000):
            if each.count > count or not each.is_writing:
                break
            done.wait(0.01)
        assert each.count > count, "its writes are not answered any more"


def test_a_leader_that_is_stopped_hands_over_first(ensemble: EmbeddedEnsemble) -> None:
    leader = ensemble.leader()
    others = [server for server in ensemble.servers if server is not leader]
    busy = [Busy(server.hosts) for server in others]
    with busy[0], busy[1]:
        before = [each.count for each in busy]
        leader.stop()
        assert "leadership goes to another server first" in leader.log
        assert ensemble.leader() in others
        all_go_on(busy, before)
    for each in busy:
        each.check()
    leader.start()


def test_what_is_refused(ensemble: EmbeddedEnsemble) -> None:
    leader = ensemble.leader()
    result = command("1", "--server", leader.hosts)
    assert result.exit_code == 1
    assert "this needs what reconfig needs" in result.output
    own = ensemble.servers.index(leader) + 1
    result = transfer(ensemble, own)
    assert result.exit_code == 1
    assert f"not transferred: server {own} is the leader; server {own} leads" in result.output
    follower = next(server for server in ensemble.servers if server is not leader)
    result = command("1", "--server", follower.hosts, "--auth", f"digest:{USER}")
    assert result.exit_code == 1
    assert f"{follower.hosts}: does not lead, or is no Zoo" in result.output
    assert command("1", "--server", "127.0.0.1:x").exit_code == 1
