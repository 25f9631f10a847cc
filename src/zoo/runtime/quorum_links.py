"""Learner links: the quorum port, the dial to the leader, and bytes between sockets and PeerLinks.

Theory of operation. Every member listens on its quorum port all the time, though only a leader has
a use for connections. Who connects believes that we lead. If we do, the link is the leader's. If we
still look, we may be about to find out the same: the connection is held, unread, for a moment, and
so nobody who was quicker than we are has to come again. If we follow or observe, it is closed, and
the other side looks anew at once.

Output is sent at the end of a turn, joined, as much as the socket takes and a bounded amount at a
time; the rest when there is room. `PeerLink.sent` tells the protocol above, which makes more of a
snapshot only when there is room, and cuts a learner off that does not read. The other way round,
nothing is read from a leader whose snapshot comes faster than the disk takes it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from zoo.runtime.dial import Dial
from zoo.runtime.hub import IN, OUT, Hub, Timer
from zoo.runtime.port_listener import PortListener
from zoo.zab.learner_stream import STREAM_STEP
from zoo.zab.link import PeerLink
from zoo.zab.vote import ServerState

log = logging.getLogger("zoo.quorum")

_RECEIVE_SIZE = 1 << 18
_SEND_PER_TURN = 1 << 18
_HOLD_SECONDS = 2.0
_MAX_HELD = 64
_LAST_WORDS_SECONDS = 2.0
MAX_BACKLOG = 64
"""Readies, of a snapshot 1 MiB each, that may wait for the disk while more is read."""

Addresses = Sequence[tuple[str, int]]


class Backlog(Protocol):
    """What of zoo.zab.log_queue.LogQueue tells how far the disk is behind."""

    @property
    def backlog(self) -> int: ...


class LinkingPeer(Protocol):
    """What of zoo.zab.peer.Peer has to do with links."""

    @property
    def state(self) -> ServerState: ...

    @property
    def log(self) -> Backlog: ...

    wanted_leader: int | None
    wants_observer_master: bool
    dirty: list[PeerLink]

    def learner_link(self, link: PeerLink) -> None: ...

    def observer_link(self, link: PeerLink) -> None: ...

    def leader_link(self, link: PeerLink | None) -> None: ...


class QuorumSettings(NamedTuple):
    listen_on: tuple[tuple[str, int], ...]
    connect_seconds: float = 5.0
    bind_attempts: int = 3
    observers_on: tuple[tuple[str, int], ...] = ()
    """Where a follower takes observers of its own; nowhere, if empty."""


class QuorumLinks:
    """`leaders` are the quorum addresses of all members by number, `masters` those where followers
    take observers.
    """

    def __init__(
        self,
        hub: Hub,
        peer: LinkingPeer,
        leaders: Mapping[int, Addresses],
        settings: QuorumSettings,
        failed: Callable[[str], None],
        masters: Mapping[int, Addresses] | None = None,
    ) -> None:
        self.hub = hub
        self._peer = peer
        self._leaders = leaders
        self._failed = failed
        self._masters = masters or {}
        self._settings = settings
        self._sockets: dict[PeerLink, _LinkSocket] = {}
        self._held: dict[socket.socket, tuple[str, Timer]] = {}
        self._dialling: tuple[int, Dial] | None = None
        self._leader: _LinkSocket | None = None
        self.listener = PortListener(
            hub, "learners", settings.listen_on, self._accepted, failed, settings.bind_attempts
        )
        self.observers = self._observer_port(settings.observers_on)

    def _observer_port(self, listen_on: Addresses) -> PortListener:
        peer = self._peer
        return PortListener(
            self.hub,
            "observers",
            listen_on,
            lambda sock, name: peer.observer_link(self._linked(sock, name)),
            self._failed,
            self._settings.bind_attempts,
        )

    def start(self) -> None:
        self.listener.open()
        self.observers.open()

    def set_leaders(
        self, leaders: Mapping[int, Addresses], masters: Mapping[int, Addresses] | None = None
    ) -> None:
        """The members, and where they take learners and observers, from now on."""
        self._leaders = leaders
        self._masters = masters or {}

    def feed(self, listen_on: Addresses) -> None:
        """Take observers there from now on; nowhere, if empty."""
        self.observers.close()
        self.observers = self._observer_port(listen_on)
        self.observers.open()

    def move(self, listen_on: Addresses) -> None:
        """Our own quorum addresses are others now."""
        self.listener.close()
        self.listener = PortListener(
            self.hub,
            "learners",
            listen_on,
            self._accepted,
            self._failed,
            self._settings.bind_attempts,
        )
        self.listener.open()

    def after_turn(self) -> None:
        """Do what the peer has decided: dial, take or refuse who waits, send, close."""
        if self._held and self._peer.state is not ServerState.LOOKING:
            self._decide_held()
        self._follow_wish()
        self.flush()
        if self._leader is not None:
            self._leader.pause(self._peer.log.backlog > MAX_BACKLOG)

    def flush(self) -> None:
        peer = self._peer
        while peer.dirty:
            dirty, peer.dirty[:] = list(peer.dirty), []
            for link in dirty:
                link_socket = self._sockets.get(link)
                if link_socket is None:
                    link.take_output()  # gone meanwhile
                elif link.closing or not link_socket.waits_for_room:
                    # Else a stream would go on within one turn for as long as the other side reads.
                    link_socket.flush()

    def close(self) -> None:
        self.listener.close()
        self.observers.close()
        for sock in list(self._held):
            self._let_go(sock)
            sock.close()
        if self._dialling is not None:
            self._dialling[1].cancel()
        for link_socket in list(self._sockets.values()):
            link_socket.drop("")

    # --- learners come

    def _accepted(self, sock: socket.socket, name: str) -> None:
        state = self._peer.state
        if state is ServerState.LEADING:
            self._peer.learner_link(self._linked(sock, name))
        elif state is ServerState.LOOKING and len(self._held) < _MAX_HELD:
            self._held[sock] = name, self.hub.later(_HOLD_SECONDS, lambda: self._refuse(sock))
        else:
            log.info("%s takes this server for the leader; it is %s", name, state.name)
            sock.close()

    def _decide_held(self) -> None:
        for sock in list(self._held):
            name = self._let_go(sock)
            self._accepted(sock, name)

    def _let_go(self, sock: socket.socket) -> str:
        name, timer = self._held.pop(sock)
        timer.cancel()
        return name

    def _refuse(self, sock: socket.socket) -> None:
        name = self._let_go(sock)
        log.info("%s takes this server for the leader; it is still looking for one", name)
        sock.close()

    # --- the leader is dialled

    def _follow_wish(self) -> None:
        wanted = self._peer.wanted_leader
        if self._dialling is not None:
            if self._dialling[0] == wanted:
                return
            self._dialling[1].cancel()
            self._dialling = None
        if wanted is None:
            return
        addresses = self._masters if self._peer.wants_observer_master else self._leaders
        dial = Dial(
            self.hub,
            addresses.get(wanted, ()),
            self._settings.connect_seconds,
            lambda sock, problem: self._dialled(wanted, sock, problem),
        )
        self._dialling = wanted, dial

    def _dialled(self, leader: int, sock: socket.socket | None, problem: str) -> None:
        self._dialling = None
        if self._peer.wanted_leader != leader:
            if sock is not None:
                sock.close()
            return
        kind = "observer master" if self._peer.wants_observer_master else "leader"
        if sock is None:
            log.info("cannot reach the %s, server %d: %s", kind, leader, problem)
            self._peer.leader_link(None)
        else:
            link = self._linked(sock, f"{kind} {leader}")
            self._leader = self._sockets[link]
            self._peer.leader_link(link)

    # --- links

    def _linked(self, sock: socket.socket, name: str) -> PeerLink:
        link = PeerLink(name, self._peer.dirty)
        self._sockets[link] = _LinkSocket(self, sock, link)
        return link

    def forget(self, link: PeerLink) -> None:
        if self._sockets.pop(link) is self._leader:
            self._leader = None


class _LinkSocket:
    """The socket under one PeerLink."""

    def __init__(self, links: QuorumLinks, sock: socket.socket, link: PeerLink) -> None:
        self._links = links
        self._hub = links.hub
        self._sock = sock
        self._link = link
        self._unsent = memoryview(b"")
        self._mask = self._wanted = IN
        self._paused = False
        self._deadline: Timer | None = None
        self._gone = False
        self._hub.watch(sock.fileno(), IN, self._on_ready)

    def _on_ready(self, mask: int) -> None:
        if mask & OUT:
            self.flush()
        if mask & ~OUT and not self._gone:
            self._read()

    @property
    def waits_for_room(self) -> bool:
        """More is sent when the socket says that there is room."""
        return bool(self._mask & OUT)

    def pause(self, paused: bool) -> None:
        """Read nothing, or go on reading."""
        if paused != self._paused:
            self._paused = paused
            self._wait_for(self._wanted)

    def _read(self) -> None:
        try:
            data = self._sock.recv(_RECEIVE_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self.drop(error.strerror or str(error))
            return
        if data:
            self._link.received(data)
        else:
            self.drop("the other side has closed it")

    def flush(self) -> None:
        """Send, up to a bound; then settle what to wait for, or close."""
        if self._gone:
            return
        link = self._link
        budget = _SEND_PER_TURN if link.on_drained is None else STREAM_STEP
        if link.closing and not link.out_size:
            self._unsent = memoryview(b"")  # aborted: nothing more is to be sent
        while budget > 0:
            if not self._unsent:
                self._unsent = memoryview(link.take_output())
                if not self._unsent:
                    break
            try:
                sent = self._sock.send(self._unsent[:budget])
            except BlockingIOError:
                break
            except OSError as error:
                self.drop(error.strerror or str(error))
                return
            self._unsent = self._unsent[sent:]
            budget -= sent
            link.sent(sent)
        more = bool(self._unsent or link.out)
        if link.closing:
            self._end(more)
        else:
            self._wait_for(IN | OUT if more else IN)

    def _end(self, more: bool) -> None:
        if not more:
            self.drop("")
            return
        if self._deadline is None:
            self._deadline = self._hub.later(
                _LAST_WORDS_SECONDS, lambda: self.drop("it does not read")
            )
        self._wait_for(OUT)

    def _wait_for(self, wanted: int) -> None:
        self._wanted = wanted
        mask = wanted & ~IN if self._paused else wanted
        if mask != self._mask:
            self._mask = mask
            self._hub.rewatch(self._sock.fileno(), mask)

    def drop(self, reason: str) -> None:
        """Close the socket and tell the link."""
        if self._gone:
            return
        self._gone = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._hub.unwatch(self._sock.fileno())
        self._sock.close()
        self._links.forget(self._link)
        if reason and not self._link.closing:
            log.info("the link with %s is broken: %s", self._link.peer, reason)
        self._link.broken()
