"""What a role sees of the server that plays it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from zoo.zab.configurations import Configurations
    from zoo.zab.history import History
    from zoo.zab.link import PeerLink
    from zoo.zab.log_queue import LogQueue
    from zoo.zab.quorum import QuorumVerifier
    from zoo.zab.replica import Replica


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in ms. `init_limit` and `sync_limit` are in ticks, as in zoo.cfg."""

    tick_ms: int = 2000
    init_limit: int = 10
    sync_limit: int = 5
    max_data: int = 0xFFFFF
    """Bytes of data in one packet (jute.maxbuffer)."""
    max_unsent: int = 64 << 20
    """Bytes that may wait for one learner; a slower one is cut off and synchronised anew."""
    max_missed: int = 32 << 20
    """Bytes of transactions that a follower sends an observer that missed them."""
    reconnect_delay_ms: int = 0
    """An observer waits for up to so long, by chance, before it dials."""


@dataclass(slots=True)
class Epochs:
    """What is durable of them: the one promised (f.p in the ZAB paper), the one followed (f.a)."""

    accepted: int
    current: int


class Context(Protocol):
    """`now_ms` is monotonic; `dirty` are links with something to send or to close."""

    my_id: int
    settings: Settings
    quorum: QuorumVerifier
    """Who decides now: of the configuration that holds, and of one that may come to hold."""
    config_version: int
    """Of the configuration that holds."""
    configurations: Configurations
    epochs: Epochs
    log: LogQueue
    history: History
    replica: Replica
    now_ms: int
    dirty: list[PeerLink]

    def look(self, reason: str) -> None:
        """Leave the role and elect anew; `reason` goes to the log. The role is stopped by this."""
        ...

    def go_to(self, leader: int, reason: str) -> None:
        """Leave the role for this leader, which may be ourselves, without an election."""
        ...

    def look_for(self, leader: int, reason: str) -> None:
        """Leave the role and elect anew; this one is expected to win, which may be ourselves."""
        ...


class Role(Protocol):
    """One of LOOKING, FOLLOWING, OBSERVING, LEADING at work."""

    def tick(self) -> None: ...

    def persisted(self) -> None:
        """A Ready has become durable: `context.log.persisted` and `context.epochs` tell how far."""
        ...

    def stop(self) -> None:
        """Close the links; stop serving, if that had begun."""
        ...
