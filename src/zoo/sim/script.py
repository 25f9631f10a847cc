"""Stories of the protocol as text: commands, and behind each the trace that it must give.

Theory of operation. A script is blocks of a command line, a line ``----``, and what that command
prints, up to an empty line. `play` carries the commands out in a world of the pure protocol where
every latency is fixed, and returns the script with the output that it gave; a test compares the
two. Lines with # say what the story is about.

    members 3 [observers 1] [window 10]     the world; the first command
    members 3 spares 2                      so are two more servers; the members may change
    introduce 4 observer                    server 4 is told the members and itself, and starts
    reconfig 1 +4 +5:observer >2 -3         server 1 is asked to let 4 join, 5 as observer, 2 move
                                            to other ports, and 3 leave; with @0 by version 0 alone
    start 1 2          kill 1          power 1          stall 1 2s
    part 1 | 2 3       heal            break 1          (its learner links)
    block 1 | 2        nothing comes from 1 to 2
    dirty 1            server 1 cannot cut anything off that it has applied
    write 1 3          three transactions at server 1
    transfer 2         the leader is to hand over to server 2, within 1 s
    snapshot 1         server 1 keeps its state and forgets what led to it
    run 500ms          let time pass; prints the trace of all that happens
    state              one line for each server
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from zoo.config_ensemble import PARTICIPANT, Ensemble, QuorumServer
from zoo.sim.cluster_faults import FaultMix
from zoo.sim.operator import listed, request_of
from zoo.sim.zab_server import ZabServer
from zoo.sim.zab_world import ZabScenario, ZabWorld
from zoo.zab.configurations import configuration_of

_STEP = 1_000
_UNITS = {"ms": 1_000, "s": 1_000_000}


class Script:
    """One story being played."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.world: ZabWorld
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "members": self._members,
            "introduce": self._introduce,
            "reconfig": self._reconfig,
            "start": lambda sids: self._each(sids, lambda server: server.start()),
            "kill": lambda sids: self._each(sids, lambda server: server.crash(power=False)),
            "power": lambda sids: self._each(sids, lambda server: server.crash(power=True)),
            "stall": self._stall,
            "part": self._part,
            "block": self._block,
            "dirty": lambda sids: self._each(sids, lambda server: server.disk.soil()),
            "heal": lambda _: self.world.reach.heal(),
            "break": self._break,
            "write": self._write,
            "transfer": self._transfer,
            "snapshot": lambda sids: self._each(sids, lambda server: server.take_snapshot()),
            "run": self._run,
            "state": self._state,
        }

    def command(self, line: str) -> list[str]:
        """Carry one command out; returns what it prints. Raises ValueError, Violation."""
        name, *words = line.split()
        if name not in self._commands:
            raise ValueError(f"there is no command {name!r}")
        self.lines.clear()
        self._commands[name](words)
        if name != "members":
            self.world.flush_trace()
        return list(self.lines)

    def _server(self, word: str) -> ZabServer:
        return self.world.servers[int(word) - 1]

    def _each(self, sids: list[str], action: Callable[[ZabServer], None]) -> None:
        for sid in sids:
            action(self._server(sid))

    def _members(self, words: list[str]) -> None:
        options = dict(zip(words[1::2], words[2::2], strict=True))
        scenario = ZabScenario(
            voters=int(words[0]),
            observers=int(options.get("observers", 0)),
            spares=int(options.get("spares", 0)),
            reconfig_every=1 if "spares" in options else 0,
            window=int(options.get("window", 1_000)),
            latency=(_STEP, _STEP),
            fsync_us=(_STEP, _STEP),
            snapshot_every=0,
            snapshot_padding=0,
            faults=FaultMix(every=0),
        )
        self.world = ZabWorld(1, scenario=scenario, trace=self.lines.append)
        self.world.links.cuts = 0.0
        self.world.reach.bandwidth = 1 << 60
        self.world.clients.largest = 0
        for server in self.world.servers:
            server.disk_us = server.report_us = (_STEP // 10, _STEP // 10)

    def _stall(self, words: list[str]) -> None:
        self._server(words[0]).stall(_microseconds(words[1]))

    def _part(self, words: list[str]) -> None:
        self.world.reach.split(*_sides(words))
        self.world.mesh.blocked()

    def _block(self, words: list[str]) -> None:
        self.world.reach.block(*_sides(words))
        self.world.mesh.blocked()

    def _break(self, words: list[str]) -> None:
        links = self.world.links
        links.rng = Random(1)
        for end in links.ends_of(self._server(words[0])):
            links.break_wire(end)

    def _write(self, words: list[str]) -> None:
        self.world.clients.write(self._server(words[0]), int(words[1]))

    def _transfer(self, words: list[str]) -> None:
        transfers = self.world.transfers
        for server in self.world.servers:
            if server.is_leading:
                transfers.ask(server, int(words[0]), 1_000)

    def _introduce(self, words: list[str]) -> None:
        site, role = self._server(words[0]), words[1]
        known = next(one for one in self.world.servers if one.is_serving).configurations.committed
        members = {**known.ensemble.servers, site.sid: listed(site.sid, role)}
        site.prepare(configuration_of(Ensemble(members)))
        site.start()

    def _reconfig(self, words: list[str]) -> None:
        server = self._server(words[0])
        known = server.configurations.committed
        joining: list[QuorumServer] = []
        leaving: list[int] = []
        version = -1
        for word in words[1:]:
            sid, _, role = word[1:].partition(":")
            if word[0] == "@":
                version = int(sid, 16)
            elif word[0] == "-":
                leaving.append(int(sid))
            elif word[0] == ">":
                joining.append(listed(int(sid), known.ensemble.servers[int(sid)].role, 10))
            else:
                joining.append(listed(int(sid), role or PARTICIPANT))
        self.world.clients.reconfigure(request_of(joining, leaving, version), server)

    def _run(self, words: list[str]) -> None:
        schedule = self.world.schedule
        schedule.run_until(schedule.now + _microseconds(words[0]))

    def _state(self, words: list[str]) -> None:
        for server in self.world.servers:
            if not server.life and not server.is_up:
                self.lines.append(f"{server} has never been started")
                continue
            disk = server.disk
            role = server.peer.state.name.lower() if server.is_up else "down"
            serving = " and serves" if server.is_serving else ""
            voters = ""
            known = disk.configurations(True)
            if server.may_change and known is not None:
                voters = f", voters {known.committed.quorum.voters}"
                if known.is_changing:
                    voters += f" or {known.seen.quorum.voters}"
            self.lines.append(
                f"{server} is {role}{serving}: applied 0x{server.state.zxid:x}, log "
                f"0x{disk.log.zxid:x}, epochs {disk.accepted} {disk.current}{voters}"
            )


def _sides(words: list[str]) -> tuple[list[int], list[int]]:
    bar = words.index("|")
    return [int(word) for word in words[:bar]], [int(word) for word in words[bar + 1 :]]


def _microseconds(word: str) -> int:
    unit = "ms" if word.endswith("ms") else "s"
    return int(word.removesuffix(unit)) * _UNITS[unit]


def play(text: str) -> str:
    """The script with the output that its commands give now."""
    script, out = Script(), list[str]()
    is_output = False
    for line in text.splitlines():
        if line == "----":
            is_output = True
        elif not line.strip():
            is_output = False
            if not out or out[-1]:
                out.append("")
        elif is_output:
            continue
        elif line.startswith("#"):
            out.append(line)
        else:
            out += [line, "----", *script.command(line), ""]
    return "\n".join(out).rstrip("\n") + "\n"
