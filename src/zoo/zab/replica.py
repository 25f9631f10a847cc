"""What consensus and the service above it ask of each other.

zoo.zab orders transactions and knows of each only its zxid and its bytes; it never looks inside.
The service (zoo.server) is the `Replica` that applies them; it prepares and forwards requests
through the role that its server has at the moment.

The life of a role. `Peer` elects; the role synchronises; once it may serve it calls
`Replica.start_leading` or `start_learning`; when it ends, `Replica.stop_serving`, always exactly
once after a start. Transactions that a role had logged and not yet committed stay in the history as
its tail (zoo.zab.history): nobody has seen them, and the next role commits them or cuts them off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from zoo.jute.records import Id
from zoo.zab.configurations import Configuration
from zoo.zab.quorum import QuorumVerifier


class SnapshotStream(NamedTuple):
    """The state at `zxid` for a learner: raw bytes as SNAP wants them, without signature.

    `pieces` is drained while transactions go on being applied, or closed.
    """

    zxid: int
    pieces: Iterator[bytes]


class InstallTarget(Protocol):
    """A state that is being received from a leader; nothing is replaced until `finish`."""

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Take bytes of the stream: (what of them goes into the snapshot file, rest).

        The rest is None while the stream goes on; at its end it is what stands behind it (from the
        signature on). Raises ProtocolViolation for bytes that are no snapshot.
        """
        ...

    def finish(self) -> None:
        """The received state takes the place of the old one, sessions included."""
        ...


class Leading(Protocol):
    """The established leader, as the service uses it. (An Order of zoo.pipeline.prep, too.)"""

    @property
    def proposed(self) -> int: ...

    @property
    def followers(self) -> Sequence[Any]:
        """Those that get every proposal."""
        ...

    @property
    def observers(self) -> Sequence[Any]:
        """Those that get every commit."""
        ...

    @property
    def pending_answers(self) -> int:
        """Syncs and revalidations that wait for a commit."""
        ...

    def next_zxid(self) -> int: ...

    def propose(self, zxid: int, entry: bytes) -> None: ...

    def propose_run(self, first: int, entries: list[bytes]) -> None: ...

    def transfer(self, target: int, timeout_ms: int) -> str | None:
        """Hand leadership over to this follower; what speaks against it, if anything does. Else
        `Replica.hold` follows, now or later, and then `release` or the end of the role.
        """
        ...

    def successor(self) -> int | None:
        """The follower that would make the best leader; None if there is none in step."""
        ...

    def tell_moved(self, session_id: int, keeper: Any = None) -> None:
        """Tell all learners but `keeper` that this session is not theirs."""
        ...

    @property
    def configuration(self) -> Configuration:
        """The one that holds."""
        ...

    @property
    def is_changing(self) -> bool:
        """A change of the configuration is under way."""
        ...

    def has_in_step(self, quorum: QuorumVerifier) -> bool:
        """Whether those that are in step with the leader, itself among them, are a quorum."""
        ...

    def propose_configuration(
        self, zxid: int, entry: bytes, configuration: Configuration
    ) -> None: ...

    @property
    def is_alone(self) -> bool:
        """Needs no other server to decide."""
        ...

    def sync(self, asker: Any) -> None:
        """Send SYNC to the learner, or to who stands in for a client of ours (`sid` -1), once all
        that is proposed by now is committed and this server is known to lead still. An answer is
        ahead of the commits of what is proposed later; it comes at once only to who is alone or
        asks with a quorum.
        """
        ...

    def answer_revalidation(self, learner: Any, session_id: int, valid: bool) -> None: ...


class Learning(Protocol):
    """A follower or observer in step with its leader, as the service uses it."""

    @property
    def mode(self) -> str:
        """follower or observer, as operators are told."""
        ...

    def forward(
        self, session_id: int, cxid: int, op: int, payload: bytes, identities: Sequence[Id]
    ) -> None:
        """Send a client's write, createSession, closeSession or sync to the leader (REQUEST)."""
        ...

    def forward_run(
        self, session_id: int, requests: Sequence[bytes], identities: Sequence[Id]
    ) -> None:
        """`forward` of several writes of one client, each as xid, operation and body."""
        ...

    def revalidate(self, session_id: int, timeout: int) -> None:
        """Ask the leader whether a session lives; `Replica.revalidated` brings the answer."""
        ...


class Replica(Protocol):
    """The replicated state machine and its sessions."""

    @property
    def last_zxid(self) -> int:
        """The last transaction that is applied."""
        ...

    def deliver(self, zxid: int, entry: bytes) -> None:
        """Apply a committed transaction. For learners, and for a leader-elect's own tail."""
        ...

    def commit_to(self, zxid: int) -> None:
        """Leader: all that was prepared up to `zxid` is committed; apply and answer it."""
        ...

    def configured(self, text: bytes, version: int) -> None:
        """Another configuration holds."""
        ...

    # --- a role begins and ends

    def start_leading(self, leader: Leading) -> None:
        """Established, all of the history applied. Every session's clock starts anew."""
        ...

    def start_learning(self, learner: Learning) -> None: ...

    def stop_serving(self) -> None:
        """Drop the clients; forget what is prepared or forwarded and not committed."""
        ...

    # --- leadership is handed over (zoo.zab.leader_transfer)

    def hold(self) -> None:
        """Leader: keep what is asked for, and prepare nothing."""
        ...

    def release(self, reason: str) -> None:
        """Leader: go on, the transfer is given up."""
        ...

    def empty_transaction(self, zxid: int) -> bytes:
        """One that changes nothing."""
        ...

    def adopt(self, zxid: int, entry: bytes) -> None:
        """Leader: take the empty transaction for one that was prepared here."""
        ...

    def keep_clients(self) -> None:
        """The role is about to end in order: clients stay, and whatever nobody has answered them
        is asked anew under the next one. All that they were told is committed, and nothing that
        they ask for is on its way.
        """
        ...

    def session_moved(self, session_id: int) -> None:
        """Learner: the client of this session, if we have it, is not here any more."""
        ...

    # --- state as a whole

    def snapshot(self) -> SnapshotStream | None:
        """Begin to stream the applied state; None: another one is under way, ask again later."""
        ...

    def begin_install(self, zxid: int) -> InstallTarget: ...

    # --- leader: what learners send

    def request(
        self,
        learner: Any,
        session_id: int,
        cxid: int,
        op: int,
        payload: bytes,
        identities: Sequence[Id],
    ) -> None:
        """A forwarded REQUEST. `learner` identifies the link that it came over."""
        ...

    def request_run(
        self, learner: Any, session_id: int, frames: bytes, identities: Sequence[Id]
    ) -> None:
        """`request` of several; `frames` are the client's: length, xid, operation, body of each."""
        ...

    def revalidate(self, learner: Any, session_id: int, timeout: int) -> bool:
        """Whether the session lives; if so it is served over this learner's link from now on."""
        ...

    def touch(self, session_id: int, timeout: int) -> None:
        """A learner has heard of the session's client."""
        ...

    def learner_gone(self, learner: Any) -> None: ...

    # --- learner: what the leader sends

    def touched(self) -> list[tuple[int, int]]:
        """(session id, timeout) of every session heard of since the last call."""
        ...

    def revalidated(self, session_id: int, valid: bool) -> None: ...

    def synced(self) -> None:
        """SYNC: the oldest forwarded sync may be answered."""
        ...
