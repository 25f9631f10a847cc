"""A whole member of an ensemble in virtual time: clients, tree, sessions, peer, files.

Theory of operation. What zoo.runtime's member driver does with threads and sockets happens here in
single steps with time between them: the steps of a Ready (`Carrier.steps`), chunks of a snapshot,
its commit, a purge. A crash may come before each of them, and also within one, between any two
operations on the disk (`Interrupted`).

For the checkers the server keeps what it has as `Prefix`es: what its disk was given and has synced
(`disk_view`), and what it has applied (`state`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from zoo.config import Config
from zoo.persistence.epochs import EpochsUnusable, is_first_sync_unfinished
from zoo.persistence.recovery import NoUsableSnapshot
from zoo.persistence.snapshot import InvalidSnapshot
from zoo.persistence.storage import SnapshotWriter, StorageFailed
from zoo.persistence.truncation import CannotTruncate, can_truncate
from zoo.persistence.txn_log import CorruptLog
from zoo.runtime.loading import load, load_epochs, reload, write_snapshot
from zoo.runtime.membership import election_settings, zab_settings
from zoo.runtime.purge import purge
from zoo.server.core import ServerCore
from zoo.sim.checking import Violation
from zoo.sim.client_port import ClientPort
from zoo.sim.cluster_checking import ClusterCheckers
from zoo.sim.config_folder import configuration_files, prepare, read_config
from zoo.sim.disk import Disk, Faults, Interrupted, MemoryStorage
from zoo.sim.learner_links import Links
from zoo.sim.member_parts import NotedHistory, NotedLog, NotedMember
from zoo.sim.mesh import Mesh
from zoo.sim.peer_host import PeerHost
from zoo.sim.prefixes import Prefix
from zoo.sim.schedule import Schedule
from zoo.sim.zab_disk import zxid_in
from zoo.tree.acl import UnknownAclError
from zoo.zab.carry_out import Carrier
from zoo.zab.configurations import Configuration, Configurations, configuration_of
from zoo.zab.context import Epochs
from zoo.zab.peer import Peer
from zoo.zab.ready import Configured, Ready

log = logging.getLogger(__name__)

REFUSALS_TO_START = (
    *(CorruptLog, NoUsableSnapshot, InvalidSnapshot, StorageFailed),
    *(UnknownAclError, EpochsUnusable),
)


@dataclass
class DiskView:
    """What checkers know of a member's disk."""

    log: Prefix
    synced: Prefix
    accepted: int = 0
    current: int = 0
    configured: Configured | None = None


class ServiceWatcher(Protocol):
    """Whoever checks what clients are promised."""

    def heard(self, leader: int, session_id: int) -> None:
        """A member that reaches this leader has heard of a client."""

    def leader_heard(self, sid: int, session_id: int) -> None: ...

    def reached(self, sid: int, session_id: int) -> None: ...

    def begins_anew(self, sid: int) -> None: ...

    def led(self, sid: int) -> None: ...

    def closing(self, sid: int, session_id: int, zxid: int) -> None: ...

    def digest(self, member: str, zxid: int, digest: int) -> None:
        """A member's tree has this digest after `zxid`."""


class ClusterServer(PeerHost, ClientPort):
    """One member. `fsync_us` is how long an fsync takes."""

    def __init__(
        self,
        schedule: Schedule,
        sid: int,
        rng: Random,
        mesh: Mesh,
        links: Links,
        others: dict[int, PeerHost],
        checkers: ClusterCheckers,
        service: ServiceWatcher,
        settings: Mapping[str, object],
        adjust: Callable[[Config], Config],
        trace: Callable[[str], None] | None = None,
    ) -> None:
        PeerHost.__init__(self, schedule, sid, rng, mesh, links, others, trace)
        self.checkers = checkers
        self.service = service
        self.config: Config
        self.is_prepared = self.has_rotted = self._was_replaced = False
        self.on_refusal: Callable[[ClusterServer], None] = lambda server: None
        self._settings = settings
        self._adjust = adjust
        self.prefixes = checkers.ensemble.prefixes
        self.files = Disk()
        self.disk = DiskView(self.prefixes.root, self.prefixes.root)
        self.state = self.prefixes.root
        self.sockets = {}
        self.fsync_us = (100, 8_000)
        self.window = 100_000
        self.max_unsent = 1 << 20
        self.snapshots = self.purges = self.reloads = 0
        self.incoming: dict[int, Prefix] = {}
        self._serving = self._leading = False
        self._busy = self._is_changing = False
        self._snapshot: Generator[bytes, None, None] | None = None
        self._writer: SnapshotWriter | None = None

    # --- what checkers look at

    @property
    def is_serving(self) -> bool:
        return self.is_up and self._serving

    @property
    def is_leading(self) -> bool:
        return self.is_up and self._leading

    # --- life

    def prepare(self, configuration: Configuration) -> None:
        """Write the configuration files that the next process begins with."""
        self.is_prepared = True
        self.files.faults = Faults()
        storage = MemoryStorage(self.files)
        prepare(storage, self._settings, configuration, self.sid)
        storage.close()

    def start(self) -> None:
        """Recover and look for a leader; who is no member by its own configuration does not.

        Raises Violation when the disk's content is refused.
        """
        self.files.faults = Faults()
        self.storage = MemoryStorage(self.files)
        config = read_config(self.storage, self.sid)
        if config is None:
            self.trace("is no member and does not start")
            self.storage.close()
            return
        self.config = self._adjust(config)
        self._busy = self._is_changing = self._serving = self._leading = False
        self._snapshot = self._writer = None
        try:
            self._recover()
        except Interrupted as failure:
            self.stopped(failure)
            return
        except REFUSALS_TO_START as error:
            if self.has_rotted:
                self.trace(f"does not start: {error}")
                self.files.kill()
                self.on_refusal(self)
                return
            raise Violation(f"{self} does not start again: {error}") from error
        self.checkers.tell("started", self)
        self.service.begins_anew(self.sid)
        self.began()
        if self.config.purge_interval_ms:
            self.later(self.config.purge_interval_ms * 1000, self._purge)

    def _recover(self) -> None:
        history = NotedHistory(self.prefixes, self._find, self.window)
        loaded = load(
            self.config,
            self.storage,
            moment=(self.now_ms, self.wall_ms),
            rng=Random(self.rng.getrandbits(64)),
            history=history,
        )
        core, last = loaded.core, history.last_zxid
        empty = loaded.fresh and loaded.snapshot is None
        lacks = self._was_replaced and (empty or is_first_sync_unfinished(self.storage))
        self.is_lacking = lacks
        epochs = load_epochs(self.storage, last, lacks)
        self._recovered(history.loaded())
        self.disk.accepted, self.disk.current = epochs.accepted, epochs.current
        self.trace(
            f"starts: log ends at 0x{last:x}, accepted epoch {epochs.accepted}, current epoch "
            f"{epochs.current}, {len(core.tree.nodes)} znodes, {loaded.replayed} replayed"
        )
        self._make_member(core, history, epochs)
        if loaded.snapshot is None and not last and not lacks:
            write_snapshot(core, self.storage)

    def _find(self, zxid: int) -> Prefix:
        """The history that a snapshot at `zxid` stands for: zxids are never given twice."""
        found = self.checkers.ensemble.at_zxid.get(zxid) or self.incoming.get(zxid)
        if found is None:
            found = self.disk.log.cut(zxid)
            if found.zxid != zxid:
                raise Violation(f"{self} has a snapshot at 0x{zxid:x}, which nobody has sent")
        return found

    def _recovered(self, end: Prefix) -> None:
        log, synced = self.disk.log, self.disk.synced
        self.disk.log = self.disk.synced = self.state = end
        self._moved(log, synced)

    def _make_member(self, core: ServerCore, history: NotedHistory, epochs: Epochs) -> None:
        config, ensemble = self.config, self.config.ensemble
        files = configuration_files(self.storage, config)
        committed = configuration_of(ensemble)
        known = Configurations(
            committed, None if files is None else files.seen(), files is not None
        )
        seen = known.seen.text if known.is_changing else None
        self.disk.configured = Configured(committed.text, committed.version, seen)
        core.max_unsent = self.max_unsent
        self.core = core
        self.member = NotedMember(core, self.sid, committed.text, ensemble.version, self)
        self.log = NotedLog(self.prefixes, self.state, self._find, self._closing)
        self.peer = Peer(
            self.sid,
            committed.quorum,
            self.member,
            rng=self.rng,
            log=self.log,
            history=history,
            epochs=epochs,
            configurations=known,
            settings=zab_settings(config),
            election=election_settings(config),
            can_truncate=lambda zxid: can_truncate(self.storage, zxid, log.debug),
            feeds_observers=config.observer_master_port > 0,
            lacks_history=self.is_lacking,
        )
        self.member.join(self.peer)
        self.carrier = Carrier(self.storage, log.debug, files)
        self.tick_ms = config.tick_time_ms
        self.ticks = 10

    def crash(self, *, power: bool) -> None:
        self.trace("loses its power" if power else "is killed")
        if power:
            self.files.power_failure(self.rng)
        else:
            self.files.kill()
        self._serving = self._leading = False
        self.died(power=power)
        self.break_clients(quietly=power)
        self.checkers.tell("crashed", self)

    def replace_disk(self) -> None:
        """The operator puts in an empty disk, and the configuration files on it."""
        self.trace("is given an empty disk")
        old, self.files = self.files, Disk()
        for name, file in old.files.items():
            if name.startswith("zoo.cfg") or name == "myid":
                file.sync()
                self.files.files[name] = self.files.entries[name] = file
        self.has_rotted, self.is_lacking, self._was_replaced = False, True, True
        self.checkers.tell("replaced", self)

    @property
    def fatal(self) -> tuple[type[Exception], ...]:
        """What ends the process: what it finds on a disk that rots, too."""
        rotten = (*REFUSALS_TO_START, CannotTruncate, Interrupted)
        return rotten if self.has_rotted else super().fatal

    def stopped(self, failure: Exception) -> None:
        self.trace(f"stops: {failure}")
        self.crash(power=isinstance(failure, Interrupted) and self.rng.random() < 0.6)
        self.on_stop()

    def break_disk(self, rng: Random) -> str:
        """Let the disk fail soon, or end the server within what it does there."""
        kind = rng.choice(("full", "write", "sync", "interrupted"))
        faults = self.files.faults
        if kind == "full":
            faults.capacity = rng.randint(0, 20_000)
        elif kind == "write":
            faults.writes_until_failure = rng.randint(1, 20)
        elif kind == "sync":
            faults.syncs_until_failure = rng.randint(1, 20)
        else:
            faults.operations_until_interruption = rng.randint(1, 60)
        return kind

    def mend_disk(self) -> None:
        self.files.faults = Faults()

    # --- turns

    def begin_turn(self) -> None:
        self.member.turn(self.now_ms, self.wall_ms)

    _begin_turn = begin_turn

    def _end_turn(self) -> None:
        self.settle()

    def _tick_peer(self) -> None:
        self.member.tick()

    def heard_from(self, session_id: int) -> None:
        self.service.reached(self.sid, session_id)
        leader = self.peer.leader_id
        if leader is None or self.member.handover.is_parked:
            return
        if self.links.reaches(self.sid, leader):
            self.service.heard(leader, session_id)
        if self._leading:
            self.service.leader_heard(self.sid, session_id)

    def _begin_ready(self) -> bool:
        self.core.go_on()
        self.flush_dirty()
        if self._busy:
            return False
        ready = self.member.ready()
        if ready is None:
            return False
        self._busy = True
        if ready.truncate is not None or ready.install is not None:
            self._is_changing = True
            self._drop_snapshot()
        self._step(self.carrier.steps(ready), ready)
        return True

    # --- the disk

    def _step(self, steps: Iterator[str], ready: Ready) -> None:
        """One effect after the other, and then the report to the member."""

        def step() -> None:
            if self.crash_here("a step of a Ready"):
                return
            name = next(steps, None)
            if name is None:
                self._durable(ready)
                return
            self._note(name, ready)
            self._step(steps, ready)

        self.later(self.rng.randint(*self.fsync_us) if ready.entries else 50, step)

    def _note(self, name: str, ready: Ready) -> None:
        """What a step has done, in the checkers' terms."""
        disk, old_log, old_synced = self.disk, self.disk.log, self.disk.synced
        if name == "zoo.cfg" or ".dynamic." in name:
            self._configuration_noted(name, ready.configured)
        elif name == "append":
            for zxid, entry in enumerate(ready.entries, ready.first_zxid):
                disk.log = self.prefixes.after(disk.log, zxid_in(entry, zxid), entry)
        elif name == "sync":
            disk.synced = disk.log
        elif name.startswith("acceptedEpoch"):
            disk.accepted = int(name.split()[1])
            self.checkers.tell("promised", self, disk.accepted)
        elif name.startswith("currentEpoch"):
            disk.current = int(name.split()[1])
            self.is_lacking = False
            self.checkers.tell("entered", self, disk.current)
        elif name.startswith("wrote truncating") and ready.truncate is not None:
            disk.log = disk.synced = disk.log.cut(ready.truncate)
        elif name.startswith("wrote installing") and ready.install is not None:
            disk.log = disk.synced = self._find(ready.install.zxid)
        self._moved(old_log, old_synced)

    def _configuration_noted(self, name: str, new: Configured | None) -> None:
        known = self.disk.configured
        assert known is not None, "a change of no configuration"
        assert new is not None, f"{name} was written, and nothing was to be"
        if name == "zoo.cfg":
            known = known._replace(committed=new.committed, version=new.version)
        elif name.endswith(".next"):
            known = known._replace(seen=new.seen)
        self.disk.configured = known

    def _moved(self, log: Prefix, synced: Prefix) -> None:
        if self.disk.log is not log:
            self.checkers.tell("logged", self, log, self.disk.log)
        if self.disk.synced is not synced:
            self.checkers.tell("synced", self, synced, self.disk.synced)

    def _durable(self, ready: Ready) -> None:
        if self.crash_here("the report of a Ready"):
            return
        self._busy = self._is_changing = False
        self.begin_turn()
        if ready.truncate is not None and ready.truncate < self.member.last_zxid:
            self.reloads += 1
            self.member.replace_state(*reload(self.config, self.storage, self.core))
        self.member.persisted(ready)
        if self._writer is None and self.member.snapshot_due():
            self._begin_snapshot()
        self.settle()

    # --- snapshots and purging

    def _begin_snapshot(self) -> None:
        zxid = self.core.tree.last_zxid
        self.checkers.tell("snapshot", self, self.state)
        self._snapshot = self.core.begin_snapshot().chunks()
        self._writer = writer = self.storage.begin_snapshot(zxid)
        self.trace(f"begins a snapshot at 0x{zxid:x}")
        self.later(self.rng.randint(1, 5_000), lambda: self._snapshot_slice(writer))

    def _drop_snapshot(self) -> None:
        if self._snapshot is not None and self._writer is not None:
            self._snapshot.close()
            self._writer.abort()
        self._snapshot = self._writer = None

    def _snapshot_slice(self, writer: SnapshotWriter) -> None:
        if self._writer is not writer or self._snapshot is None:
            return
        chunk = next(self._snapshot, None)
        if chunk is None:
            self.later(self.rng.randint(*self.fsync_us), lambda: self._commit_snapshot(writer))
            return
        writer.write(chunk)
        self.later(self.rng.randint(1, 20_000), lambda: self._snapshot_slice(writer))

    def _commit_snapshot(self, writer: SnapshotWriter) -> None:
        if self._writer is writer:
            self.trace(f"{writer.commit()} is complete")
            self._snapshot = self._writer = None
            self.snapshots += 1

    def _purge(self) -> None:
        if not self._is_changing:
            plan = purge(self.storage, self.config.snap_retain_count, log.debug)
            if plan.snapshots or plan.logs:
                self.purges += 1
                self.trace(f"purged {', '.join(plan.snapshots + plan.logs)}")
        self.later(self.config.purge_interval_ms * 1000, self._purge)

    # --- what the member tells

    def applying(self, zxid: int, entry: bytes | None) -> None:
        prefix = self.log.up_to(zxid)
        if prefix.zxid != zxid or (entry is not None and prefix.entry != entry):
            raise Violation(f"{self} applies 0x{zxid:x}, what it has logged is {prefix}")
        self.checkers.agree(self, prefix)
        self.state = prefix
        self.checkers.tell("applied", self, prefix)

    def has_applied(self, zxid: int, digest: int) -> None:
        self.service.digest(repr(self), zxid, digest)

    def began_leading(self) -> None:
        self._serving = self._leading = True
        self.checkers.agree(self, self.state)
        self.checkers.tell("leading", self, self.peer.epochs.current)
        self.service.led(self.sid)
        self.trace(f"leads in epoch {self.peer.epochs.current} from 0x{self.state.zxid:x} on")

    def began_learning(self) -> None:
        self._serving = True
        self.checkers.agree(self, self.state)
        self.checkers.tell("learning", self)
        self.trace(f"learns from 0x{self.state.zxid:x} on")

    def stopped_serving(self) -> None:
        self._serving = self._leading = False
        self.checkers.tell("stopped", self)
        self.trace("stops serving")

    def state_replaced(self, zxid: int) -> None:
        self.state = self.log.up_to(zxid)

    def configured(self) -> None:
        known = self.configurations.committed
        self.trace(f"goes by version 0x{known.version:x} of the configuration: {known.quorum}")
        self.checkers.configured(self)

    def reads_only(self, begins: bool) -> None:
        self.trace("serves reads alone" if begins else "serves reads alone no more")
        if not begins:
            self.service.begins_anew(self.sid)

    def leader_heard(self, session_id: int) -> None:
        self.service.leader_heard(self.sid, session_id)

    def _closing(self, session_id: int, zxid: int) -> None:
        if self._leading:
            self.service.closing(self.sid, session_id, zxid)
