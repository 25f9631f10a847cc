"""Places in a queue of contenders: what locks, semaphores and elections are made of.

Theory of operation. A contender creates an ephemeral sequential znode below a common parent and
waits until none of those whom it must wait for is ahead. It watches one znode only, the nearest of
them, so a release wakes one contender and not the herd. The znode's czxid is its fencing token: it
grows from holder to holder, and a store that remembers the largest one it has seen can refuse the
others. `guarded` is the same for data in the same service: a transaction that is refused once the
place is gone. A holder watches its own znode, too: an operator may delete that of one that hangs.

Holding is never certain for ever: the session may expire while the process sleeps. `is_held` is
false once the server was not heard of for a session timeout, and `lost` is set then. Even that may
be late: a server that is cut off from its leader answers its clients for some ticks more, while the
leader ends their sessions; after a long silence the leader may hear too late that the client is
back; and the clock of a machine that sleeps stands still. Whoever acts on the outside world passes
the token along.

Contenders of other libraries are seen, and with the right layout they see ours: mixed fleets
exclude each other (`zoo.recipes.layouts`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from zoo.client.async_client import AsyncClient
from zoo.client.converters import BYTES
from zoo.client.errors import (
    ClientClosedError,
    ClientError,
    NoNodeError,
    SessionExpiredError,
)
from zoo.client.retry import is_transient
from zoo.client.states import State
from zoo.client.transaction import Transaction
from zoo.recipes.waiting import PATIENT, Wake, in_background, in_time

_LOG = logging.getLogger(__name__)
_WRAP = 1 << 32
_SHORT = 0.05
"""Seconds. A place that is held no longer costs no watch."""


class Contender(NamedTuple):
    """A child that takes part. `kind` is the word before the number: lock, READ, WRIT, latch."""

    number: int
    name: str
    kind: str


def contenders(names: Iterable[str], kinds: Iterable[str]) -> list[Contender]:
    """Those of the kinds, in the order in which they came, other children left out.

    The numbers are signed 32 bits that wrap around; no two that meet are 2^31 apart.
    """
    wanted = frozenset(kinds)
    found = sorted(each for name in names if (each := _contender(name, wanted)) is not None)
    if found and found[-1].number - found[0].number > _WRAP // 2:
        early = (c._replace(number=c.number + _WRAP) for c in found if c.number < _WRAP // 2)
        found = sorted((*early, *(c for c in found if c.number >= _WRAP // 2)))
    return found


def _contender(name: str, wanted: frozenset[str]) -> Contender | None:
    """Of `...-lock-0000000001`, `...__lock__0000000001`, `...lock--2147483648`. By hand: a thousand
    in line are a thousand names for each whose turn comes."""
    stem = name.rstrip("0123456789")
    number = name[len(stem) :]
    if len(number) < 10:
        return None
    if stem.endswith(("--", "__-")):
        stem, number = stem[:-1], f"-{number}"
    stem = stem[:-2] if stem.endswith("__") else stem[:-1] if stem.endswith("-") else ""
    kind = stem.rpartition("-")[2].rpartition("__")[2]
    return Contender(int(number) % _WRAP, name, kind) if kind in wanted else None


class Place:
    """Our znode in a queue, and what it stands for once it is our turn."""

    def __init__(self, zk: AsyncClient[Any], path: str, token: int, session_id: int) -> None:
        self.path = path
        self.token = token
        """The fencing token: greater than that of every earlier holder."""
        self.lost = asyncio.Event()
        """Set once the place may be somebody else's; and when it was left."""
        self.is_left = False
        """Did we give it up ourselves?"""
        self._zk = zk
        self.session_id = session_id
        self._is_taken = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_short: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None
        zk.add_listener(self._on_state)

    def __repr__(self) -> str:
        return f"<Place {self.path} token {self.token} {'lost' if self.lost.is_set() else 'ours'}>"

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_held(self) -> bool:
        """Can nobody else have it yet? True only while the session is known to live."""
        return (
            not self.lost.is_set()
            and self._zk.session_id == self.session_id
            and self._zk.session_expires_in > 0
        )

    def take(self) -> bool:
        """Our turn has come: from now on `lost` tells when it is no longer sure that it is ours.

        False when that is not sure even now: wait for an answer of the service, and look again.
        (Who waits only goes on waiting through a silence: the session may survive it.) Raises
        SessionExpiredError.
        """
        if self.lost.is_set() or self._zk.session_id != self.session_id:
            raise SessionExpiredError("the place went with its session", path=self.path)
        self._is_taken = self.is_held
        if self._is_taken:
            self._on_state(self._zk.state)
            self._is_short = asyncio.get_running_loop().call_later(_SHORT, self._watch)
        return self._is_taken

    def _watch(self) -> None:
        self._watching = in_background(self._zk, self._until_deleted())

    async def _until_deleted(self) -> None:
        """By somebody else: whoever is next in line holds it then."""
        while True:
            changed = Wake()
            try:
                look = partial(self._zk.get, self.path, watch=changed)
                await self._zk.retrying(look, PATIENT)
                await changed.wait()
            except NoNodeError:
                break
            except ClientError as error:  # with the session it is lost anyway
                _LOG.debug("%r cannot be watched: %s", self, error)
                return
            finally:
                self._zk._forget(self.path, changed)
        self._watching = None
        self._give_up()

    def guarded(self) -> Transaction[Any]:
        """A transaction that commits only while the place is still ours.

        Refused with TransactionFailedError (failed == 0, NONODE) when it is not.
        """
        transaction = self._zk.transaction()
        transaction.check(self.path)
        return transaction

    async def leave(self) -> None:
        """Give it up. Returns once the znode is gone, or its session is; cancelled, it goes on."""
        self.is_left = True
        self._give_up()
        try:
            await delete_surely(self._zk, self.path, self.session_id)
        except asyncio.CancelledError:
            self.leave_in_background()
            raise

    def leave_in_background(self) -> asyncio.Task[None]:
        """For a caller that must not wait: it was cancelled."""
        self.is_left = True
        self._give_up()
        return in_background(self._zk, delete_surely(self._zk, self.path, self.session_id))

    def _give_up(self) -> None:
        self.lost.set()
        self._zk.remove_listener(self._on_state)
        for handle in (self._timer, self._is_short, self._watching):
            if handle is not None:
                handle.cancel()

    def _on_state(self, state: State) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if state is State.LOST or state.is_final or self._zk.session_id != self.session_id:
            self._give_up()
        elif state is State.SUSPENDED and self._is_taken:
            left = max(0.0, self._zk.session_expires_in)
            self._timer = asyncio.get_running_loop().call_later(left, self.lost.set)


async def delete_surely(zk: AsyncClient[Any], path: str, session_id: int) -> None:
    """Delete a znode of ours, whatever passes meanwhile, as long as its session lives.

    Raises what does not pass: NoAuthError.
    """
    pauses = PATIENT.pauses(zk._session.rng)
    while not zk.state.is_final and zk.session_id == session_id:
        try:
            await zk.delete(path)
            return
        except (NoNodeError, ClientClosedError, SessionExpiredError):
            return
        except ClientError as error:
            if not is_transient(error):
                raise
        await asyncio.sleep(next(pauses))


async def take_place(
    zk: AsyncClient[Any], parent: str, stem: str, data: bytes, timeout: float | None = None
) -> Place:
    """Stand in line below `parent`, created if need be; `stem` is the name before the number."""
    raw = zk.with_data(BYTES)
    node = await raw.create(
        f"{parent}/{stem}",
        data,
        ephemeral=True,
        sequence=True,
        protected=True,
        make_parents=True,
        timeout=timeout,
    )
    return Place(raw, node.path, node.stat.czxid, node.stat.ephemeral_owner)


Blocker = Callable[[list[Contender], int], Contender | None]
"""Of all contenders and our index among them: whom we wait for, the nearest; None: our turn."""


async def _names(zk: AsyncClient[Any], parent: str) -> list[str]:
    try:
        return await zk.children(parent)
    except NoNodeError:
        return []


async def _names_if_possible(zk: AsyncClient[Any], parent: str) -> list[str]:
    try:
        return await _names(zk, parent)
    except ClientError:
        return []  # they are asked for again


def index_of(place: Place, line: list[Contender]) -> int:
    """How many are ahead of us. Raises SessionExpiredError when we are not among them."""
    for index, each in enumerate(line):
        if each.name == place.name:
            return index
    raise SessionExpiredError(
        "our znode is gone: the session expired, or somebody deleted it", path=place.path
    )


async def wait_for_turn(
    zk: AsyncClient[Any],
    place: Place,
    kinds: Iterable[str],
    blocker: Blocker,
    names: list[str] | None = None,
) -> None:
    """Until nobody is in the way; the place is taken then. `names` are who is there, when that was
    asked already.

    Raises SessionExpiredError when the place is gone.
    """
    parent = place.path.rpartition("/")[0]
    wanted = tuple(kinds)
    while True:
        if names is None or place.name not in names:
            names = await _names(zk, parent)
        line, names = contenders(names, wanted), None
        first = blocker(line, index_of(place, line))
        if first is None:
            if place.take():
                return
            continue
        moved, ahead = Wake(), f"{parent}/{first.name}"
        try:
            await place._zk.get(
                ahead, watch=moved
            )  # not exists: that leaves a watch on what is gone
            await moved.wait()
        except NoNodeError:
            continue
        finally:
            zk._forget(ahead, moved)


async def stand_in_line(
    zk: AsyncClient[Any],
    parent: str,
    stem: str,
    kinds: Iterable[str],
    blocker: Blocker,
    data: bytes = b"",
    timeout: float | None = None,
) -> Place:
    """Take a place and wait for the turn; whatever goes wrong, no znode of ours stays behind.

    Raises OperationTimeoutError when it takes longer than `timeout` seconds (None: no limit), and
    when no server answers for as long as the client's operation_timeout.
    """
    place: Place | None = None
    # Asked right behind the create, which is sent when take_place first waits: one round trip for
    # both, and a session's requests are answered in order.
    listing = asyncio.ensure_future(_names_if_possible(zk, parent))
    try:
        async with in_time(timeout, "others held it for {:g} s", "acquire", parent):
            place = await take_place(zk, parent, stem, data)
            await wait_for_turn(zk, place, kinds, blocker, await listing)
            return place
    except BaseException:
        if place is not None:
            place.leave_in_background()
        raise
    finally:
        listing.cancel()


def right_ahead(line: list[Contender], mine: int) -> Contender | None:
    """One at a time: wait for whoever is right ahead."""
    return line[mine - 1] if mine else None
