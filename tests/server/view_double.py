"""A `ServerView` without a server; its figures are those of the recorded Java session."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from zoo.server.four_letter_words import full_version
from zoo.server.metrics import ServerMetrics
from zoo.server.stats import ConnectionStats, ServerStats
from zoo.server.view import EnsembleFacts, LeaderFacts, ServerConf, ServerView
from zoo.tree.watches import Watches

START_MS = 953_227
NOW_MS = 953_547
WALL_OFFSET_MS = 1_795_226_844_958
SESSION_A = 0x100000E8BDA0000
SESSION_B = 0x100000E8BDA0001


class ViewDouble:
    def __init__(self) -> None:
        self.trace_mask = 306
        self.version = full_version("0.1.0")
        self.mode = "standalone"
        self.is_serving = True
        self.stats = ServerStats(START_MS, ServerMetrics())
        self.wall_offset_ms = WALL_OFFSET_MS
        self.clients: list[ConnectionStats] = []
        self.facts: EnsembleFacts | None = None
        self.open_files: int | None = 55
        self.watches: Watches[int] = Watches()
        self.watches.data.add(b"/a", SESSION_B)
        self.watches.data.add(b"/nope", SESSION_A)
        self.watches.children.add(b"/", SESSION_A)

    def conf(self) -> ServerConf:
        return ServerConf(2181, "/data/version-2", "/log/version-2", 2000, 60, 4000, 40000)

    def ensemble(self, now_ms: int) -> EnsembleFacts | None:
        return self.facts

    def global_sessions(self) -> Iterable[tuple[int, int]]:
        return [(SESSION_B, 10_000), (SESSION_A, 4_000)]

    def environment(self) -> Iterable[tuple[str, str]]:
        return [("host.name", "localhost"), ("os.name", "Linux")]

    def last_zxid(self) -> int:
        return 6

    def znode_count(self) -> int:
        return 8

    def approximate_data_size(self) -> int:
        return 52

    def data_dir_size(self) -> int:
        return 67109358

    def log_dir_size(self) -> int:
        return 1024

    def open_file_descriptors(self) -> int | None:
        return self.open_files

    def max_file_descriptors(self) -> int | None:
        return 20000

    def connections(self) -> Collection[ConnectionStats]:
        return self.clients

    def global_session_count(self) -> int:
        return 2

    def local_session_count(self) -> int:
        return 0

    def session_expiry(self) -> Mapping[int, Collection[int]]:
        return {963_542: [SESSION_A, SESSION_B]}

    def connection_expiry(self) -> Mapping[int, Collection[ConnectionStats]]:
        return {969_542: self.clients} if self.clients else {}

    def ephemerals_count(self) -> int:
        return 2

    def ephemerals(self) -> Mapping[int, Collection[bytes]]:
        return {SESSION_A: [b"/e", b"/e2"]}

    def watch_count(self) -> int:
        return len(self.watches)

    def wchs(self) -> str:
        return self.watches.wchs()

    def wchp(self) -> str:
        return self.watches.wchp(lambda watcher: watcher)

    def wchc(self) -> str:
        return self.watches.wchc(lambda watcher: watcher)

    def digest_log(self) -> Iterable[tuple[int, int]]:
        return [(0x80, 1371985504), (0x100, -5)]


def of_ensemble(*, leads: bool) -> ViewDouble:
    """A member with two others."""
    view = ViewDouble()
    view.mode = "leader" if leads else "follower"
    conf = (("initLimit", 10), ("peerType", 0))
    leader = LeaderFacts(3, 2, 1, 4, 5000, 100, 50, 900) if leads else None
    state = "leading - broadcast" if leads else "following - broadcast"
    view.facts = EnsembleFacts(7, state, 3, leader, conf, "server.1=a:1:2:participant\nversion=0")
    return view


def two_clients() -> list[ConnectionStats]:
    """The two connections of the recording, one with a session, one that only sent a word."""
    client = ConnectionStats("127.0.0.1:35316", established_ms=953_553)
    client.session_id = SESSION_B
    client.session_timeout_ms = 10_000
    client.packets_received = 3
    client.packets_sent = 3
    client.answered(1, 8, 1, 6, 953_540, 0)
    client.answered(3, 4, 2, 6, 953_544, 1)
    word = ConnectionStats("127.0.0.1:35336", established_ms=953_546)
    word.packets_received = 1
    word.interest_ops = 0
    return [client, word]


def conforms(view: ServerView) -> ServerView:
    """For mypy: whatever is passed here satisfies the protocol."""
    return view
