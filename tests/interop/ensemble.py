"""Several server processes as one ensemble, each of either kind.

    with Ensemble.running(path, ["zoo", "java", "zoo"]) as ensemble: ...

All get the same zoo.cfg but for ports, dataDir and peerType. Everything is on 127.0.0.1. With a
`Network` (zoo.testing.network) the members' links run through it; with `own_addresses` member
N is at 127.0.0.N for the others, so that all can listen on the same port.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.interop.harness import START_DEADLINE, Server, free_port, wait_until
from zoo.testing.network import Network

MODES = ("leader", "follower", "observer")


class Ensemble:
    """Members by number, 1 upwards; the last `observers` of them do not vote."""

    def __init__(
        self,
        directory: Path,
        kinds: Sequence[str],
        observers: int = 0,
        network: Network | None = None,
        own_addresses: bool = False,
        **settings: object,
    ) -> None:
        ids = range(1, len(kinds) + 1)
        roles = {s: "participant" if s <= len(kinds) - observers else "observer" for s in ids}
        ports = {sid: (free_port(), free_port()) for sid in ids}
        self.members: dict[int, Server] = {}
        for me, kind in zip(ids, kinds, strict=True):
            own: dict[str, object] = {"initLimit": 20, "syncLimit": 10, **settings}
            for sid, role in roles.items():
                quorum, election = ports[sid] if network is None else network.ports(me, sid)
                host = f"127.0.0.{sid}" if own_addresses else "127.0.0.1"
                own[f"server.{sid}"] = f"{host}:{quorum}:{election}:{role}"
            if roles[me] == "observer":
                own["peerType"] = "observer"
            home = directory / f"member{me}"
            (home / "data").mkdir(parents=True)
            (home / "data" / "myid").write_text(f"{me}\n")
            self.members[me] = Server(kind, home, own)

    @classmethod
    @contextlib.contextmanager
    def running(
        cls, directory: Path, kinds: Sequence[str], observers: int = 0, **settings: object
    ) -> Iterator[Ensemble]:
        """All started and serving; all killed at the end."""
        ensemble = cls(directory, kinds, observers, None, **settings)
        try:
            ensemble.start()
            yield ensemble
        finally:
            ensemble.kill()

    def __getitem__(self, sid: int) -> Server:
        return self.members[sid]

    def start(self, *sids: int, deadline: float = START_DEADLINE) -> None:
        """These members (default: all), together, until each of them serves."""
        chosen = [self.members[sid] for sid in sids or self.members]
        for server in chosen:
            server.launch()
        for server in chosen:
            server.wait(deadline)

    def kill(self) -> None:
        for server in self.members.values():
            server.kill()

    def mode(self, sid: int) -> str:
        """What the member says it is; "" while it does not serve or does not run."""
        server = self.members[sid]
        if server.process is None:
            return ""
        try:
            answer = server.four_letter("srvr")
        except OSError:
            return ""
        for line in answer.splitlines():
            if line.startswith("Mode: "):
                return line.removeprefix("Mode: ")
        return ""

    def modes(self) -> dict[int, str]:
        return {sid: self.mode(sid) for sid in self.members}

    def leader(self, deadline: float = 30.0) -> int:
        """The number of the member that leads, as soon as one does."""

        def leading() -> int:
            return next((sid for sid, mode in self.modes().items() if mode == "leader"), 0)

        return wait_until(leading, deadline, "a leader")

    def settled(self, deadline: float = 30.0) -> dict[int, str]:
        """The modes once every member that runs serves."""

        def all_serve() -> dict[int, str]:
            modes = self.modes()
            up = [sid for sid, server in self.members.items() if server.process is not None]
            return modes if all(modes[sid] in MODES for sid in up) else {}

        return wait_until(all_serve, deadline, "all members serve")

    def addresses(self, *sids: int) -> str:
        """A connect string of these members (default: all)."""
        return ",".join(self.members[sid].address for sid in sids or self.members)

    def zxids(self) -> dict[int, str]:
        """The last zxid that each running member has applied, as `srvr` shows it."""
        found = {}
        for sid, server in self.members.items():
            if server.process is None:
                continue
            for line in server.four_letter("srvr").splitlines():
                if line.startswith("Zxid: "):
                    found[sid] = line.removeprefix("Zxid: ")
        return found


def lone_member(directory: Path, kind: str = "zoo", **settings: object) -> Server:
    """An ensemble of one, not started, whose address for clients stands in its configuration."""
    common = {"initLimit": 20, "syncLimit": 10, "standaloneEnabled": "false"}
    server = Server(kind, directory, {**common, "reconfigEnabled": "true", **settings})
    line = f"127.0.0.1:{free_port()}:{free_port()}:participant;127.0.0.1:{server.port}"
    server.settings["server.1"] = line
    server.data.mkdir(parents=True)
    (server.data / "myid").write_text("1\n")
    return server
