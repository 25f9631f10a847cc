"""Learner links in virtual time: FIFO pipes of bytes that may only break, losing their tail.

Theory of operation. A `Wire` joins two `End`s, each the socket under a PeerLink. Bytes arrive in
order and in pieces cut anywhere. At most `WINDOW` bytes are under way in one direction, be it that
the net is slow or that the process there does not read; the rest stays with the sender. While the
net blocks a direction, what is under way waits; it arrives when the net is whole again, unless the
wire has been given up by then.

A process that is killed closes its sockets: what had left it may still arrive, then the other side
learns of it. A machine that loses its power says nothing, and only when something reaches it after
its start does the other side learn that the connection is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from zoo.sim.reach import Reach
from zoo.sim.schedule import Schedule
from zoo.zab.link import PeerLink

WINDOW = 256 * 1024
CONNECT_TIMEOUT = 2_000_000

Tap = Callable[["End", bytes], None]


class LinkHost(Protocol):
    """A server, as its links see it."""

    sid: int
    life: int
    is_up: bool
    has_power: bool

    def later(self, delay: int, action: Callable[[], None]) -> None: ...

    def new_link(self, sid: int) -> PeerLink:
        """A link object of this server's peer."""
        ...

    def accepted(self, end: End) -> None:
        """Somebody has connected to the quorum port."""
        ...

    def observer_accepted(self, end: End) -> None:
        """Somebody has connected to the observer master port."""
        ...

    def begin_turn(self) -> None:
        """Something is about to go into the peer: let it know what time it is."""
        ...

    def settle(self) -> None:
        """Something has gone into the peer: carry out what it wants."""
        ...


class End:
    """One end of a wire. `tap` hears of every run of bytes that leaves here."""

    def __init__(self, links: Links, host: LinkHost, other_sid: int, is_dialler: bool) -> None:
        self.links = links
        self.host = host
        self.life = host.life
        self.is_dialler = is_dialler
        self.link = host.new_link(other_sid)
        self.other: End
        self.is_gone = False
        self.is_cut = False
        self.in_flight = 0
        self._unsent = b""
        self._arrival = 0
        self._flying: deque[bytes | None] = deque()
        self._stuck = 0
        self._inbox: list[bytes | None] = []

    def __repr__(self) -> str:
        return f"{self.host.sid}->{self.other.host.sid}"

    @property
    def is_alive(self) -> bool:
        return not self.is_gone and self.life == self.host.life and self.host.is_up

    # --- sending

    def flush(self) -> None:
        """Send what the link has and the wire takes."""
        link = self.link
        while not self.is_gone:
            data = link.take_output()
            if self._unsent:
                data = self._unsent + data
            room = max(0, WINDOW - self.in_flight)
            if len(data) > room:
                self._unsent, data = data[room:], data[:room]
            else:
                self._unsent = b""
            if data:
                self._transmit(data)
                link.sent(len(data))  # may make more output
            if self._unsent or not link.dirty:
                break
        if link.closing and not self._unsent and not self.is_gone:
            self.is_gone = True
            self._fly(None, 0)
            link.broken()
            self.links.forget(self)

    def _transmit(self, data: bytes) -> None:
        links = self.links
        if links.tap is not None:
            links.tap(self, data)
        self.in_flight += len(data)
        if len(data) > 1 and links.rng.random() < links.cuts:
            middle = links.rng.randint(1, len(data) - 1)
            self._fly(data[:middle], middle)
            data = data[middle:]
        self._fly(data, len(data))

    def _fly(self, data: bytes | None, size: int) -> None:
        if self.is_cut and data is not None:
            return
        links = self.links
        due = links.schedule.now + links.reach.delay(self.host.sid, self.other.host.sid, size)
        self._arrival = max(self._arrival, due)
        self._flying.append(data)
        links.schedule.after(self._arrival - links.schedule.now, self._arrive)

    # --- under way

    def _arrive(self) -> None:
        if not self._flying:
            return
        if not self.links.reach.is_open(self.host.sid, self.other.host.sid):
            self._stuck += 1
            return
        self.other._take(self._flying.popleft())

    def unstick(self) -> None:
        """The net is whole again."""
        stuck, self._stuck = self._stuck, 0
        for _ in range(stuck):
            self.links.schedule.after(self.links.reach.latency[1], self._arrive)

    def lose_tail(self, rng: Random) -> None:
        """Of what is under way only a beginning will arrive, and nothing that follows."""
        self.is_cut = True
        keep = rng.randint(0, len(self._flying))
        while len(self._flying) > keep:
            self._flying.pop()

    # --- receiving

    def _take(self, data: bytes | None) -> None:
        if not self.is_alive:
            if data is not None and self.host.has_power and not self.other.is_gone:
                self._reset_other()
            return
        self._inbox.append(data)
        if len(self._inbox) == 1:
            self.host.later(1, self._read)

    def _read(self) -> None:
        inbox, self._inbox = self._inbox, []
        if self.is_gone:
            return
        self.host.begin_turn()
        data = b"".join([piece for piece in inbox if piece is not None])
        sender = self.other
        sender.in_flight -= len(data)
        if data:
            self.link.received(data)
        if inbox[-1] is None:
            self._broken()
        elif sender._unsent and sender.is_alive:
            sender.host.later(self.links.reach.latency[0], sender._flush_rest)
        self.host.settle()

    def _flush_rest(self) -> None:
        if self._unsent and not self.is_gone:
            self.host.begin_turn()
            self.flush()
            self.host.settle()

    # --- ending

    def _broken(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self.links.forget(self)
            self.link.broken()

    def break_later(self) -> None:
        """This side learns, a little later, that the connection is gone."""
        if not self.is_alive:
            return
        delay = self.links.reach.delay(self.other.host.sid, self.host.sid)
        self.host.later(delay, self._broken_turn)

    def _broken_turn(self) -> None:
        self.host.begin_turn()
        self._broken()
        self.host.settle()

    def _reset_other(self) -> None:
        if self.links.reach.is_open(self.host.sid, self.other.host.sid):
            self.other.break_later()

    def died(self, *, power: bool) -> None:
        """The process at this end is gone."""
        self.is_gone = True
        if self.links.rng.random() < 0.5:
            self.lose_tail(self.links.rng)
        if not power:
            self._fly(None, 0)


class Links:
    """All wires of the world. `cuts` is how often a run of bytes arrives in two pieces."""

    def __init__(self, schedule: Schedule, rng: Random, reach: Reach) -> None:
        self.schedule = schedule
        self.rng = rng
        self.reach = reach
        self.cuts = 0.05
        self.tap: Tap | None = None
        self._ends: dict[PeerLink, End] = {}
        reach.on_change(self._opened)

    def __len__(self) -> int:
        return len(self._ends)

    def end_of(self, link: PeerLink) -> End | None:
        return self._ends.get(link)

    def reaches(self, sid: int, leader: int, hops: int = 2) -> bool:
        """Whether a member is linked to the leader, or to one who is, and both ends are alive."""
        return sid == leader or any(
            end.is_dialler and end.is_alive and end.other.is_alive
            for end in self._ends.values()
            if end.host.sid == sid and hops and self.reaches(end.other.host.sid, leader, hops - 1)
        )

    def forget(self, end: End) -> None:
        self._ends.pop(end.link, None)

    def dial(
        self,
        source: LinkHost,
        target: LinkHost,
        result: Callable[[PeerLink | None], None],
        as_observer: bool = False,
    ) -> None:
        """Connect to the quorum port, or to that of an observer master; `result` gets the link, or
        None when it was refused or took too long.
        """
        there, back = self.reach.delay(source.sid, target.sid), 0

        def fail(delay: int) -> None:
            source.later(delay, lambda: result(None))

        def arrive() -> None:
            nonlocal back
            back = self.reach.delay(target.sid, source.sid)
            if not self._both_ways(source.sid, target.sid) or not target.has_power:
                fail(CONNECT_TIMEOUT)
            elif not target.is_up:
                fail(back)
            else:
                accept = target.observer_accepted if as_observer else target.accepted
                self._connect(source, target, back, result, accept)

        source.later(there, arrive)

    def _both_ways(self, one: int, other: int) -> bool:
        return self.reach.is_open(one, other) and self.reach.is_open(other, one)

    def _connect(
        self,
        source: LinkHost,
        target: LinkHost,
        back: int,
        result: Callable[[PeerLink | None], None],
        accept: Callable[[End], None],
    ) -> None:
        near, far = End(self, source, target.sid, True), End(self, target, source.sid, False)
        near.other, far.other = far, near
        for end in (near, far):
            self._ends[end.link] = end
        target.later(1, lambda: accept(far))
        source.later(back, lambda: result(None if near.is_gone else near.link))

    # --- faults

    def break_some(self, chance: float) -> int:
        """Break wires at random, each losing what is under way; returns how many."""
        broken = 0
        for end in list(self._ends.values()):
            if end.is_dialler and self.rng.random() < chance:
                self.break_wire(end)
                broken += 1
        return broken

    def break_wire(self, end: End) -> None:
        for one in (end, end.other):
            one.lose_tail(self.rng)
            one.break_later()

    def ends_of(self, host: LinkHost) -> list[End]:
        return [end for end in self._ends.values() if end.host is host]

    def process_died(self, host: LinkHost, *, power: bool) -> None:
        for end in self.ends_of(host):
            self.forget(end)
            end.died(power=power)

    def _opened(self) -> None:
        for end in list(self._ends.values()):
            end.unstick()
            end.other.unstick()
