"""The election mesh in virtual time: messages may be lost, doubled, and overtake each other.

Theory of operation. That is more than the real mesh does (zoo.runtime.election_mesh has TCP links)
and all that an election may rely on. Like the real one it keeps, of what it cannot send, the newest
message for each server, which so arrives late; and it tells its members, at times late, to whom it
has no link and to whom it has one again. Between two servers there is a link if one of them knows
where the other is.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

from zoo.sim.reach import Reach
from zoo.sim.schedule import Schedule

_NOTICED = (20_000, 4_000_000)


class MeshMember(Protocol):
    """One server's end."""

    is_up: bool
    has_power: bool

    def notification(self, sid: int, data: bytes) -> None: ...

    def reachable(self, sid: int) -> None: ...

    def unreachable(self, sid: int) -> None: ...

    def knows(self, sid: int) -> bool:
        """Whether this server knows where that one is."""
        ...


class Mesh:
    """All servers' election messages."""

    def __init__(self, schedule: Schedule, rng: Random, reach: Reach) -> None:
        self._schedule = schedule
        self._rng = rng
        self._reach = reach
        self._members: dict[int, MeshMember] = {}
        self._kept: dict[tuple[int, int], bytes] = {}
        self._parted: dict[tuple[int, int], None] = {}
        self.sent = self.lost = 0
        self.tap: Callable[[int, int, bytes], None] | None = None
        reach.on_change(self._opened)

    def join(self, sid: int, member: MeshMember) -> None:
        self._members[sid] = member

    def send(self, source: int, target: int, data: bytes) -> None:
        rng, reach = self._rng, self._reach
        self.sent += 1
        if self.tap is not None:
            self.tap(source, target, data)
        if not (reach.is_open(source, target) and self._can_link(source, target)):
            self._kept[source, target] = data
            return
        self._kept.pop((source, target), None)
        if reach.loss and rng.random() < reach.loss:
            self.lost += 1
            return
        copies = 1 + (reach.duplicates > 0 and rng.random() < reach.duplicates)
        for _ in range(copies):
            delay = reach.delay(source, target, len(data))
            self._schedule.after(delay, lambda: self._arrive(source, target, data))

    def _arrive(self, source: int, target: int, data: bytes) -> None:
        if not self._reach.is_open(source, target):
            self._kept.setdefault((source, target), data)
        else:
            self._members[target].notification(source, data)

    # --- links come and go

    def went(self, sid: int) -> None:
        """A server's process has ended: at once for all to see if its machine still runs."""
        member = self._members[sid]
        for other in self._members:
            if other == sid:
                continue
            delay = self._rng.randint(*_NOTICED) if not member.has_power else 0
            self._part(other, sid, delay + self._reach.delay(sid, other))

    def came_back(self, sid: int) -> None:
        """A server has started, or is or knows others elsewhere: links between it and all others
        are made, or cannot be made.
        """
        for other, member in self._members.items():
            if other == sid:
                continue
            if member.is_up and self._can_link(other, sid):
                self._join(other, sid)
            else:
                delay = self._rng.randint(*_NOTICED) if not member.has_power else 0
                self._part(sid, other, delay + self._reach.delay(sid, other))

    def blocked(self) -> None:
        """Pairs have been blocked, if only one way: after a while both sides give their link up."""
        for one in self._members:
            for other in self._members:
                if one < other and not self._is_joined(one, other):
                    delay = self._rng.randint(*_NOTICED)
                    self._part(one, other, delay)
                    self._part(other, one, delay)

    def _part(self, one: int, other: int, delay: int) -> None:
        def part() -> None:
            if not self._is_joined(one, other):
                self._parted[one, other] = None
                self._members[one].unreachable(other)

        self._schedule.after(delay, part)

    def _is_joined(self, one: int, other: int) -> bool:
        reach = self._reach
        is_open = reach.is_open(one, other) and reach.is_open(other, one)
        return is_open and self._members[one].is_up and self._can_link(one, other)

    def _can_link(self, one: int, other: int) -> bool:
        members = self._members
        return members[other].is_up and (members[one].knows(other) or members[other].knows(one))

    def _join(self, one: int, other: int) -> None:
        """The link between two stands again: what was kept for it goes out."""

        def join() -> None:
            if not self._is_joined(one, other):
                return
            for source, target in ((one, other), (other, one)):
                self._parted.pop((source, target), None)
                self._members[source].reachable(target)
                kept = self._kept.pop((source, target), None)
                if kept is not None:
                    self.send(source, target, kept)

        self._schedule.after(self._reach.delay(one, other) * 3, join)

    def _opened(self) -> None:
        pairs = {(min(pair), max(pair)): None for pair in [*self._parted, *self._kept]}
        for one, other in pairs:
            self._join(one, other)
