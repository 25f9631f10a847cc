"""A whole ensemble of real server processes on this machine, its state in one folder.

Each server has a folder of its own, `server.N`, with its zoo.cfg, its data and its log. What is
there already is used again, ports included, so that an ensemble can be stopped and taken up later.
Processes are ended by their process ids, and none outlives `close`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from zoo.testing.ports import ADDRESS, Ports, free_member_ports
from zoo.testing.server_process import ServerProcess

_SERVER_LINE = re.compile(r"server\.(\d+)=[^:]+:(\d+):(\d+):(\w+)")


class EnsembleProblem(Exception):
    """The folder or the ports cannot be used; says why."""


class LocalServer(ServerProcess):
    """One member: its files, and its process while it runs."""

    def __init__(self, sid: int, folder: Path, ports: Ports, role: str) -> None:
        super().__init__(folder, ports.client)
        self.sid = sid
        self.ports = ports
        self.role = role


class LocalEnsemble:
    """`size` voters and then `observers`. Raises EnsembleProblem, OSError.

    `base_port`: clients from there on, quorum ports 100 and election ports 200 above; None: any
    free ports. `settings` are further lines for every zoo.cfg.
    """

    def __init__(
        self,
        directory: Path,
        size: int = 3,
        observers: int = 0,
        base_port: int | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.directory = directory
        self.servers: dict[int, LocalServer] = {}
        count = size + observers
        found = self._found()
        if found and [role for _, role in found.values()] != _roles(size, observers):
            raise EnsembleProblem(
                f"{directory} holds an ensemble of another shape; name another folder, or remove it"
            )
        ports = [p for p, _ in found.values()] if found else _ports(count, base_port)
        for sid, role in enumerate(_roles(size, observers), 1):
            place = directory / f"server.{sid}"
            self.servers[sid] = LocalServer(sid, place, ports[sid - 1], role)
        if not found:
            self._write_files(settings or {})

    def _found(self) -> dict[int, tuple[Ports, str]]:
        """The members of the ensemble that is in the folder already."""
        first = self.directory / "server.1" / "zoo.cfg"
        if not first.is_file():
            return {}
        members = {}
        for line in _SERVER_LINE.finditer(first.read_text()):
            sid = int(line[1])
            text = (self.directory / f"server.{sid}" / "zoo.cfg").read_text()
            client = re.search(r"^clientPort=(\d+)$", text, re.MULTILINE)
            if client is None:
                raise EnsembleProblem(f"{self.directory}/server.{sid}/zoo.cfg has no clientPort")
            members[sid] = Ports(int(client[1]), int(line[2]), int(line[3])), line[4]
        return members

    def _write_files(self, settings: Mapping[str, object]) -> None:
        members = {
            f"server.{each.sid}": f"{ADDRESS}:{each.ports.quorum}:{each.ports.election}:{each.role}"
            for each in self.servers.values()
        }
        for server in self.servers.values():
            server.write_config(
                {"initLimit": 10, "syncLimit": 5, **settings, **members}, server.sid
            )

    @property
    def connect_string(self) -> str:
        return ",".join(server.hosts for server in self.servers.values())

    def start(self) -> None:
        for server in self.servers.values():
            server.launch()

    def leader(self) -> LocalServer | None:
        """The server that says that it leads."""
        return next((s for s in self.servers.values() if s.is_running and s.mode == "leader"), None)

    def close(self) -> None:
        """Stop all, in good order if they let us."""
        for server in self.servers.values():
            server.terminate()
        for server in self.servers.values():
            server.end()

    def __enter__(self) -> LocalEnsemble:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _roles(size: int, observers: int) -> list[str]:
    return ["participant"] * size + ["observer"] * observers


def _ports(count: int, base_port: int | None) -> list[Ports]:
    if base_port is not None:
        return [
            Ports(base_port + n, base_port + 100 + n, base_port + 200 + n) for n in range(count)
        ]
    return free_member_ports(count)
