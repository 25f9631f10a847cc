"""From what the disk holds to a core that can serve."""

from __future__ import annotations

import logging
import time
from random import Random

from zoo.config import Config
from zoo.jute.codec import JuteError
from zoo.persistence.recovery import Recovery
from zoo.persistence.storage import Storage
from zoo.server.core import ServerCore
from zoo.session.tracker import SessionTracker
from zoo.tree.acl import Acl
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.replay import replay

log = logging.getLogger(__name__)


class UndecodableTxn(Exception):
    """A transaction that was logged whole makes no sense; says which."""


class Loaded:
    """A core at the state of the log's end, and what it took to get there."""

    def __init__(self, core: ServerCore, recovery: Recovery, replayed: int, seconds: float) -> None:
        self.core = core
        self.snapshot = recovery.snapshot
        self.fresh = recovery.fresh
        self.replayed = replayed
        self.seconds = seconds


def load(
    config: Config,
    storage: Storage,
    *,
    moment: tuple[int, int] | None = None,
    rng: Random | None = None,
) -> Loaded:
    """Recover. Raises what Recovery raises, UnknownAclError and UndecodableTxn.

    A simulation brings its own time (monotonic and Unix, ms) and its own source of chance.
    """
    started = time.monotonic()
    recovery = Recovery(storage, log.warning)
    cores: list[ServerCore] = []

    def notify(watcher: object, event: int, path: bytes, zxid: int, acl: Acl) -> None:
        cores[0].notify(watcher, event, path, zxid, acl)

    tree = DataTree(
        notify, digest=config.digest_enabled, extended_types=config.extended_types_enabled
    )
    if recovery.snapshot is not None:
        tree.restore(recovery.acls.items(), recovery.nodes(), recovery.snapshot.zxid)
    snapshot_ms = int((time.monotonic() - started) * 1000)
    sessions = dict(recovery.sessions)
    view = Outstanding(tree)
    # A Java snapshot is complete only at the zxid of its digest; before that digests cannot agree.
    fuzzy_until = recovery.digest.zxid if recovery.digest is not None else 0
    replayed = mismatches = 0
    for zxid, entry in recovery.entries():
        try:
            done = replay(view, entry)
        except JuteError as error:
            raise UndecodableTxn(
                f"the log's transaction 0x{zxid:x} has the right checksum and cannot be decoded "
                f"({error}): was it written by a newer version? Use that one, or restore a backup"
            ) from error
        replayed += 1
        if done.opens is not None:
            sessions[done.opens[0]] = done.opens[1]
        if done.closes:
            sessions.pop(done.closes, None)
        if done.digest_ok is False and done.zxid > fuzzy_until:
            mismatches += 1
            if mismatches == 1:
                log.error("the digest of the tree differs from the log's at zxid 0x%x", done.zxid)
    tree.acl_table.require_defined()
    now_ms, wall_ms = moment or (int(time.monotonic() * 1000), int(time.time() * 1000))
    tracker = SessionTracker(config.tick_time_ms, now_ms)
    tracker.load(sessions.items())
    core = ServerCore(config, tree, tracker, rng or Random(), now_ms, wall_ms)
    cores.append(core)
    core.note_replayed(replayed)
    metrics = core.stats.metrics
    metrics.digest_mismatches_count.value = mismatches
    seconds = time.monotonic() - started
    metrics.dbinittime.add(int(seconds * 1000))
    metrics.startup_snap_load_time.add(snapshot_ms)
    metrics.startup_txns_loaded.add(replayed)
    metrics.startup_txns_load_time.add(int(seconds * 1000) - snapshot_ms)
    return Loaded(core, recovery, replayed, seconds)


def write_snapshot(core: ServerCore, storage: Storage) -> str:
    """Take a snapshot in one go, before serving: a Java server does not start on logs alone."""
    zxid = core.tree.last_zxid
    writer = storage.begin_snapshot(zxid)
    for chunk in core.begin_snapshot().chunks():
        writer.write(chunk)
    return writer.commit()
