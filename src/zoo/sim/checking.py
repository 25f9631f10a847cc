"""What all checkers have in common: what they may look at, and what they are told.

Theory of operation. A checker states one promise of the service, overrides the few of these
methods that it needs, and calls `violated` when the promise is broken. `Checkers` tells all of
them everything in the order in which it happened. The history grows before the checkers hear of a
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from zoo.jute.client_records import ConnectResponse, WatcherEvent
from zoo.jute.txns import LoggedTxn
from zoo.server.core import ServerCore
from zoo.sim.client import Request, SimClient
from zoo.sim.history import History
from zoo.sim.schedule import Schedule
from zoo.zab.ready import Ready


class Violation(AssertionError):
    """The server broke a promise; the text says which and how it was seen."""


class Stalls:
    """When the server stood still."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def add(self, start: int, duration: int) -> None:
        self._spans.append((start, start + duration))

    def cut(self, moment: int) -> None:
        """A new server has started: the stall of the old one is over."""
        self._spans = [(start, min(end, moment)) for start, end in self._spans]

    def within(self, since: int, until: int) -> tuple[int, int]:
        """(number, total duration) of what lies between two moments."""
        parts = [min(end, until) - max(start, since) for start, end in self._spans]
        parts = [part for part in parts if part > 0]
        return len(parts), sum(parts)


class Checker:
    """One promise. All times are virtual microseconds."""

    def __init__(self, history: History, schedule: Schedule) -> None:
        self.history = history
        self.schedule = schedule

    def violated(self, text: str) -> NoReturn:
        raise Violation(f"{type(self).__name__}: {text}")

    # --- the server

    def handed(self, ready: Ready) -> None: ...

    def logged(self, txn: LoggedTxn) -> None:
        """A transaction is durable and in the history; the core does not know yet."""

    def lost(self, zxids: Sequence[int]) -> None:
        """A crash took these transactions; the history has forgotten them."""

    def recovered(self, core: ServerCore) -> None:
        """A server has started; the history has been brought to where it stands."""

    def heard(self, session_id: int) -> None: ...

    def stalled(self, duration_us: int) -> None: ...

    def inspect(self, core: ServerCore) -> None:
        """Now and then, between two turns."""

    def finished(self, core: ServerCore) -> None:
        """All clients have been gone for long."""

    # --- the clients

    def connected(self, client: SimClient, response: ConnectResponse) -> None: ...

    def refused(self, client: SimClient) -> None: ...

    def sent(self, client: SimClient, request: Request) -> None: ...

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None: ...

    def ponged(self, client: SimClient, zxid: int) -> None: ...

    def notified(self, client: SimClient, zxid: int, event: WatcherEvent) -> None: ...

    def disconnected(self, client: SimClient) -> None: ...


class Checkers:
    """All checkers of one world; the observer of its server and its clients."""

    def __init__(
        self,
        schedule: Schedule,
        kinds: Sequence[Callable[[History, Schedule], Checker]],
    ) -> None:
        self.history = History()
        self.all: list[Checker] = [kind(self.history, schedule) for kind in kinds]
        self.txns = 0
        self.replies = 0
        self.events = 0
        self._handed: list[bytes] = []
        self._listeners: dict[str, list[Callable[..., None]]] = {}

    def _tell(self, what: str, *arguments: Any) -> None:
        listeners = self._listeners.get(what)
        if listeners is None:  # only those that override it
            listeners = self._listeners[what] = [
                getattr(checker, what)
                for checker in self.all
                if getattr(type(checker), what) is not getattr(Checker, what)
            ]
        for listener in listeners:
            listener(*arguments)

    # --- the server

    def handed(self, ready: Ready) -> None:
        self._handed += ready.entries
        self._tell("handed", ready)

    def durable(self, ready: Ready) -> None:
        self._handed.clear()
        for entry in ready.entries:
            self._log(entry)

    def committed(self, entry: bytes) -> None:
        """An ensemble has agreed on this transaction."""
        self._log(entry)

    def _log(self, entry: bytes) -> None:
        try:
            txn = self.history.append(entry)
        except AssertionError as error:
            raise Violation(f"History: {error}") from error
        self.txns += 1
        self._tell("logged", txn)

    def recovered(self, core: ServerCore) -> None:
        """What was under way may have reached the disk; what lies behind the log's end is lost."""
        for entry in self._handed:
            if self.history.last_zxid < core.tree.last_zxid:
                self._log(entry)
        self._handed.clear()
        gone = self.history.truncate(core.tree.last_zxid)
        if gone:
            self._tell("lost", gone)
        self._tell("recovered", core)

    def heard(self, session_id: int) -> None:
        self._tell("heard", session_id)

    def stalled(self, duration_us: int) -> None:
        self._tell("stalled", duration_us)

    def inspect(self, core: ServerCore) -> None:
        self._tell("inspect", core)

    def finished(self, core: ServerCore) -> None:
        self._tell("finished", core)

    # --- the clients

    def connected(self, client: SimClient, response: ConnectResponse) -> None:
        self._tell("connected", client, response)

    def refused(self, client: SimClient) -> None:
        self._tell("refused", client)

    def sent(self, client: SimClient, request: Request) -> None:
        self._tell("sent", client, request)

    def replied(
        self, client: SimClient, request: Request, zxid: int, err: int, body: bytes
    ) -> None:
        self.replies += 1
        self._tell("replied", client, request, zxid, err, body)

    def ponged(self, client: SimClient, zxid: int) -> None:
        self._tell("ponged", client, zxid)

    def notified(self, client: SimClient, zxid: int, event: WatcherEvent) -> None:
        self.events += 1
        self._tell("notified", client, zxid, event)

    def disconnected(self, client: SimClient) -> None:
        self._tell("disconnected", client)
