from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import CancelledError

import pytest

import zoo.client.portal as module
from zoo.client.portal import Dispatcher, Forward, Portal, portal


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_results_and_errors_come_back() -> None:
    async def fail() -> None:
        raise KeyError("x")

    assert portal().run(double(4)) == 8
    with pytest.raises(KeyError):
        portal().run(fail())


def test_an_interrupted_caller_cancels_its_work() -> None:
    began, cancelled = threading.Event(), threading.Event()

    class Interrupted(Exception):
        pass

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            portal().run(work())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert cancelled.wait(5) or not began.is_set()


def test_work_that_is_cancelled_there_says_so_here() -> None:
    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.Event().wait()

    with pytest.raises(CancelledError):
        portal().run(cancelled())


def test_many_threads_share_one_loop() -> None:
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(portal().run(double(n))))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [2 * n for n in range(20)]


def test_a_handler_may_ask_for_the_portal_that_is_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Portal] = []

    class Interrupted(Portal):
        def __init__(self) -> None:
            monkeypatch.setattr(module, "Portal", Portal)
            asked.append(portal())
            super().__init__()

    monkeypatch.setattr(module, "_portal", None)
    monkeypatch.setattr(module, "Portal", Interrupted)
    thread = threading.Thread(target=lambda: asked.append(portal()), daemon=True)
    thread.start()
    thread.join(5)
    assert len(asked) == 2
    assert asked[0] is asked[1] is portal()


def test_blocking_its_own_thread_is_refused() -> None:
    async def wrong() -> None:
        portal().run(double(1))

    with pytest.raises(RuntimeError, match="own thread"):
        portal().run(wrong())


def test_a_forked_child_gets_a_portal_of_its_own() -> None:
    portal()
    child = os.fork()
    if child == 0:
        os._exit(0 if portal().run(double(4)) == 8 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_callbacks_run_in_order_and_may_raise() -> None:
    seen: list[object] = []
    done = threading.Event()
    dispatcher = Dispatcher(seen.append)
    dispatcher.call(lambda: seen.append(1))
    dispatcher.call(lambda: {}["missing"])
    dispatcher.call(done.set)
    assert done.wait(5)
    assert seen[0] == 1
    assert isinstance(seen[1], KeyError)
    dispatcher.stop()


def test_a_dispatcher_stops_after_what_is_queued() -> None:
    seen: list[int] = []
    done = threading.Event()
    dispatcher = Dispatcher(print)
    dispatcher.stop()
    dispatcher.stop(lambda: seen.append(0))
    dispatcher.call(lambda: seen.append(1))
    dispatcher.call(lambda: seen.append(2))
    dispatcher.stop(lambda: (seen.append(3), done.set()))
    assert done.wait(5)
    assert seen == [0, 1, 2, 3]


def test_forwards_of_one_callback_are_equal() -> None:
    class Unhashable(list[object]):
        __call__ = list.append

    one, other = Dispatcher(print), Dispatcher(print)
    assert len({Forward(one, print), Forward(one, print)}) == 1
    assert len({Forward(one, print), Forward(one, repr), Forward(other, print)}) == 3
    first, second = Unhashable(), Unhashable()
    assert len({Forward(one, first), Forward(one, first), Forward(one, second)}) == 2
    told = threading.Event()
    Forward(one, lambda value: (first(value), told.set()))(1)
    assert told.wait(5)
    assert first == [1]
    one.stop()


def test_posting() -> None:
    done = threading.Event()
    portal().post(done.set)
    assert done.wait(5)
