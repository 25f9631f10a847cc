"""A client core on an asyncio event loop: dials, feeds, ticks, and keeps deadlines.

Theory of operation. One task dials servers round after round: at once to the next server after a
connection broke, after a growing jittered pause when all of them failed. A connection is a Protocol
that hands bytes to the core and writes what it leaves in `out`, once per turn of the loop, so that
a hundred requests of one turn are one write. A request is a future with a deadline; when nobody
waits for it any more its place in the session's order stays, and its answer is thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl as ssl_module
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from zoo.client.calls import Call, encode_body
from zoo.client.core import ClientCore, CoreOptions
from zoo.client.dialing import dial, says_it_is_writable
from zoo.client.errors import (
    AuthFailedError,
    ClientClosedError,
    ClientError,
    OperationTimeoutError,
    Outcome,
    RequestTooLargeError,
)
from zoo.client.following import follow_config
from zoo.client.hosts import HostList, Server
from zoo.client.link import Link
from zoo.client.retry import RetryPolicy
from zoo.client.states import State
from zoo.client.watches import Removal, Watching
from zoo.client.wire import IS_POSSIBLE, Wire, connect
from zoo.jute.codec import Reader
from zoo.jute.constants import DEFAULT_MAX_BUFFER
from zoo.jute.operations import Op

log = logging.getLogger(__name__)
_LEAST_PATIENCE, _MOST_PATIENCE = 0.2, 10.0
_PROVED = 1.0  # seconds: a connection that lives so long is well, also if it was not used
_MOST_IN_VAIN = 3
_MOST_TIMEOUT = ((1 << 31) - 1) / 1000
_forks = [0]  # how many there were between the program's beginning and this process
os.register_at_fork(after_in_child=lambda: _forks.append(_forks.pop() + 1))
Reply = tuple[Reader, int]
"""The body of a reply, and the zxid in its header."""


@dataclass(frozen=True)
class Options:
    """How a client behaves. Times in seconds. Raises ValueError."""

    session_timeout: float = 10.0
    """Asked for; the server may grant another."""
    operation_timeout: float = 30.0
    """The deadline of a call that names none."""
    read_only: bool = False
    ssl: ssl_module.SSLContext | None = None
    reconnect: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(attempts=None, deadline=None, base=0.02, ceiling=2.0)
    )
    """How fast; `attempts` and `deadline` are not for this, a client dials until it is closed."""
    max_request_bytes: int = DEFAULT_MAX_BUFFER
    """Refuse larger requests here: a server would break the connection (its jute.maxbuffer)."""
    max_reply_bytes: int = 64 << 20
    follow_config: bool = False
    """Keep the list of servers as the ensemble's configuration has it."""

    def seconds(self, timeout: float | None) -> float:
        """What a call has that was given this timeout."""
        return self.operation_timeout if timeout is None else timeout

    def __post_init__(self) -> None:
        if not 0.001 <= self.session_timeout <= _MOST_TIMEOUT:
            raise ValueError(
                f"session_timeout {self.session_timeout} s is not in 0.001..{_MOST_TIMEOUT}"
            )


class Session:
    """One session and the connections that carry it, one after the other."""

    def __init__(self, servers: tuple[Server, ...], options: Options, rng: Random) -> None:
        self.options = options
        self.rng = rng
        self.hosts = HostList(servers, rng)
        self.core = ClientCore(
            CoreOptions(
                int(options.session_timeout * 1000), options.read_only, options.max_reply_bytes
            ),
            self._on_state,
        )
        self.server: Server | None = None
        """Whom we are connected to."""
        self.listeners: dict[Callable[[State], None], None] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        """In the background: a loop alone would not keep them alive."""
        self.lends_wires = False
        """May threads send and read on a connection themselves? Set it before `start`."""
        self.wire: Wire | None = None
        """The connection, if threads may."""
        self._loop: asyncio.AbstractEventLoop
        self._forks = _forks[0]
        self._in_vain = 0  # connections on which nothing but the greeting came
        self._reconnect = replace(options.reconnect, attempts=None)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._will_flush = False

    @property
    def state(self) -> State:
        return self.core.state

    @property
    def is_started(self) -> bool:
        return self._task is not None

    def now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    # --- beginning and end

    def start(self) -> None:
        """On the running event loop, which it then belongs to."""
        if self._task is not None:
            self._check_home("connect")
        elif not self.state.is_final:
            self._loop = asyncio.get_running_loop()
            self._forks = _forks[0]
            self._task = self._loop.create_task(self._keep_connected(), name="zoo client")
            self._task.add_done_callback(self._stopped_dialing)
            if self.options.follow_config:
                self._following = self._loop.create_task(follow_config(self), name="zoo config")

    def _stopped_dialing(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:  # a bug: better a client that is closed than one that waits for ever
            log.error("the client stops", exc_info=error)
            self.core.end(why=f"{type(error).__name__}: {error}")

    def _check_home(self, operation: str, path: str | None = None) -> None:
        """Raises RuntimeError where the session's connection must not be touched."""
        self.check_process(operation, path)
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                f"{operation} {path or ''}: the client belongs to the event loop that started it"
            )

    def check_process(self, operation: str, path: str | None) -> None:
        """Raises RuntimeError in a child that was forked later than the client was started."""
        if self._forks != _forks[0]:
            raise RuntimeError(
                f"{operation} {path or ''}: the client was started before this process was forked; "
                "its session is the parent's: make another client here"
            )

    async def wait_for_server(self, timeout: float) -> None:
        """Until there is a server. OperationTimeoutError says why there was none so far."""
        if self._task is not None:
            self._check_home("connect")
        try:
            async with asyncio.timeout(timeout):
                while not self.state.is_usable:
                    if self.state is State.AUTH_FAILED:
                        raise AuthFailedError(operation="connect")
                    if self.state.is_final:
                        raise ClientClosedError(operation="connect")
                    await self._wait_for_change()
        except TimeoutError:
            names = ",".join(map(str, self.hosts.servers))
            raise OperationTimeoutError(
                f"no server within {timeout} s; last: {self.core.reason}",
                operation="connect",
                path=names,
            ) from None

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def close(self, timeout: float) -> None:
        """End the session at the server, so that its ephemerals go now; at most `timeout` s.

        In a forked child it is the parent's: nothing is sent, and the client is of no use here.
        """
        if self._task is None or self._forks != _forks[0]:
            self._task = self._following = None
            self.core.end()
            return
        self._check_home("close")
        self.core.close()
        self.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self.state.is_final:
                    await self._wait_for_change()
        self.core.end()
        if self._link is not None:
            self._link.abort("the client was closed")
        tasks = [task for task in (self._task, self._following) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = self._following = None

    def _on_state(self, state: State) -> None:
        self._changed.set()
        if self._task is not None:
            for listener in list(self.listeners):
                self._loop.call_soon(listener, state)

    def in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that is kept until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # --- connections

    async def _keep_connected(self) -> None:
        pauses = self._reconnect.pauses(self.rng)
        failed_rounds = 0
        has_failed = False
        while not self.state.is_final:
            server, is_new_round = self.hosts.next()
            if is_new_round and has_failed:
                failed_rounds += 1
                # A session that still lives must find a server before it has expired.
                await asyncio.sleep(min(next(pauses), self.core.timeout_ms / 4000))
            has_failed = True
            if await self._serve(server, self._patience(failed_rounds)):
                pauses = self._reconnect.pauses(self.rng)
                failed_rounds, has_failed = 0, False

    def _patience(self, failed_rounds: int) -> float:
        """Seconds for a server to answer: little, that all may be asked before the session expires;
        more after each round in vain, for the net may be slow and not the servers dead.
        """
        first = max(_LEAST_PATIENCE, self.core.timeout_ms / 1000 / max(2, len(self.hosts)))
        return min(first * (1 << min(failed_rounds, 8)), max(first, _MOST_PATIENCE))

    async def _serve(self, server: Server, budget: float) -> bool:
        """One connection, from dialing to its end; True when there was a session on it, but not
        when one after the other breaks before it was of any use: those are failures, too.
        """
        link = Link(self)
        make = connect if self.lends_wires and IS_POSSIBLE and not self.options.ssl else None
        try:
            async with asyncio.timeout(budget):
                await dial(self._loop, lambda: link, server, self.options.ssl, self.rng, make)
        except (OSError, TimeoutError, ValueError) as error:  # the last: no name that DNS knows
            self.core.lost(f"{server}: {str(error) or 'no answer'}")
            return False
        self.server = server
        began = self._loop.time()
        hunt: asyncio.Task[None] | None = None
        try:
            if await link.wait_until_greeted(budget) and self.state is State.READ_ONLY:
                hunt = self._loop.create_task(self._hunt_for_a_writer(link))
            await link.ended
        finally:
            if hunt is not None:
                hunt.cancel()
            link.abort("the client gave up the connection")
            self.server = None
        if link.is_proved or self._loop.time() - began >= _PROVED:
            self._in_vain = 0
        elif link.was_greeted:
            self._in_vain += 1
        return link.was_greeted and self._in_vain <= _MOST_IN_VAIN

    async def _hunt_for_a_writer(self, link: Link) -> None:
        """On a read-only server: ask the others, and move to the first that takes writes."""
        for pause in RetryPolicy(None, None, 0.2, 10.0).pauses(self.rng):
            await asyncio.sleep(pause)
            for server in self.hosts.servers:
                if server != self.server and await says_it_is_writable(
                    self._loop, server, self.options.ssl, self.rng
                ):
                    link.abort("a server that takes writes was found")
                    return

    def update_servers(self, servers: tuple[Server, ...]) -> None:
        """Another list; moves the connection when its server is not on it or has to share."""
        if self._link is not None and self.server not in servers:
            # The same server may be listed by another name.
            host, port = self._link.transport.get_extra_info("peername", ("", 0))[:2]
            self.server = Server(host, port) if (host, port) in servers else self.server
        if self.hosts.update(servers, self.server) and self._link is not None:
            self._link.abort("the list of servers has changed")

    def drop_connection(self, why: str) -> None:
        """Break the connection; the session goes on with the next one."""
        if self._link is not None:
            self._link.abort(why)

    # --- what links tell

    def linked(self, link: Link) -> None:
        self._link = link
        self.wire = link.transport if isinstance(link.transport, Wire) else None
        self.core.opened(self.now_ms())
        self.flush()

    def unlinked(self, link: Link, why: str) -> None:
        if self._link is link:
            self._link = self.wire = None
            self.core.lost(why)

    def adopt(self, link: Link, call: Call) -> None:
        """A thread has sent it on this link, and waits no more for the answer by itself."""
        if self._link is link:
            self.core.adopt(call)
        else:
            self.core.strand(call, self.now_ms())

    def flush(self) -> None:
        self._will_flush = False
        out = self.core.out
        if out and self._link is not None:
            data = b"".join(out)
            out.clear()
            self._link.transport.write(data)

    def lend(self) -> None:
        """When nothing is under way."""
        if self.wire is not None and self.core.is_idle:
            self.wire.lend()

    # --- requests

    async def request(
        self,
        op: Op,
        record: Any,
        path: str | None = None,
        watch: Watching | Removal | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Ask, and wait for the answer.

        Raises the ClientError of the answer, ConnectionLossError, or OperationTimeoutError after
        `timeout` s. Cancelled, or late, a request that was not sent yet never will be; one that was
        keeps its place, and its answer is thrown away.
        """
        if self._task is None:
            raise ClientClosedError(operation=op.name, path=path)
        self._check_home(op.name, path)
        future: asyncio.Future[Reply] = self._loop.create_future()
        call = self._call(op, record, path, watch, future)
        seconds = self.options.seconds(timeout)
        timer = self._loop.call_later(seconds, self._too_late, call, future, seconds)
        try:
            self.submit(call)
            return await future
        except asyncio.CancelledError:
            self.core.forget(call)
            raise
        finally:
            timer.cancel()

    def submit(self, call: Call) -> None:
        """On the loop: into the session's order, and out with this turn's write."""
        self.core.submit(call, self.now_ms())
        if not self._will_flush:
            self._will_flush = True
            self._loop.call_soon(self.flush)

    def forget(self, call: Call) -> None:
        """Nobody waits for this call any more; on the loop."""
        if self.wire is not None and self.wire.loop is self._loop:
            self.wire.take()
        self.core.forget(call)

    def _call(
        self,
        op: Op,
        record: Any,
        path: str | None,
        watch: Watching | Removal | None,
        future: asyncio.Future[Reply],
    ) -> Call:
        def finish(error: ClientError | None, body: Reader | None, zxid: int) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                assert body is not None
                future.set_result((body, zxid))

        return self.make_call(op, record, path, finish, watch)

    def make_call(
        self,
        op: Op,
        record: Any,
        path: str | None,
        finish: Callable[[ClientError | None, Reader | None, int], None],
        watch: Watching | Removal | None = None,
    ) -> Call:
        """Raises RequestTooLargeError."""
        body = encode_body(op, record)
        if len(body) + 8 > self.options.max_request_bytes:
            raise RequestTooLargeError(
                f"{len(body) + 8} bytes, servers take {self.options.max_request_bytes} "
                "(jute.maxbuffer; the option max_request_bytes says what yours take)",
                operation=op.name,
                path=path,
            )
        return Call(op, body, path, finish, watch)

    def _too_late(self, call: Call, future: asyncio.Future[Reply], seconds: float) -> None:
        if not future.done():
            self.core.forget(call)
            future.set_exception(self.late(call, seconds))

    def late(self, call: Call, seconds: float) -> OperationTimeoutError:
        why = "" if self.state.is_usable else f"; no connection: {self.core.reason}"
        return OperationTimeoutError(
            f"after {seconds:g} s{why}",
            operation=call.op.name,
            path=call.path,
            outcome=call.outcome,
        )

    async def add_auth(self, scheme: str, auth: bytes, timeout: float | None) -> None:
        """Credentials, now and on every later connection.

        Raises AuthFailedError, OperationTimeoutError.
        """
        if self._task is None:
            raise ClientClosedError(operation="auth")
        self._check_home("auth")
        future: asyncio.Future[Reply] = self._loop.create_future()
        call = self._call(Op.auth, None, None, None, future)
        self.core.add_auth(scheme, auth, call)
        self.flush()
        seconds = self.options.seconds(timeout)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            late = f"after {seconds:g} s"
            raise OperationTimeoutError(late, operation="auth", outcome=Outcome.UNKNOWN) from None
