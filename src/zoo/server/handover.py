"""Clients stay while leadership is handed over.

Theory of operation. Leader: `hold` lets a `Holding` take the place of `Deciding`, and what learners
ask for is put aside; `release` undoes both. When the role ends, `park` keeps the clients if the
leader has gone in order (`keep`), and `resume` asks for them anew once there is the next one. In
between the server has no leader, but the tree, and clients can read.

Clients are not kept if anything could have happened meanwhile that we do not know of:
- The next epoch that serves us must be the very next one. A session may move to another server in
  any epoch, and what its old server still wants for it must not be done behind its back: in the
  old epoch the leader tells of each move (MOVED), in the next one it refuses the old server. In an
  epoch without us we would have heard nothing.
- The state must not be replaced by a snapshot or by what is left of a log that was cut: then it
  could not be told which requests were answered by it.
- It must not take longer than KEEP_MS, nor than half of the shortest session: its client needs the
  rest to find another server, since nobody hears of a client whose server has no leader.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from zoo.errors import Code, KeeperError
from zoo.jute.client_records import TransferLeaderRequest, TransferLeaderResponse
from zoo.jute.operations import Op
from zoo.jute.schema import decode, encode
from zoo.pipeline.replies import reply_frame
from zoo.server.connection import ClientConnection
from zoo.server.holding import Holding
from zoo.server.learning import Forwarded, Forwarding
from zoo.server.writing import DecidingByQuorum
from zoo.zab.replica import Leading

if TYPE_CHECKING:
    from zoo.server.core import ServerCore

log = logging.getLogger(__name__)

KEEP_MS = 2000
"""How long clients wait for the next leader at most before they are sent away."""
MAX_TIMEOUT_MS = 60_000


class Asked(NamedTuple):
    """Who wants leadership to go to `target`; nobody, if this server is stopping."""

    target: int
    timeout_ms: int
    connection: ClientConnection | None = None
    item: Forwarded | None = None


class Handover:
    """One member's part in it. `epoch` tells the one that it is in, `leader_id` who leads."""

    def __init__(
        self, core: ServerCore, epoch: Callable[[], int], leader_id: Callable[[], int | None]
    ) -> None:
        self._core = core
        self._epoch = epoch
        self._leader_id = leader_id
        self._leader: Leading | None = None
        self._deciding: DecidingByQuorum | None = None
        self._holding: Holding | None = None
        self._put_aside: list[Callable[[], None]] = []
        self._keeps = False
        self._epoch_left = 0
        self._asked: Asked | None = None
        self._has_begun = False

    @property
    def is_parked(self) -> bool:
        """Clients are here, and there is no leader."""
        return self._holding is not None and self._holding.is_parked

    @property
    def is_leaving(self) -> bool:
        """This server stops, and leads until another is ready to."""
        return self._asked is not None and self._asked.item is None and self._leader is not None

    # --- somebody wants it

    def lead(self, leader: Leading) -> DecidingByQuorum:
        """This server leads: how its clients' writes are decided."""
        self._leader = leader
        self._deciding = DecidingByQuorum(self._core, leader, self.ask_transfer)
        return self._deciding

    def ask_transfer(self, connection: ClientConnection, xid: int, payload: bytes) -> Forwarded:
        """A client wants it. It begins with the next tick, and the reply comes under the next role.
        Raises KeeperError, JuteError.
        """
        request = decode(TransferLeaderRequest, payload)
        self._core.prep.writes.check_administrator(connection)
        if connection.waiting or not 0 < request.timeout <= MAX_TIMEOUT_MS:
            raise KeeperError(Code.BADARGUMENTS)
        if self._asked is not None:
            raise KeeperError(Code.RECONFIGINPROGRESS)
        item = Forwarded(xid, Op.transferLeader, 0, self._core.now_ms)
        log.info("%s wants server %d to lead", connection.peer, request.server)
        self._asked = Asked(request.server, request.timeout, connection, item)
        return item

    def leave(self, timeout_ms: int) -> bool:
        """Whoever is best leads instead of this server, which stops. False: nobody can."""
        target = None if self._leader is None else self._leader.successor()
        if target is None or self._asked is not None:
            return False
        self._asked = Asked(target, timeout_ms)
        self.tick()
        return self._asked is not None

    def tick(self) -> None:
        limit = min(KEEP_MS, self._core.config.min_session_timeout_ms // 2)
        if self.is_parked and self._core.now_ms - self._holding_since() > limit:
            log.warning("no leader within %d ms: the clients must look for another server", limit)
            self.drop()
        asked = self._asked
        if asked is not None and not self._has_begun and self._leader is not None:
            self._has_begun = True
            why_not = self._leader.transfer(asked.target, asked.timeout_ms)
            if why_not is not None:
                self._answer(why_not, 0)

    def _holding_since(self) -> int:
        return self._core.now_ms if self._holding is None else self._holding.since_ms

    def _answer(self, reason: str | None, held_ms: int) -> None:
        asked, self._asked = self._asked, None
        self._has_begun = False
        if asked is None or asked.connection is None or asked.item is None:
            return
        connection, item = asked.connection, asked.item
        if not connection.waiting or connection.waiting[0] is not item:
            return  # it has left
        leader = self._leader_id()
        if reason is None and leader != asked.target:
            reason = f"server {leader} was elected instead"
        body = encode(TransferLeaderResponse(-1 if leader is None else leader, held_ms, reason))
        item.reply = reply_frame(item.cxid, self._core.tree.last_zxid, 0, body)
        connection.finish(item)

    # --- the leader holds writes

    def hold(self) -> None:
        self._holding = Holding(self._core, {})

    def puts_aside(self, work: Callable[[], None]) -> bool:
        """Whether what a learner asks for has to wait; if so it is kept."""
        if self._holding is not None:
            self._put_aside.append(work)
        return self._holding is not None

    def release(self, reason: str) -> None:
        """The transfer is given up."""
        held_ms = self._core.now_ms - self._holding_since()
        holding, self._holding = self._holding, None
        put_aside, self._put_aside = self._put_aside, []
        self._answer(reason, held_ms)
        if holding is not None:
            assert self._deciding is not None
            self._core.writing = self._deciding
            self._core.plain_writes = self._deciding.plain_writes
            holding.ask_again()
            for work in put_aside:
                work()

    # --- roles end and begin

    def keep(self) -> None:
        """The role that ends now ends in order."""
        self._keeps = True

    def park(self, forwarding: Forwarding | None) -> bool:
        """A role has ended; whether its clients stay."""
        keeps, self._keeps = self._keeps, False
        self._leader = self._deciding = None
        self._put_aside.clear()
        core = self._core
        if not keeps or core.proposals:
            self._forget()
            return False
        if self._holding is None:
            self._holding = Holding(core, {} if forwarding is None else forwarding.coming_back())
        self._holding.is_parked = True
        self._epoch_left = self._epoch()
        return True

    def resume(self) -> Holding | None:
        """A role begins: what has to be asked for once it serves, None if nobody was kept."""
        if not self.is_parked:
            return None
        if self._epoch() != self._epoch_left + 1:
            log.info("an epoch has passed without this server: its clients must connect again")
            self.drop()
            return None
        holding, self._holding = self._holding, None
        return holding

    def resumed(self, holding: Holding | None) -> None:
        """The role serves."""
        if holding is None:
            return
        held_ms = self._core.now_ms - holding.since_ms
        log.info("clients were kept, their writes were held for %d ms", held_ms)
        _attach_again(self._core)
        self._answer(None, held_ms)
        holding.ask_again()

    def drop(self) -> None:
        """Send the clients away that were kept, if any were."""
        if self.is_parked:
            self._core.stop_serving()
        self._forget()

    def _forget(self) -> None:
        self._holding = self._asked = None
        self._has_begun = False


def _attach_again(core: ServerCore) -> None:
    """A new role begins with sessions that nobody serves: those that are kept are served here."""
    for session_id, connection in list(core.attached.items()):
        session = core.sessions.get(session_id)
        if session is not None and connection.session.id == session_id:
            core.attach(connection, session)
