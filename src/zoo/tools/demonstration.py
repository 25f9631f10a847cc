"""What ``zoo demo`` shows: clients move money while the leader is killed again and again."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import deque
from itertools import pairwise
from random import Random

import click

from zoo.client.blocking import Client
from zoo.tools.bank import OPENING_BALANCE, Teller, audit, open_accounts
from zoo.tools.ensemble import Stop
from zoo.tools.local_ensemble import LocalEnsemble, LocalServer

_START_SECONDS = 30.0
_OUTAGE_SECONDS = 30.0
_WINDOW_SECONDS = 0.5
_POLL_SECONDS = 0.001


class Progress:
    """When transfers were acknowledged, to whichever client."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=100_000)

    def done(self) -> None:
        self._times.append(time.monotonic())

    def has_any_after(self, moment: float) -> bool:
        return bool(self._times) and self._times[-1] >= moment

    def longest_silence(self, since: float) -> float:
        """Seconds between acknowledgements from then on."""
        times = [since, *(moment for moment in list(self._times) if moment > since)]
        return max(later - earlier for earlier, later in pairwise(times))


class Demo:
    """One demonstration. `wrong` is what did not come out right."""

    def __init__(self, servers: LocalEnsemble, clients: int, accounts: int, stop: Stop) -> None:
        self._servers = servers
        self._accounts = accounts
        self._stop = stop
        self._progress = Progress()
        self._auditor, *self._clients = (Client(servers.connect_string) for _ in range(clients + 1))
        self._tellers = [
            Teller(client, accounts, Random(), self._progress.done) for client in self._clients
        ]
        self._made_before = 0
        self.outages: list[float] = []
        self.wrong: list[str] = []

    def run(self, kills: int, pause: float) -> None:
        """Kill the leader so many times (0: until stopped), and give every sum twice a look."""
        leader = self._wait_for_all()
        with contextlib.ExitStack() as open_clients:
            for client in (self._auditor, *self._clients):
                open_clients.enter_context(client)
            self._serve(leader, kills, pause)

    def _serve(self, leader: LocalServer, kills: int, pause: float) -> None:
        open_accounts(self._auditor, self._accounts)
        self._made_before = self._audit(
            f"server {leader.sid} leads; {self._accounts} accounts are open"
        )
        for teller in self._tellers:
            teller.start()
        count = 0
        while not self._stop.wait(pause) and (not kills or count < kills) and not self.wrong:
            count += 1
            self._kill_leader(count)
        for teller in self._tellers:
            teller.stop()
        for teller in self._tellers:
            teller.join(_OUTAGE_SECONDS)
        self._close_the_books()

    def _kill_leader(self, number: int) -> None:
        leader = self._wait_for_all()
        killed = time.monotonic()
        leader.kill()
        # What was on its way when the leader died is acknowledged still: the outage comes after it.
        while not self._progress.has_any_after(killed + _WINDOW_SECONDS):
            if time.monotonic() - killed > _OUTAGE_SECONDS:
                self.wrong.append(f"no transfer for {_OUTAGE_SECONDS:g} s")
                return
            time.sleep(_POLL_SECONDS)
        outage = self._progress.longest_silence(killed)
        self.outages.append(outage)
        self._audit(f"kill {number}: leader {leader.sid} is gone; outage {outage * 1000:.0f} ms")
        leader.launch()

    def _wait_for_all(self) -> LocalServer:
        """Until all servers are in step, so that a quorum is left when one dies; the leader."""
        servers = self._servers.servers.values()
        end = time.monotonic() + _START_SECONDS
        while True:
            modes = {server.mode: server for server in servers if server.is_running}
            if "leader" in modes and all(server.mode for server in servers):
                return modes["leader"]
            if time.monotonic() > end:
                raise click.ClickException(
                    f"not all servers are in step after {_START_SECONDS:g} s: see "
                    f"{self._servers.directory}/server.*/log"
                )
            time.sleep(0.02)

    def _audit(self, what: str) -> int:
        """Say how the books are; returns the number of transfers in them."""
        total, transfers = audit(self._auditor, self._accounts)
        expected = self._accounts * OPENING_BALANCE
        verdict = "right" if total == expected else f"WRONG, should be {expected}"
        click.echo(f"{what}; {transfers} transfers, total {total}: {verdict}")
        if total != expected:
            self.wrong.append(f"the total is {total}, not {expected}")
        return transfers

    def _close_the_books(self) -> None:
        for teller in self._tellers:
            if teller.failure is not None:
                self.wrong.append(f"a client failed: {teller.failure!r}")
        acknowledged = sum(teller.transfers for teller in self._tellers)
        in_doubt = sum(teller.in_doubt for teller in self._tellers)
        made = self._audit("the end") - self._made_before
        if not acknowledged <= made <= acknowledged + in_doubt:
            self.wrong.append(f"{acknowledged} transfers were acknowledged, {made} were made")
        times = sorted(outage * 1000 for outage in self.outages)
        if times:
            click.echo(
                f"{len(times)} leaders killed: outages of {times[0]:.0f} to {times[-1]:.0f} ms, "
                f"half of them below {statistics.median(times):.0f} ms"
            )
        click.echo(f"{acknowledged} transfers were acknowledged, {made} are in the books")
