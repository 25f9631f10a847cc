"""From what the disk holds to a core that can serve."""

from __future__ import annotations

import logging
import time
from random import Random

from zoo.config import Config
from zoo.jute.codec import JuteError
from zoo.persistence.epochs import recover_epochs, refuse_lost_history
from zoo.persistence.recovery import Recovery
from zoo.persistence.storage import Storage
from zoo.server.core import ServerCore
from zoo.session.tracker import SessionTracker
from zoo.tree.acl import Acl
from zoo.tree.data_tree import DataTree, Notify
from zoo.tree.outstanding import Outstanding
from zoo.tree.replay import replay
from zoo.zab.context import Epochs
from zoo.zab.history import History

log = logging.getLogger(__name__)


class UndecodableTxn(Exception):
    """A transaction that was logged whole makes no sense; says which."""


class Loaded:
    """A core at the state of the log's end, and what it took to get there."""

    def __init__(self, core: ServerCore, recovery: Recovery, replayed: int, seconds: float) -> None:
        self.core = core
        self.snapshot = recovery.snapshot
        self.fresh = recovery.fresh
        self.lacks_history = False
        """For a member: what is there may be less than it once had (zoo.zab.peer)."""
        self.replayed = replayed
        self.seconds = seconds


class _State:
    """The tree and the sessions at the log's end, recovered by the constructor.

    Raises what Recovery raises, UnknownAclError and UndecodableTxn.
    """

    def __init__(
        self, config: Config, storage: Storage, notify: Notify, history: History | None
    ) -> None:
        started = time.monotonic()
        self.recovery = recovery = Recovery(storage, log.warning)
        self.tree = tree = DataTree(
            notify, digest=config.digest_enabled, extended_types=config.extended_types_enabled
        )
        if recovery.snapshot is not None:
            tree.restore(recovery.acls.items(), recovery.nodes(), recovery.snapshot.zxid)
        if history is not None:
            history.reset(recovery.last_zxid)
        self.sessions = dict(recovery.sessions)
        self.snapshot_ms = int((time.monotonic() - started) * 1000)
        self.replayed = self.mismatches = 0
        self._replay(history)
        tree.acl_table.require_defined()
        self.seconds = time.monotonic() - started

    def _replay(self, history: History | None) -> None:
        recovery, sessions, view = self.recovery, self.sessions, Outstanding(self.tree)
        # A Java snapshot is complete only at the zxid of its digest; digests cannot agree before.
        # One that came from a leader has none: whatever it lacks, once digests agree it has all.
        fuzzy_until = recovery.digest.zxid if recovery.digest is not None else 0
        expected = recovery.snapshot is None or recovery.digest is not None
        for zxid, entry in recovery.entries():
            try:
                done = replay(view, entry)
            except JuteError as error:
                raise UndecodableTxn(
                    f"the log's transaction 0x{zxid:x} has the right checksum and cannot be "
                    f"decoded ({error}): was it written by a newer version? Use that one, or "
                    "restore a backup"
                ) from error
            self.replayed += 1
            if history is not None:
                history.load(zxid, entry)
            if done.opens is not None:
                sessions[done.opens[0]] = done.opens[1]
            if done.closes:
                sessions.pop(done.closes, None)
            if done.digest_ok:
                expected = True
            if done.digest_ok is False and expected and done.zxid > fuzzy_until:
                self.mismatches += 1
                if self.mismatches == 1:
                    log.error(
                        "the digest of the tree differs from the log's at zxid 0x%x", done.zxid
                    )


def load(
    config: Config,
    storage: Storage,
    *,
    moment: tuple[int, int] | None = None,
    rng: Random | None = None,
    history: History | None = None,
) -> Loaded:
    """Recover. Raises what Recovery raises, UnknownAclError and UndecodableTxn.

    A simulation brings its own time (monotonic and Unix, ms) and its own source of chance. A
    member's `history` is filled with what was replayed, and ends with the log; if all is lost but
    the epochs, EpochsUnusable.
    """
    if history is not None:
        refuse_lost_history(storage)
    cores: list[ServerCore] = []

    def notify(watcher: object, event: int, path: bytes, zxid: int, acl: Acl) -> None:
        cores[0].notify(watcher, event, path, zxid, acl)

    state = _State(config, storage, notify, history)
    now_ms, wall_ms = moment or (int(time.monotonic() * 1000), int(time.time() * 1000))
    tracker = SessionTracker(config.tick_time_ms, now_ms)
    tracker.load(state.sessions.items())
    core = ServerCore(config, state.tree, tracker, rng or Random(), now_ms, wall_ms)
    cores.append(core)
    core.note_replayed(state.replayed)
    metrics = core.stats.metrics
    metrics.digest_mismatches_count.value = state.mismatches
    metrics.dbinittime.add(int(state.seconds * 1000))
    metrics.startup_snap_load_time.add(state.snapshot_ms)
    metrics.startup_txns_loaded.add(state.replayed)
    metrics.startup_txns_load_time.add(int(state.seconds * 1000) - state.snapshot_ms)
    return Loaded(core, state.recovery, state.replayed, state.seconds)


def load_epochs(storage: Storage, last_zxid: int, lacks_history: bool = False) -> Epochs:
    """The epochs of a member whose log ends at `last_zxid`. Raises EpochsUnusable."""
    return Epochs(*recover_epochs(storage, last_zxid, log.warning, lacks_history))


def reload(config: Config, storage: Storage, core: ServerCore) -> tuple[DataTree, dict[int, int]]:
    """The tree and the sessions (id -> timeout in ms) that the disk holds now, for a core whose own
    are ahead of it: its log was cut. The tree tells the core of changes.

    Nothing may be written meanwhile. Raises what `load` raises.
    """
    state = _State(config, storage, core.notify, None)
    log.info("the state is that of zxid 0x%x again", state.tree.last_zxid)
    return state.tree, state.sessions


def write_snapshot(core: ServerCore, storage: Storage) -> str:
    """Take a snapshot in one go, before serving: a Java server does not start on logs alone."""
    zxid = core.tree.last_zxid
    writer = storage.begin_snapshot(zxid)
    for chunk in core.begin_snapshot().chunks():
        writer.write(chunk)
    return writer.commit()
