"""The election mesh: at most one connection with each other member, for messages that may be lost.

Theory of operation. Whoever has something to say dials; the connection is kept by the member with
the larger number, as with ZooKeeper's QuorumCnxManager. So a dial to a larger number only says who
we are and hangs up, and the other side dials back; a dial to a smaller one becomes the link. Of
messages to a member only the newest counts: an older one that has not left is replaced. When a link
comes up, the newest message is sent again if it may have been lost with the link before.

Links are kept up while nothing is to be said, too: the end of one is the fastest sign that a member
has died, and `unreachable` hands it on at once. A member that does not answer is dialled again, at
first after milliseconds (it may be starting at this very moment), then less and less often.

Who connects must say who he is in time and in the protocol's form; else he is closed, with one line
in the log, and there is a bound on how many may be at that.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from zoo.errors import ProtocolViolation
from zoo.runtime.dial import Dial
from zoo.runtime.hub import IN, OUT, Hub, Timer
from zoo.runtime.port_listener import PortListener
from zoo.zab.mesh_protocol import Greeting, MeshInput, encode_greeting, frame

log = logging.getLogger("zoo.election_mesh")

FIRST_RETRY_SECONDS = 0.01
LAST_RETRY_SECONDS = 1.0
_DIAL_BACK_SECONDS = 0.5  # how long the larger one may take to dial back
_DOUBT_SECONDS = 5.0  # what was sent so shortly before the link broke may be lost
_SETTLING_SECONDS = 1.0  # a link so young is not given up because its other side dialled, too
_MAX_UNGREETED = 64
_MAX_STRANGERS = 16
_RECEIVE_SIZE = 1 << 16
_COMPLAINT_SECONDS = 1.0

Addresses = Sequence[tuple[str, int]]


class MeshSettings(NamedTuple):
    """Times in seconds. `bind_attempts` 0: without end."""

    listen_on: tuple[tuple[str, int], ...]
    connect_seconds: float = 5.0
    greeting_seconds: float = 10.0
    bind_attempts: int = 3
    keep_alive: bool = False
    multi_address: bool = False


class MeshEvents(NamedTuple):
    """Whom the mesh tells. `received` may raise ProtocolViolation: the link is dropped."""

    received: Callable[[int, bytes], None]
    reachable: Callable[[int], None]
    unreachable: Callable[[int], None]
    failed: Callable[[str], None]
    """Nobody can reach us any more, and why: the server must end."""


class _Peer:
    """Another member."""

    def __init__(self, sid: int, addresses: Addresses) -> None:
        self.sid = sid
        self.addresses = addresses
        self.link: _Link | None = None
        self.dial: Dial | None = None
        self.dialled_at = 0.0
        self.retry: Timer | None = None
        self.pause = FIRST_RETRY_SECONDS
        self.message: bytes | None = None
        self.unsent = False  # the message is to be sent as soon as it can be
        self.sent_at = float("-inf")
        self.is_down = False  # so we have said


class ElectionMesh:
    """`peers` are the election addresses of all other members by number, `greeting_addresses` our
    own as the others have them.
    """

    def __init__(
        self,
        hub: Hub,
        my_id: int,
        greeting_addresses: Addresses,
        peers: Mapping[int, Addresses],
        settings: MeshSettings,
        events: MeshEvents,
    ) -> None:
        self.hub = hub
        self.my_id = my_id
        self.settings = settings
        self._greeting = encode_greeting(my_id, greeting_addresses, settings.multi_address)
        self._events = events
        self._peers = {sid: _Peer(sid, addresses) for sid, addresses in peers.items()}
        self._members = frozenset(peers)
        self._ungreeted: dict[_Link, None] = {}
        self._complaint_at = float("-inf")
        self._complaints = 0
        self._closed = False
        self.listener = PortListener(
            hub,
            "elections",
            settings.listen_on,
            self._accepted,
            events.failed,
            settings.bind_attempts,
        )

    def start(self) -> None:
        self.listener.open()

    def set_members(self, peers: Mapping[int, Addresses]) -> None:
        """These are the other members from now on. The link of one that is none any more stays for
        as long as it lasts: it may have to be told of that.
        """
        self._members = frozenset(peers)
        for sid, addresses in peers.items():
            peer = self._peers.get(sid)
            if peer is None:
                self._peers[sid] = _Peer(sid, addresses)
            elif list(peer.addresses) != list(addresses):
                peer.addresses = addresses
        for sid in [*self._peers]:
            peer = self._peers[sid]
            if sid not in peers and peer.link is None:
                del self._peers[sid]
                for pending in (peer.dial, peer.retry):
                    if pending is not None:
                        pending.cancel()

    def move(self, greeting_addresses: Addresses, listen_on: Addresses) -> None:
        """Our own addresses are others now."""
        settings = self.settings
        self._greeting = encode_greeting(self.my_id, greeting_addresses, settings.multi_address)
        self.listener.close()
        self.listener = PortListener(
            self.hub,
            "elections",
            listen_on,
            self._accepted,
            self._events.failed,
            settings.bind_attempts,
        )
        self.listener.open()

    def send(self, sid: int, message: bytes) -> None:
        """Take the newest message for a member in place of an older one. Leaves with `flush`."""
        peer = self._peers.get(sid)
        if peer is None:
            log.debug("no address of server %d is known: nothing can be sent to it", sid)
            return
        peer.message = message
        peer.unsent = True

    def flush(self) -> None:
        """Send what is new; dial whoever there is something for."""
        for peer in self._peers.values():
            if peer.unsent:
                if peer.link is not None:
                    peer.link.send_newest()
                elif peer.dial is None and peer.retry is None:
                    self._dial(peer)

    def is_up(self, sid: int) -> bool:
        peer = self._peers.get(sid)
        return peer is not None and peer.link is not None

    def close(self) -> None:
        self._closed = True
        self.listener.close()
        for link in [*self._ungreeted, *(p.link for p in self._peers.values() if p.link)]:
            link.close()
        for peer in self._peers.values():
            if peer.dial is not None:
                peer.dial.cancel()
            if peer.retry is not None:
                peer.retry.cancel()

    # --- dialling

    def _dial(self, peer: _Peer) -> None:
        peer.retry = None
        if not peer.addresses:  # a stranger that did not say where it listens
            return
        peer.dialled_at = time.monotonic()
        peer.dial = Dial(
            self.hub,
            peer.addresses,
            self.settings.connect_seconds,
            lambda sock, problem: self._dialled(peer, sock, problem),
        )

    def _dialled(self, peer: _Peer, sock: socket.socket | None, problem: str) -> None:
        peer.dial = None
        if sock is None:
            log.debug("cannot reach server %d for elections: %s", peer.sid, problem)
            self._lost(peer, problem)
            return
        try:
            self._set_keep_alive(sock)
            sock.send(self._greeting)  # a new socket takes so few bytes
        except OSError as error:
            sock.close()
            self._lost(peer, str(error))
            return
        if peer.sid > self.my_id:
            sock.close()
            self._retry(peer, max(peer.pause, _DIAL_BACK_SECONDS))
            peer.pause = min(2 * peer.pause, LAST_RETRY_SECONDS)
        else:
            self._up(peer, _Link(self, sock, f"server {peer.sid}", MeshInput(False), peer))

    def _retry(self, peer: _Peer, pause: float) -> None:
        if peer.retry is None and not self._closed:
            peer.retry = self.hub.later(pause, lambda: self._dial(peer))

    def _lost(self, peer: _Peer, reason: str) -> None:
        """There is no way to the member at the moment."""
        if self._closed:
            return
        if peer.sid not in self._members:
            log.info("server %d, which is no member, is gone: %s", peer.sid, reason)
            self._peers.pop(peer.sid, None)
            return
        pause = peer.pause
        peer.pause = min(2 * pause, LAST_RETRY_SECONDS)
        self._retry(peer, pause)
        if not peer.is_down:
            peer.is_down = True
            log.info("server %d cannot be reached for elections: %s", peer.sid, reason)
            self._events.unreachable(peer.sid)

    # --- links

    def _up(self, peer: _Peer, link: _Link) -> None:
        """The link takes the place of an older one."""
        old, peer.link = peer.link, link
        if old is not None:
            old.close()
        if peer.dial is not None:
            peer.dial.cancel()
            peer.dial = None
        if peer.retry is not None:
            peer.retry.cancel()
            peer.retry = None
        if peer.message is not None and link.born - peer.sent_at < _DOUBT_SECONDS:
            peer.unsent = True
        if peer.is_down or old is None:
            log.info("the election link with server %d is up", peer.sid)
        peer.is_down = False
        self._events.reachable(peer.sid)

    def broken(self, link: _Link, reason: str) -> None:
        """A link's socket is closed."""
        peer = link.peer
        if peer is None:
            self._ungreeted.pop(link, None)
            if reason:
                self._complain(link.name, reason)
        elif peer.link is link:
            peer.link = None
            if time.monotonic() - link.born > _SETTLING_SECONDS:
                peer.pause = FIRST_RETRY_SECONDS
            self._lost(peer, reason or "the link was closed")

    def received(self, peer: _Peer, message: bytes) -> None:
        self._events.received(peer.sid, message)

    # --- who connects

    def _accepted(self, sock: socket.socket, name: str) -> None:
        if len(self._ungreeted) >= _MAX_UNGREETED:
            oldest = next(iter(self._ungreeted))
            oldest.close("too many connections that have not said who they are")
        try:
            self._set_keep_alive(sock)
        except OSError:
            sock.close()
            return
        link = _Link(self, sock, name, MeshInput(True), None)
        self._ungreeted[link] = None
        link.give_up_after(self.settings.greeting_seconds)

    def greeted(self, link: _Link, greeting: Greeting) -> None:
        """Somebody has said who he is. Raises ProtocolViolation when he cannot be that."""
        sid = greeting.sid
        if sid == self.my_id:
            raise ProtocolViolation(
                f"it calls itself server {sid}, which is this one: two servers have the same myid"
            )
        del self._ungreeted[link]
        peer = self._peers.get(sid) or self._stranger(greeting, link.name)
        if sid > self.my_id:
            link.become(peer)
            self._up(peer, link)
            return
        link.close()
        now = time.monotonic()
        if peer.link is not None:
            if now - peer.link.born < _SETTLING_SECONDS:
                return  # both dialled at the same moment; ours is the one that stays
            old, peer.link = peer.link, None  # the other side has lost it, and we did not notice
            old.close()
        if peer.dial is not None:
            if now - peer.dialled_at < _SETTLING_SECONDS:
                return
            peer.dial.cancel()  # on its way to an address that is not the member's any more
        if peer.retry is not None:
            peer.retry.cancel()
        self._dial(peer)

    def _stranger(self, greeting: Greeting, name: str) -> _Peer:
        """A server that is no member of ours: it may know a newer configuration."""
        if len(self._peers) - len(self._members) >= _MAX_STRANGERS:
            raise ProtocolViolation(f"{_MAX_STRANGERS} servers that are no members are connected")
        if not greeting.addresses:
            raise ProtocolViolation(
                f"it calls itself server {greeting.sid}, which is no member, and tells no address: "
                f"{greeting.problem or 'none is there'}"
            )
        log.warning("%s calls itself server %d, which is no member", name, greeting.sid)
        peer = self._peers[greeting.sid] = _Peer(greeting.sid, greeting.addresses)
        return peer

    def _complain(self, name: str, reason: str) -> None:
        """A line about who was turned away: one a second, since a scanner does not tire."""
        self._complaints += 1
        now = time.monotonic()
        if now - self._complaint_at >= _COMPLAINT_SECONDS:
            log.warning(
                "closed a connection of %s to the election port (%d since the last such line): %s",
                name,
                self._complaints,
                reason,
            )
            self._complaints, self._complaint_at = 0, now

    def _set_keep_alive(self, sock: socket.socket) -> None:
        if self.settings.keep_alive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class _Link:
    """One connection; `peer` is None until it has said who it is."""

    def __init__(
        self,
        mesh: ElectionMesh,
        sock: socket.socket,
        name: str,
        parser: MeshInput,
        peer: _Peer | None,
    ) -> None:
        self._mesh = mesh
        self._hub = mesh.hub
        self._sock = sock
        self.name = name
        self.peer = peer
        self.born = time.monotonic()
        self._input = parser
        self._rest = b""
        self._mask = IN
        self._timer: Timer | None = None
        self._closed = False
        self._hub.watch(sock.fileno(), IN, self._on_ready)

    def give_up_after(self, seconds: float) -> None:
        self._timer = self._hub.later(
            seconds, lambda: self.close(f"it did not say who it is within {seconds:g} s")
        )

    def become(self, peer: _Peer) -> None:
        self.peer = peer
        self.name = f"server {peer.sid}"
        if self._timer is not None:
            self._timer.cancel()

    def send_newest(self) -> None:
        """Send the peer's newest message, unless an earlier one is still half in the socket."""
        peer = self.peer
        assert peer is not None
        if not self._rest and peer.unsent and peer.message is not None:
            peer.unsent = False
            peer.sent_at = time.monotonic()
            self._rest = frame(peer.message)
        if self._rest:
            self._write()

    def _write(self) -> None:
        try:
            sent = self._sock.send(self._rest)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.close(error.strerror or str(error))
            return
        self._rest = self._rest[sent:]
        mask = IN | OUT if self._rest else IN
        if mask != self._mask:
            self._mask = mask
            self._hub.rewatch(self._sock.fileno(), mask)

    def _on_ready(self, mask: int) -> None:
        if mask & OUT and self._rest:
            self._write()
            if not self._closed and not self._rest and self.peer is not None:
                self.send_newest()
        if not self._closed and mask & ~OUT:
            self._read()

    def _read(self) -> None:
        try:
            data = self._sock.recv(_RECEIVE_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(error.strerror or str(error))
            return
        if not data:
            self.close("it has gone")
            return
        try:
            for item in self._input.feed(data):
                if isinstance(item, Greeting):
                    self._mesh.greeted(self, item)
                elif self.peer is not None:
                    self._mesh.received(self.peer, item)
                if self._closed:
                    return
        except ProtocolViolation as violation:
            if self.peer is not None:
                log.warning("closing the election link with %s: %s", self.name, violation)
            self.close(str(violation))

    def close(self, reason: str = "") -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._hub.unwatch(self._sock.fileno())
        self._sock.close()
        self._mesh.broken(self, reason)
