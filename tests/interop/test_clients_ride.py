"""Clients with the addresses of three servers ride through changes of the leader.

kazoo and Apache ZooKeeper's Java client write without pause while leaders are killed (-9) or
stopped (SIGTERM) and started again. Connection loss is all they may notice: no session is lost, no
other error comes, and no acknowledged write is missing.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from kazoo.client import KazooClient, KazooState, KeeperState
from kazoo.exceptions import (
    ConnectionClosedError,
    ConnectionLoss,
    NodeExistsError,
    NotReadOnlyCallError,
)

from tests.interop import harness
from tests.interop import session as s
from tests.interop.ensemble import Ensemble
from tests.interop.harness import wait_out, wait_until
from tests.interop.rider import synced
from zoo.client.blocking import Client
from zoo.client.errors import NotReadOnlyError
from zoo.client.states import State

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_zoo")]

_TIMEOUT_S = 20.0
_SUMMARY = re.compile(r"sent (\d+) acknowledged (\d+) session (0x[0-9a-f]+) connections (\d+)")


class KazooRide(threading.Thread):
    """As Ride.java does it."""

    path = b"/kazoo"

    def __init__(self, addresses: str) -> None:
        super().__init__(daemon=True)
        self.sent = self.acknowledged = self.connections = self.session_id = 0
        self.trouble: list[str] = []
        self.over = threading.Event()
        self._client = KazooClient(hosts=addresses, timeout=_TIMEOUT_S)
        self._client.add_listener(self._heard)

    def _heard(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            self.connections += 1
        elif state == KazooState.LOST:
            self.trouble.append("the session is lost")

    def run(self) -> None:
        try:
            self._client.start(timeout=_TIMEOUT_S)
            self.session_id = self._client.client_id[0]
            for path, ephemeral in ((self.path, False), (self.path + b"-mine", True)):
                self._create(path.decode(), ephemeral)
            while not self.over.is_set():
                self.sent += 1
                number = self.sent
                if self._attempt(lambda n=number: self._client.set(self.path.decode(), b"%d" % n)):
                    self.acknowledged = number
        except Exception as failure:
            self.trouble.append(repr(failure))

    def _create(self, path: str, ephemeral: bool) -> None:
        def create() -> None:
            try:
                self._client.create(path, b"0", ephemeral=ephemeral)
            except NodeExistsError:  # by a call whose answer was lost
                assert ephemeral or self._client.exists(path)

        while not self._attempt(create):
            self.over.wait(0.01)

    def _attempt(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except (ConnectionLoss, ConnectionClosedError):
            self.over.wait(0.01)
            return False
        return True

    def has_begun(self) -> bool:
        return self.acknowledged > 0 or bool(self.trouble)

    def finish(self) -> None:
        self.over.set()
        self.join(30)
        assert not self.is_alive()
        assert not self.trouble

    def end(self) -> None:
        self.over.set()
        self._client.remove_listener(self._heard)
        self._client.stop()
        self._client.close()


class JavaRide:
    """Ride.java, compiled on the fly, in a process of its own."""

    path = b"/java"

    def __init__(self, addresses: str, directory: Path) -> None:
        source = Path(__file__).with_name("java") / "Ride.java"
        self._log = directory / "ride.log"
        self._errors = (directory / "ride.err").open("wb")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                harness.java_command(
                    str(source), addresses, self.path.decode(), str(int(_TIMEOUT_S * 1000))
                ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=self._errors,
                preexec_fn=harness.die_with_parent,
            )
        self.sent = self.acknowledged = self.connections = self.session_id = 0

    def start(self) -> None:
        """It has begun by itself."""

    def has_begun(self) -> bool:
        return self._process.poll() is not None or "ready" in self._log.read_text()

    def finish(self) -> None:
        self._process.communicate(timeout=30)
        text = self._log.read_text()
        found = _SUMMARY.search(text)
        assert found is not None, text
        self.sent, self.acknowledged, self.connections = (int(found[n]) for n in (1, 2, 4))
        self.session_id = int(found[3], 16)
        assert self._process.returncode == 0

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()


def check(ride: KazooRide | JavaRide, port: int, changes: int) -> None:
    session = synced(port)
    data, _ = session.get(ride.path)
    assert ride.acknowledged <= int(data or b"") <= ride.sent
    assert ride.acknowledged > 20 * changes
    _, stat = session.get(ride.path + b"-mine")
    assert stat.ephemeral_owner == ride.session_id & 0xFFFFFFFFFFFFFFFF
    session.close()


def change_leaders(ensemble: Ensemble, how: Sequence[str]) -> None:
    for way in how:
        leader = ensemble.leader()
        getattr(ensemble[leader], way)()
        ensemble.leader()
        wait_out(1.0)
        ensemble.start(leader)
        ensemble.settled()
        wait_out(0.5)


@pytest.mark.parametrize(
    ("kinds", "client"),
    [
        (("zoo",) * 3, "kazoo"),
        (("zoo",) * 3, "java"),
        pytest.param(("zoo", "java", "zoo"), "kazoo", marks=pytest.mark.slow),
        pytest.param(("zoo", "java", "zoo"), "java", marks=pytest.mark.slow),
    ],
)
def test_a_client_rides_through(kinds: Sequence[str], client: str, tmp_path: Path) -> None:
    for kind in {*kinds, *([client] if client == "java" else [])}:
        if reason := harness.missing(kind):
            pytest.skip(reason)
    ensemble = Ensemble(tmp_path, kinds, maxSessionTimeout=40_000)
    ways = ("kill", "stop", "kill", "stop")
    ride: KazooRide | JavaRide | None = None
    try:
        ensemble.start()
        ensemble.settled()
        addresses = ensemble.addresses()
        ride = KazooRide(addresses) if client == "kazoo" else JavaRide(addresses, tmp_path)
        ride.start()
        wait_until(ride.has_begun, 30, "the client writes")
        change_leaders(ensemble, ways)
        ride.finish()
        assert ride.connections > 1
        check(ride, ensemble[1].port, len(ways))
    finally:
        if ride is not None:
            ride.end()
        ensemble.kill()


def test_a_client_can_read_at_a_member_that_is_cut_off(tmp_path: Path) -> None:
    """A new one: a session of the ensemble is refused there, as in ZooKeeper."""
    ensemble = Ensemble(tmp_path, ("zoo",) * 3, **{"readonlymode.enabled": "true"})
    client, ours = None, Client(ensemble.addresses(), read_only=True)
    try:
        ensemble.start()
        ensemble.settled()
        session = s.Session(ensemble[3].port)
        session.create(b"/there", b"before")
        session.close()
        for sid in (1, 2):
            ensemble[sid].kill()
        wait_until(lambda: ensemble.mode(3) == "read-only", 20, "it serves reads alone")
        client = KazooClient(hosts=ensemble.addresses(), timeout=_TIMEOUT_S, read_only=True)
        client.start(timeout=_TIMEOUT_S)
        assert client.client_state == KeeperState.CONNECTED_RO
        assert client.get("/there")[0] == b"before"
        with pytest.raises(NotReadOnlyCallError):
            client.set("/there", b"never")
        ours.start()
        assert ours.state is State.READ_ONLY
        assert ours.get("/there").data == b"before"
        with pytest.raises(NotReadOnlyError):
            ours.set("/there", b"never")
        ensemble.start(1, 2)
        wait_until(lambda: client.client_state == KeeperState.CONNECTED, 30, "it may write again")
        client.set("/there", b"after")
        assert client.get("/there")[0] == b"after"
        wait_until(lambda: ours.state is State.CONNECTED, 30, "ours may write again")
        assert ours.set("/there", b"ours").version == 2
    finally:
        ours.close()
        if client is not None:
            client.stop()
            client.close()
        ensemble.kill()


def test_a_client_may_name_servers_that_do_not_run(tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path, ("zoo",) * 3)
    try:
        ensemble.start(1, 2)
        client = KazooClient(hosts=ensemble.addresses(3, 1), timeout=_TIMEOUT_S)
        client.start(timeout=_TIMEOUT_S)
        assert client.create("/there", b"") == "/there"
        client.stop()
        client.close()
        session = s.Session(ensemble[2].port)
        assert b"there" in session.children(b"/")
        session.close()
    finally:
        ensemble.kill()
