"""Production parts of a member that tell the simulated server what passes through them.

Theory of operation. The checkers compare histories as `Prefix`es, the production code knows zxids
and bytes. So the queue to the disk, the history while it is loaded, and the member are the real
ones with a note taken at the few places where transactions pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from zoo.jute.operations import Op
from zoo.server.core import ServerCore
from zoo.server.member import Member
from zoo.sim.prefixes import Prefix, Prefixes
from zoo.tree.data_tree import DataTree
from zoo.zab.history import History
from zoo.zab.log_queue import LogQueue
from zoo.zab.ready import Install
from zoo.zab.replica import Leading, Learning

_CLOSE_SESSION = int(Op.closeSession).to_bytes(4, "big", signed=True)


class NotedLog(LogQueue):
    """`end` is the history that has been given to the queue so far; `closing` hears of each end of
    a session that goes into it.
    """

    def __init__(
        self,
        prefixes: Prefixes,
        end: Prefix,
        installed: Callable[[int], Prefix],
        closing: Callable[[int, int], None],
    ) -> None:
        super().__init__(end.zxid)
        self.end = end
        self._prefixes = prefixes
        self._installed = installed
        self._closing = closing
        self._at: dict[int, Prefix] = {}

    def up_to(self, zxid: int) -> Prefix:
        """The history up to `zxid`, which is or was in the queue."""
        found = self._at.get(zxid)
        return self.end.cut(zxid) if found is None else found

    def _take(self, zxid: int, entry: bytes) -> None:
        self._at[zxid] = self.end = self._prefixes.after(self.end, zxid, entry)
        if entry[28:32] == _CLOSE_SESSION:
            self._closing(int.from_bytes(entry[:8], "big", signed=True), zxid)

    def append(self, zxid: int, entry: bytes) -> None:
        super().append(zxid, entry)
        self._take(zxid, entry)

    def append_run(self, first: int, entries: list[bytes]) -> None:
        super().append_run(first, entries)
        for zxid, entry in enumerate(entries, first):
            self._take(zxid, entry)

    def truncate(self, zxid: int) -> None:
        super().truncate(zxid)
        self.end = self.end.cut(zxid)

    def install(self, install: Install) -> None:
        super().install(install)
        if install.is_last:
            self.end = self._installed(install.zxid)


class NotedHistory(History):
    """Notes what recovery replays: `end`, from the snapshot on, which `find` knows."""

    def __init__(self, prefixes: Prefixes, find: Callable[[int], Prefix], window: int) -> None:
        super().__init__(0, max_txns=window)
        self.end = prefixes.root
        self._prefixes = prefixes
        self._find = find
        self._is_loading = True

    def reset(self, zxid: int) -> None:
        super().reset(zxid)
        if self._is_loading:
            self.end = self._find(zxid)

    def load(self, zxid: int, entry: bytes) -> None:
        super().load(zxid, entry)
        self.end = self._prefixes.after(self.end, zxid, entry)

    def loaded(self) -> Prefix:
        self._is_loading = False
        return self.end


class MemberWatcher(Protocol):
    """The simulated server around the member."""

    def applying(self, zxid: int, entry: bytes | None) -> None:
        """Everything up to `zxid` is committed and about to be applied."""

    def has_applied(self, zxid: int, digest: int) -> None:
        """`digest` is the tree's now."""

    def began_leading(self) -> None: ...

    def began_learning(self) -> None: ...

    def stopped_serving(self) -> None: ...

    def state_replaced(self, zxid: int) -> None:
        """By a leader's snapshot, or by what the disk holds after a cut."""

    def configured(self) -> None:
        """Another configuration holds for this server."""

    def reads_only(self, begins: bool) -> None:
        """Without a leader it begins to serve reads alone, or ends that."""

    def leader_heard(self, session_id: int) -> None:
        """This leader knows that the session's client lives."""


class NotedMember(Member):
    """Tells its watcher before clients can learn anything of it."""

    def __init__(
        self,
        core: ServerCore,
        my_id: int,
        configuration: bytes,
        version: int,
        watcher: MemberWatcher,
    ) -> None:
        super().__init__(core, my_id, configuration, version)
        self._watcher = watcher

    def deliver(self, zxid: int, entry: bytes) -> None:
        self._watcher.applying(zxid, entry)
        super().deliver(zxid, entry)
        self._watcher.has_applied(zxid, self.core.tree.digest)

    def commit_to(self, zxid: int) -> None:
        self._watcher.applying(zxid, None)
        super().commit_to(zxid)
        self._watcher.has_applied(zxid, self.core.tree.digest)

    def configured(self, text: bytes, version: int) -> None:
        super().configured(text, version)
        self._watcher.configured()

    def start_leading(self, leader: Leading) -> None:
        super().start_leading(leader)
        self._watcher.began_leading()

    def start_learning(self, learner: Learning) -> None:
        super().start_learning(learner)
        self._watcher.began_learning()

    def stop_serving(self) -> None:
        super().stop_serving()
        self._watcher.stopped_serving()

    def replace_state(self, tree: DataTree, sessions: dict[int, int]) -> None:
        super().replace_state(tree, sessions)
        self._watcher.state_replaced(tree.last_zxid)

    def _begin_read_only(self) -> None:
        super()._begin_read_only()
        self._watcher.reads_only(True)

    def _end_read_only(self) -> None:
        was = self._reads_only
        super()._end_read_only()
        if was:
            self._watcher.reads_only(False)

    def touch(self, session_id: int, timeout: int) -> None:
        super().touch(session_id, timeout)
        self._watcher.leader_heard(session_id)

    def revalidate(self, learner: Any, session_id: int, timeout: int) -> bool:
        valid = super().revalidate(learner, session_id, timeout)
        if valid:
            self._watcher.leader_heard(session_id)
        return valid
