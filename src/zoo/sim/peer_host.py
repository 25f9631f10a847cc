"""A simulated server around a production `Peer`: its mesh, its links, its timer.

Theory of operation. Every input of the peer goes through here and is followed by `settle`, which
carries out what the peer wants: messages for the mesh, links to flush, a leader to dial, work for
the disk (`_begin_ready`, which differs between the pure protocol and whole members). The timer
ticks when the peer is due, and now and then besides.

Connections to the quorum port of a server that is still looking wait for a while: those who have
elected it may know before it does.

A server is where the configuration that it goes by says; others reach it only if they know that
place, in the mesh also if it knows theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from zoo.config_ensemble import PeerAddress
from zoo.errors import ProtocolViolation
from zoo.sim.host import Host
from zoo.sim.learner_links import End, Links
from zoo.sim.mesh import Mesh
from zoo.sim.schedule import Schedule
from zoo.zab.configurations import Configuration, Configurations
from zoo.zab.link import PeerLink
from zoo.zab.vote import ServerState

if TYPE_CHECKING:
    from zoo.zab.peer import Peer

HOLD = 2_000_000


class PeerHost(Host):
    """`others` are all servers by id, this one among them."""

    peer: Peer

    def __init__(
        self,
        schedule: Schedule,
        sid: int,
        rng: Random,
        mesh: Mesh,
        links: Links,
        others: dict[int, PeerHost],
        trace: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(schedule, sid, trace)
        self.rng = rng
        self.mesh = mesh
        self.links = links
        self.others = others
        self.tick_ms = 2000
        self.ticks = 4
        """How often the server looks at the time within a tick, if nothing is due."""
        self.is_lacking = False
        self.crash_here: Callable[[str], bool] = lambda where: False
        """Asked before each effect on the disk: whether the server has ended at this moment."""
        self.addresses: tuple[PeerAddress, ...] = ()
        """Where this server listens."""
        self._known: dict[int, tuple[PeerAddress, ...]] = {}
        self._followed: tuple[Configuration, Configuration] | None = None
        self._timer: int | None = None
        self._dialling: int | None = None
        self._held: list[End] = []
        self._settling = False
        self._state = ""

    @property
    def is_voting(self) -> bool:
        return self.is_up and self.peer.is_voting

    # --- life

    def began(self) -> None:
        """A new process has its peer: let it look for a leader."""
        self.is_up = self.has_power = True
        self._timer = self._dialling = None
        self._held.clear()
        self._settling = False
        self._state = ""
        self._followed = None
        self._follow_configuration()
        self.peer.start(self.now_ms)
        self.mesh.came_back(self.sid)
        self.settle()

    def died(self, *, power: bool) -> None:
        """Links and mesh learn of it, the machine has lost its power or not."""
        self.has_power = not power
        self.links.process_died(self, power=power)
        self.end()
        self.mesh.went(self.sid)

    # --- inputs

    def notification(self, sid: int, data: bytes) -> None:
        if self.is_up:
            self.later(0, lambda: self._notified(sid, data))

    def _notified(self, sid: int, data: bytes) -> None:
        self.begin_turn()
        try:
            self.peer.notification(sid, data)
        except ProtocolViolation as violation:
            self.trace(f"drops a message of s{sid}: {violation}")
        self.settle()

    def reachable(self, sid: int) -> None:
        self.later(0, lambda: self._input(lambda: self.peer.reachable(sid)))

    def unreachable(self, sid: int) -> None:
        self.later(0, lambda: self._input(lambda: self.peer.unreachable(sid)))

    def _input(self, action: Callable[[], None]) -> None:
        if self.is_up:
            self.begin_turn()
            action()
            self.settle()

    def begin_turn(self) -> None:
        """The clock is read once for whatever happens at one moment."""
        self.peer.now_ms = self.now_ms

    # --- links

    def new_link(self, sid: int) -> PeerLink:
        return PeerLink(f"server {sid}", self.peer.dirty)

    def accepted(self, end: End) -> None:
        if self.peer.state is ServerState.LOOKING:
            self._held.append(end)
            self.later(HOLD, lambda: self._let_go(end))
            return
        self.begin_turn()
        self._hand_over(end)
        self.settle()

    def _hand_over(self, end: End) -> None:
        if not end.is_gone:
            self.peer.learner_link(end.link)  # closes it unless it leads

    def observer_accepted(self, end: End) -> None:
        self.begin_turn()
        if not end.is_gone:
            self.peer.observer_link(end.link)  # closes it unless it follows
        self.settle()

    def _let_go(self, end: End) -> None:
        if end in self._held:
            self._held.remove(end)
            self.begin_turn()
            self._hand_over(end)
            self.settle()

    def _dial(self, sid: int) -> None:
        self._dialling = sid
        life_of_dial = self.life

        def result(link: PeerLink | None) -> None:
            if self.life != life_of_dial:
                return
            if self._dialling == sid:
                self._dialling = None
            self.begin_turn()
            if self.peer.wanted_leader == sid:
                self.peer.leader_link(link)
            elif link is not None:
                link.close()
            self.settle()

        if self.knows(sid):
            self.links.dial(self, self.others[sid], result, self.peer.wants_observer_master)
        else:
            self.later(self.links.reach.delay(self.sid, sid), lambda: result(None))

    # --- who is a member, and where

    @property
    def configurations(self) -> Configurations:
        return self.peer.configurations

    def knows(self, sid: int) -> bool:
        """Whether that server is where this one takes it to be."""
        there = self.others[sid].addresses
        return any(each in there for each in self._known.get(sid, ()))

    def _follow_configuration(self) -> bool:
        """Be where the configuration says, and know where the others are; whether that is news."""
        known = self.configurations
        if self._followed is not None:
            committed, seen = self._followed
            if committed is known.committed and seen is known.seen:
                return False
        self._followed = known.committed, known.seen
        self._known = {sid: server.addresses for sid, server in known.servers.items()}
        mine = known.committed.ensemble.servers.get(self.sid)
        if mine is not None:
            self.addresses = mine.addresses
        return True

    # --- what comes out

    def settle(self) -> None:
        if self._settling or not self.is_up:
            return
        self._settling = True
        peer = self.peer
        while self._settle_once(peer):
            pass
        if self._follow_configuration():
            self.mesh.came_back(self.sid)
        self._settling = False
        if self.is_up:
            self._note_state()
            self._set_timer()

    def _settle_once(self, peer: Peer) -> bool:
        """Carry out what there is; whether there may be more."""
        busy = False
        if peer.mesh_out:
            out = list(peer.mesh_out)
            peer.mesh_out.clear()
            for sid, data in out:
                if sid in self.others:
                    self.mesh.send(self.sid, sid, data)
        if self._held and peer.state is not ServerState.LOOKING:
            held, self._held = self._held, []
            for waiting in held:
                self._hand_over(waiting)
            busy = True
        if peer.dirty:
            dirty = list(peer.dirty)
            peer.dirty.clear()
            for link in dirty:
                end = self.links.end_of(link)
                if end is not None:
                    end.flush()
            busy = True
        wanted = peer.wanted_leader
        if wanted is not None and wanted != self._dialling:
            self._dial(wanted)
        return self._begin_ready() or busy

    def _begin_ready(self) -> bool:
        """Take work for the disk, if it is free. Returns whether something was done."""
        raise NotImplementedError

    def _note_state(self) -> None:
        if self.is_traced:
            peer = self.peer
            state = f"{peer.state.name} {peer.zab_state}"
            if peer.state is not ServerState.LOOKING:
                state += f", leader s{peer.leader_id}"
            if state != self._state:
                self._state = state
                self.trace(f"is {state}")

    # --- time

    def _set_timer(self) -> None:
        """Be woken when the peer is due, and at least some times a tick."""
        now_ms = self.now_ms
        due = now_ms + max(1, self.tick_ms // self.ticks)
        peer_due = self.peer.next_due
        if peer_due is not None and peer_due < due:
            due = max(peer_due, now_ms)
        if self._timer is not None and self._timer <= due:
            return
        self._timer = due
        self.later((due - now_ms) * 1000 + 1, lambda: self._tick(due))

    def _tick(self, due: int) -> None:
        if self._timer != due:
            return
        self._timer = None
        self.begin_turn()
        self._tick_peer()
        self.settle()

    def _tick_peer(self) -> None:
        self.peer.tick(self.now_ms)
