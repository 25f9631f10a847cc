"""Drives a member of an ensemble: what the driver of a lone server does, and the other members.

What goes to the other members waits until all that is ready has been read, as the disk's next batch
does: requests that came together are proposed together, and each link is sent to once, commits and
the next proposals in one piece. It goes ahead of the disk, whose work the others' disks share. One
timer serves the peer and its sockets; a member's own tick is
a twentieth of tickTime.

Two kinds of work for the disk change its history behind a snapshot's or a purge's back: cutting the
log and installing a leader's snapshot. They wait until the background thread has stopped what it
was at. When the log was cut below what had been applied, the state is rebuilt from the disk before
that Ready counts as carried out.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable

from zoo.persistence.storage import Storage
from zoo.runtime.driver import Driver
from zoo.runtime.hub import Hub
from zoo.runtime.peers import Peers, PortUnusable
from zoo.runtime.role_log import RoleLog
from zoo.server.member import Member
from zoo.zab.carry_out import ConfigurationFiles
from zoo.zab.peer import Peer
from zoo.zab.ready import Ready

log = logging.getLogger(__name__)

_QUORUM_SECONDS = 2.0  # that a stop gives to what waits for the ensemble
_HANDOVER_MS = 1000  # that a stop gives to the next leader to be caught up
_MAX_TICK_SECONDS = 0.1
_ROUNDS = 4  # the other members do not wait for more than this of clients


class MemberDriver(Driver):
    """`reload` gives the member the state that the disk holds; it blocks."""

    def __init__(
        self,
        member: Member,
        peer: Peer,
        storage: Storage,
        sockets: list[socket.socket],
        reload: Callable[[], None],
        configurations: ConfigurationFiles | None = None,
    ) -> None:
        super().__init__(member.core, storage, sockets, member, configurations)
        self.member = member
        self.peer = peer
        config = member.core.config
        hub = Hub(self.readiness.epoll, self.listener.watched)
        self.peers = Peers(
            hub, config, peer, self._port_lost, lambda address: self.listener.move(hub, address)
        )
        self.listener.rounds = _ROUNDS
        self._tick_seconds = min(_MAX_TICK_SECONDS, config.tick_time_ms / 20_000)
        self._reload = reload
        self._roles = RoleLog(peer)
        self._timer: asyncio.TimerHandle | None = None
        self._held: Ready | None = None
        self._give_up_at = 0.0
        self._tree = member.core.tree

    async def run(self) -> None:
        self._begin_turn()
        self.peer.start(self.core.now_ms)
        self.peers.start()
        self._end_turn()
        self._all_read()
        await super().run()

    def _close_links(self) -> None:
        super()._close_links()
        if self._timer is not None:
            self._timer.cancel()
        self.peers.close()

    def _port_lost(self, failure: PortUnusable) -> None:
        self._finish(failure)

    # --- turns

    def _all_read(self) -> None:
        self.peers.after_turn()
        super()._all_read()
        self._arm()
        self._roles.observe(time.monotonic())
        if self.core.tree is not self._tree:
            self._forget_old_tree()

    def _arm(self) -> None:
        """Have the timer go off when the peer or its sockets want the time."""
        due = self.peers.hub.next_due()
        wanted = self.peer.next_due
        if wanted is not None:
            seconds = wanted / 1000 + 1e-4  # the peer's clock is in whole milliseconds
            due = seconds if due is None else min(due, seconds)
        timer = self._timer
        if due is None or (timer is not None and timer.when() <= due):
            return
        if timer is not None:
            timer.cancel()
        self._timer = self._loop.call_at(due, self._timed)

    def _timed(self) -> None:
        self._timer = None
        if self._over.done():
            return
        try:
            self._begin_turn()
            self.peers.hub.run_due()
            wanted = self.peer.next_due
            if wanted is not None and wanted <= self.core.now_ms:
                self.peer.tick(self.core.now_ms)
            self._end_turn()
            self._all_read()
        except BaseException as failure:
            self._finish(failure)

    # --- the disk

    def _submit(self, ready: Ready) -> None:
        if ready.truncate is None and ready.install is None:
            self.disk.submit(ready)
            return
        self._held = ready
        if self._snapshot is not None and self._writer is not None:
            log.info("giving up a snapshot: the history is about to change")
            self.background.submit(self._writer.abort)
            self._snapshot.close()
            self._snapshot = self._writer = None
        self.background.submit(lambda: self._loop.call_soon_threadsafe(self._background_is_idle))

    def _background_is_idle(self) -> None:
        ready, self._held = self._held, None
        assert ready is not None
        if not self._over.done():
            self.disk.submit(ready)

    def _persisted(self, ready: Ready) -> None:
        if ready.truncate is not None and ready.truncate < self.member.last_zxid:
            started = time.monotonic()
            self._reload()
            log.warning(
                "the log was cut to 0x%x, below what had been applied; the state was rebuilt from "
                "the disk in %d ms",
                ready.truncate,
                (time.monotonic() - started) * 1000,
            )
        self.member.persisted(ready)

    def _forget_old_tree(self) -> None:
        """Another state has taken the place of a tree, which nobody else will collect."""
        self._tree = self.core.tree
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    # --- the end

    def stop(self) -> None:
        """A leader hands over first; whatever becomes of that, the server ends."""
        if not self.stopping:
            self._give_up_at = time.monotonic() + _QUORUM_SECONDS
            self._begin_turn()
            if self.member.handover.leave(_HANDOVER_MS):
                log.info("leadership goes to another server first")
            self._end_turn()
            self._all_read()
        super().stop()

    def _is_undurable(self) -> bool:
        if self.member.handover.is_leaving:
            return True
        if not self.peer.log.is_idle:
            return True
        core = self.core
        if not core.is_serving or not (core.proposals or core.outstanding):
            return False
        # Without a quorum, what waits for it will not be answered.
        return time.monotonic() < self._give_up_at

    def _finish(self, failure: BaseException | None) -> None:
        if failure is None and not self._over.done():
            try:
                self._part()
            except BaseException as wrong:
                failure = wrong
        super()._finish(failure)

    def _part(self) -> None:
        """Leave the ensemble: the others see closed links at once, and clients go elsewhere."""
        self._begin_turn()
        self.peer.stop()
        self._end_turn()
        self.peers.after_turn()
