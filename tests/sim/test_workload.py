from __future__ import annotations

from collections import Counter
from random import Random

from zoo.jute.operations import OPERATIONS, Op
from zoo.sim.workload import Workload
from zoo.sim.world import World


def requests(seed: int, count: int) -> list[tuple[Op, bytes]]:
    from zoo.sim.client import Request

    workload = Workload(World(1).clients[0], Random(seed), 1)
    made = (workload.request() for _ in range(count))
    return [(op, Request(1, op, record).encode()) for op, record in made]


def test_the_seed_decides() -> None:
    assert requests(1, 50) == requests(1, 50)
    assert requests(1, 50) != requests(2, 50)


def test_every_operation_of_clients_is_in_the_mix() -> None:
    seen = Counter(op for op, _ in requests(3, 3_000))
    elsewhere = {
        *(Op.auth, Op.setWatches2, Op.closeSession, Op.ping),  # sent by begin, _act, the client
        *(Op.sasl, Op.setWatches, Op.checkWatches, Op.reconfig, Op.check),
        Op.transferLeader,  # sim/transfers.py
    }
    wanted = {op for op in Op if op in OPERATIONS and OPERATIONS[op].client_may_send}
    assert wanted - elsewhere <= seen.keys()
