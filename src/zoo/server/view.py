"""What the operator's tools may see of a server.

Theory of operation. The four-letter words, `mntr`'s gauges and later the HTTP interfaces read a
server through `ServerView` and nothing else. It keeps them ignorant of how the core stores things,
lets a double stand in for a server in tests, and says in one place what such a question may cost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from zoo.server.stats import ConnectionStats, ServerStats


@dataclass(frozen=True, slots=True)
class ServerConf:
    """What conf prints: the configuration in effect. Ports are -1 when off; times in ms;
    directories absolute."""

    client_port: int
    data_dir: str
    data_log_dir: str
    tick_time: int
    max_client_cnxns: int
    min_session_timeout: int
    max_session_timeout: int
    secure_client_port: int = -1
    client_port_listen_backlog: int = -1
    server_id: int = 0


class LeaderFacts(NamedTuple):
    """What a leader knows of those that follow it. Sizes are those of transactions, in bytes."""

    learners: int
    synced_followers: int
    synced_observers: int
    pending_syncs: int
    uptime_ms: int
    last_proposal_size: int = -1
    min_proposal_size: int = -1
    max_proposal_size: int = -1


class EnsembleFacts(NamedTuple):
    """What a member can tell of its ensemble. `conf` are further lines of that word; `membership`
    is the configuration's text. `leader` is None on everybody else.
    """

    my_id: int
    peer_state: str
    quorum_size: int
    leader: LeaderFacts | None
    conf: tuple[tuple[str, object], ...]
    membership: str
    fed_observers: int | None = None
    """Observers in step that this follower feeds."""
    observer_master_id: int | None = None
    """The member that feeds this observer."""
    client_port: int | None = None
    """Where the configuration that holds has clients served, if it says."""


class ServerView(Protocol):
    """All that the words need of a server. Session ids are signed 64-bit, paths bytes, times on
    the clock of `now_ms`.

    The three watch methods cover data and exists watches, the only ones ZooKeeper's wchs, wchc and
    wchp list; `watch_count` covers children watches too.
    """

    trace_mask: int

    @property
    def version(self) -> str:
        """The result of `full_version`."""

    @property
    def mode(self) -> str:
        """standalone, leader, follower, observer or read-only."""

    @property
    def is_serving(self) -> bool: ...
    @property
    def stats(self) -> ServerStats: ...
    @property
    def wall_offset_ms(self) -> int:
        """Add it to a time of `now_ms` to get Unix time; 0 if that clock is Unix time already."""

    def conf(self) -> ServerConf: ...
    def environment(self) -> Iterable[tuple[str, str]]:
        """Host and process for envi, in order, without zookeeper.version."""

    def ensemble(self, now_ms: int) -> EnsembleFacts | None:
        """None on a server that is alone."""

    def last_zxid(self) -> int: ...
    def znode_count(self) -> int:
        """As ZooKeeper counts, its second root included."""

    def approximate_data_size(self) -> int: ...
    def data_dir_size(self) -> int:
        """Bytes of snapshots on disk; may be a recent measurement, never a walk over files."""

    def log_dir_size(self) -> int: ...
    def open_file_descriptors(self) -> int | None:
        """None where the platform does not tell; the key is then left out."""

    def max_file_descriptors(self) -> int | None: ...
    def connections(self) -> Collection[ConnectionStats]: ...
    def global_session_count(self) -> int: ...
    def local_session_count(self) -> int: ...
    def global_sessions(self) -> Iterable[tuple[int, int]]:
        """(id, timeout in ms) of every session that the ensemble knows."""

    def session_expiry(self) -> Mapping[int, Collection[int]]:
        """Moment of expiry -> ids of the sessions that end then if silent."""

    def connection_expiry(self) -> Mapping[int, Collection[ConnectionStats]]: ...
    def ephemerals_count(self) -> int: ...
    def ephemerals(self) -> Mapping[int, Collection[bytes]]:
        """Session id -> paths."""

    def watch_count(self) -> int: ...
    def wchs(self) -> str:
        """The watch texts, as `zoo.tree.watches.Watches` makes them (data and exists watches)."""

    def wchp(self) -> str: ...
    def wchc(self) -> str: ...
    def digest_log(self) -> Iterable[tuple[int, int]]:
        """The kept history of (zxid, digest of the tree after it), oldest first."""
