from __future__ import annotations

import threading

from tests.interop.harness import wait_until
from zoo.client.blocking import Client
from zoo.recipes import blocking
from zoo.recipes.participant import Refused


class Memory:
    """A resource that notes what it was told, and by which thread."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.threads: set[int] = set()

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.get_ident())

    def prepare(self, txid: str, part: bytes) -> None:
        self._note("prepare")
        if part == b"no":
            raise Refused("no")

    def commit(self, txid: str) -> None:
        self._note("commit")

    def rollback(self, txid: str) -> None:
        self._note("rollback")


def test_its_resource_is_called_in_one_thread(hosts: str) -> None:
    memory = Memory()
    with Client(hosts) as zk:
        coordinator = blocking.Coordinator(zk, "/t", "teller")
        with blocking.Participant(zk, "/t", "a", memory) as participant:
            assert [coordinator.execute({"a": part}).committed for part in (b"yes", b"no")] == [
                True,
                False,
            ]
            wait_until(lambda: len(memory.calls) == 4, 10, "told of both outcomes")
            wait_until(lambda: not participant.under_way, 10, "dealt with")
        assert sorted(memory.calls) == ["commit", "prepare", "prepare", "rollback"]
        assert len(memory.threads) == 1
        assert threading.get_ident() not in memory.threads
        with participant:
            assert participant.under_way == []
