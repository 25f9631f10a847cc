"""Servers with one thing broken each: what a checker must see if it is worth its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from zoo.persistence.recovery import Recovery
from zoo.pipeline.prep import Prep
from zoo.pipeline.writes import Writes
from zoo.server.connection import ClientConnection
from zoo.session.tracker import SessionTracker
from zoo.sim.disk import MemoryStorage
from zoo.sim.server import SimServer
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.watches import WatchManager
from zoo.zab.ready import Ready
from zoo.zab.standalone import Standalone

Break = Callable[[pytest.MonkeyPatch], None]


def fsync_lies(patch: pytest.MonkeyPatch) -> None:
    """What was appended is called durable without being so."""
    patch.setattr(MemoryStorage, "sync", lambda self: None)


def acknowledge_before_the_disk(patch: pytest.MonkeyPatch) -> None:
    """The core is told "persisted" as soon as it hands a batch over."""
    write = SimServer._write

    def early(self: SimServer, ready: Ready) -> None:
        write(self, ready)
        self.core.persisted(ready.last_zxid)

    patch.setattr(SimServer, "_write", early)
    durable = SimServer._durable

    def late(self: SimServer, ready: Ready) -> None:
        with pytest.MonkeyPatch.context() as told:
            told.setattr(self.core, "persisted", lambda zxid: None)
            durable(self, ready)

    patch.setattr(SimServer, "_durable", late)


def lose_the_last_on_recovery(patch: pytest.MonkeyPatch) -> None:
    entries = Recovery.entries

    def fewer(self: Recovery) -> Any:
        found = list(entries(self))
        return iter(found[:-1])

    patch.setattr(Recovery, "entries", fewer)


def half_a_multi(patch: pytest.MonkeyPatch) -> None:
    commit = DataTree.commit

    def half(self: DataTree, zxid: int, edits: Sequence[Any]) -> None:
        commit(self, zxid, tuple(edits[:1]))

    patch.setattr(DataTree, "commit", half)


def reads_overtake_writes(patch: pytest.MonkeyPatch) -> None:
    request = ClientConnection.request

    def eager(self: ClientConnection, xid: int, op: int, payload: bytes) -> None:
        if op in (3, 4, 8) and not self.session.closing and self.session.owner is self:
            self._answer(xid, op, payload)
        else:
            request(self, xid, op, payload)

    patch.setattr(ClientConnection, "request", eager)


def events_after_replies(patch: pytest.MonkeyPatch) -> None:
    notify, take = ClientConnection.notify, ClientConnection.take_output
    kept: dict[ClientConnection, list[Any]] = {}

    def later(self: ClientConnection, *event: Any) -> None:
        kept.setdefault(self, []).append(event)
        if not self.dirty:
            self.dirty = True
            self.core.dirty.append(self)

    def flush(self: ClientConnection) -> bytes:
        data = take(self)
        for event in kept.pop(self, []):
            notify(self, *event)
        return data + take(self)

    patch.setattr(ClientConnection, "notify", later)
    patch.setattr(ClientConnection, "take_output", flush)


def forget_a_watch(patch: pytest.MonkeyPatch) -> None:
    add = WatchManager.add
    count = [0]

    def sometimes(self: WatchManager[Any], path: bytes, watcher: Any, mode: int = 1) -> bool:
        count[0] += 1
        return count[0] % 10 != 0 and add(self, path, watcher, mode)

    patch.setattr(WatchManager, "add", sometimes)


def keep_an_ephemeral(patch: pytest.MonkeyPatch) -> None:
    ephemerals = Outstanding.ephemerals_of

    def fewer(self: Outstanding, session: int) -> dict[bytes, None]:
        return dict.fromkeys(list(ephemerals(self, session))[1:])

    patch.setattr(Outstanding, "ephemerals_of", fewer)


def expire_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SessionTracker, "_round_up", lambda self, moment: moment - moment % self.interval)


def charge_stalls(patch: pytest.MonkeyPatch) -> None:
    init = SessionTracker.__init__

    def greedy(self: SessionTracker, interval: int, now_ms: int, max_step: Any = None) -> None:
        init(self, interval, now_ms, 10**9)

    patch.setattr(SessionTracker, "__init__", greedy)


def never_expire(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SessionTracker, "expired", lambda self, now_ms: [])


def skip_zxids(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Standalone, "next_zxid", lambda self: self.proposed + 1 + (self.proposed == 50))


def ignore_versions(patch: pytest.MonkeyPatch) -> None:
    delete = Writes.delete

    def careless(self: Writes, requester: Any, zxid: int, path: bytes, expected: int) -> Any:
        return delete(self, requester, zxid, path, -1)

    patch.setattr(Writes, "delete", careless)


def log_another_write(patch: pytest.MonkeyPatch) -> None:
    prepare = Prep.prepare

    def twisted(self: Prep, origin: Any, cxid: int, op: int, payload: bytes) -> Any:
        return prepare(self, origin, cxid, op, payload.replace(b"/n0/m0", b"/n0/m1"))

    patch.setattr(Prep, "prepare", twisted)


def write_after_the_end(patch: pytest.MonkeyPatch) -> None:
    """A session that is being closed may still write."""
    patch.setattr(Writes, "check_session", lambda self, requester: None)
    patch.setattr(SessionTracker, "mark_closing", lambda self, session_id: None)


# the mutant -> names of the checkers of which one must see it
MUTANTS: dict[Break, tuple[str, ...]] = {
    fsync_lies: ("Durability", "the server does not start"),
    acknowledge_before_the_disk: ("Durability", "TreeEquality"),
    lose_the_last_on_recovery: ("Durability", "the server does not start"),
    half_a_multi: ("TreeEquality", "Outcomes", "Reads", "Watches", "KeyError"),
    reads_overtake_writes: ("AssertionError",),
    events_after_replies: ("Watches",),
    forget_a_watch: ("Watches", "Outcomes"),
    keep_an_ephemeral: ("Sessions",),
    expire_early: ("Sessions",),
    charge_stalls: ("Sessions",),
    never_expire: ("Sessions",),
    skip_zxids: ("Contiguity", "AssertionError", "History"),
    ignore_versions: ("Outcomes",),
    log_another_write: ("Origin",),
    write_after_the_end: ("Sessions", "Durability"),
}
