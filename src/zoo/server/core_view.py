"""The server as the four-letter words see it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from zoo.server.core import ServerCore
from zoo.server.holding import Holding
from zoo.server.stats import ConnectionStats, ServerStats
from zoo.server.view import EnsembleFacts, ServerConf


class HostFacts(NamedTuple):
    """What only the runtime can know. The callables are cheap: no walk over files."""

    version: str
    conf: ServerConf
    environment: tuple[tuple[str, str], ...]
    data_dir_size: Callable[[], int]
    log_dir_size: Callable[[], int]
    open_file_descriptors: Callable[[], int | None]
    max_file_descriptors: Callable[[], int | None]


class CoreView:
    """Implements zoo.server.view.ServerView over a core."""

    def __init__(self, core: ServerCore, host: HostFacts) -> None:
        self._core = core
        self._host = host
        self.trace_mask = 0
        self.version = host.version
        self.data_dir_size = host.data_dir_size
        self.log_dir_size = host.log_dir_size
        self.open_file_descriptors = host.open_file_descriptors
        self.max_file_descriptors = host.max_file_descriptors

    @property
    def is_serving(self) -> bool:
        writing = self._core.writing
        return self._core.is_serving and not (isinstance(writing, Holding) and writing.is_parked)

    @property
    def mode(self) -> str:
        return self._core.mode

    @property
    def stats(self) -> ServerStats:
        stats = self._core.stats
        stats.outstanding_requests = self._core.outstanding
        return stats

    @property
    def wall_offset_ms(self) -> int:
        return self._core.wall_ms - self._core.now_ms

    def conf(self) -> ServerConf:
        return self._host.conf

    def ensemble(self, now_ms: int) -> EnsembleFacts | None:
        facts = self._core.ensemble
        return None if facts is None else facts(now_ms)

    def environment(self) -> Iterable[tuple[str, str]]:
        return self._host.environment

    def last_zxid(self) -> int:
        return self._core.tree.last_zxid

    def znode_count(self) -> int:
        return len(self._core.tree.nodes) + 1  # Java counts the root twice

    def approximate_data_size(self) -> int:
        return self._core.tree.data_size

    def connections(self) -> Collection[ConnectionStats]:
        found = []
        for connection in self._core.connections:
            connection.stats.outstanding = len(connection.waiting)
            found.append(connection.stats)
        return found

    def global_session_count(self) -> int:
        return len(self._core.sessions)

    def local_session_count(self) -> int:
        return len(self._core.local_sessions)

    def global_sessions(self) -> Iterable[tuple[int, int]]:
        return self._core.committed_sessions()

    def session_expiry(self) -> Mapping[int, Collection[int]]:
        return self._core.sessions.expiry_map()

    def connection_expiry(self) -> Mapping[int, Collection[ConnectionStats]]:
        """A connection goes with its session, so it expires when that does."""
        groups: dict[int, list[ConnectionStats]] = {}
        for moment, ids in self._core.sessions.expiry_map().items():
            found = [self._core.attached[i].stats for i in ids if i in self._core.attached]
            if found:
                groups[moment] = found
        return groups

    def ephemerals_count(self) -> int:
        return self._core.tree.ephemeral_count()

    def ephemerals(self) -> Mapping[int, Collection[bytes]]:
        return self._core.tree.ephemerals

    def watch_count(self) -> int:
        return len(self._core.tree.watches)

    def wchs(self) -> str:
        return self._core.tree.watches.wchs()

    def wchp(self) -> str:
        return self._core.tree.watches.wchp(lambda watcher: int(watcher.session_id))

    def wchc(self) -> str:
        return self._core.tree.watches.wchc(lambda watcher: int(watcher.session_id))

    def digest_log(self) -> Iterable[tuple[int, int]]:
        return self._core.digest_log
