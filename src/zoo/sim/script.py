"""Stories of the protocol as text: commands, and behind each the trace that it must give.

Theory of operation. A script is blocks of a command line, a line ``----``, and what that command
prints, up to an empty line. `play` carries the commands out in a world of the pure protocol where
every latency is fixed, and returns the script with the output that it gave; a test compares the
two. Lines with # say what the story is about.

    members 3 [observers 1] [window 10]     the world; the first command
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

from zoo.sim.cluster_faults import FaultMix
from zoo.sim.zab_server import ZabServer
from zoo.sim.zab_world import ZabScenario, ZabWorld

_STEP = 1_000
_UNITS = {"ms": 1_000, "s": 1_000_000}


class Script:
    """One story being played."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.world: ZabWorld
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "members": self._members,
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
            window=int(options.get("window", 1_000)),
            latency=(_STEP, _STEP),
            fsync_us=(_STEP, _STEP),
            snapshot_every=0,
            snapshot_padding=0,
            faults=FaultMix(every=0),
        )
        self.world = ZabWorld(1, scenario=scenario, trace=self.lines.append)
        self.world.links.cuts = 0.0
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

    def _run(self, words: list[str]) -> None:
        schedule = self.world.schedule
        schedule.run_until(schedule.now + _microseconds(words[0]))

    def _state(self, words: list[str]) -> None:
        for server in self.world.servers:
            disk = server.disk
            role = server.peer.state.name.lower() if server.is_up else "down"
            serving = " and serves" if server.is_serving else ""
            self.lines.append(
                f"{server} is {role}{serving}: applied 0x{server.state.zxid:x}, log "
                f"0x{disk.log.zxid:x}, epochs {disk.accepted} {disk.current}"
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
