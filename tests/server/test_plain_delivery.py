"""Whatever the short way takes comes out as on the long way, to the byte; and so do its replies."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.tree.model import new_tree, state
from zoo.config import config_from
from zoo.jute.constants import AddWatchMode
from zoo.jute.operations import Op
from zoo.jute.txn_records import (
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    SetACLTxn,
    SetDataTxn,
    TxnDigest,
    TxnHeader,
)
from zoo.jute.txns import encode_txn
from zoo.server.core import ServerCore
from zoo.server.plain_delivery import deliver_plain
from zoo.session.tracker import SessionTracker
from zoo.tree.acl import OPEN_ACL
from zoo.tree.record import DIGEST_VERSION
from zoo.tree.replay import replay

SESSION = 0x1000000000001
PATHS = [b"/a", b"/b", b"/a/x", b"/a/y", b"/a/x/z", b"/zookeeper/own", b"/"]
PRIVATE = (OPEN_ACL[0]._replace(perms=1),)


class Side:
    """A learner's core, and the events that its tree tells of."""

    def __init__(self) -> None:
        config = config_from({"dataDir": "/nowhere", "clientPort": "0"})
        self.events: list[Any] = []
        tree = new_tree(self.events)
        tree.watches.add_watch(b"/a", "all", AddWatchMode.PERSISTENT)
        tree.watches.add_watch(b"/a/x", "all below", AddWatchMode.PERSISTENT_RECURSIVE)
        sessions = SessionTracker(config.tick_time_ms, 1000)
        self.core = ServerCore(config, tree, sessions, Random(1), 1000, 5000)

    def seen(self) -> tuple[object, ...]:
        view = self.core.outstanding_view
        assert view.digest == view.tree.digest
        assert not view.records
        return state(view.tree), self.events


def random_record(chance: Random) -> tuple[Op, Any]:
    path = chance.choice(PATHS)
    data = chance.choice([b"", b"data", bytes(300), None])
    match chance.randrange(9):
        case 0:
            return Op.delete, DeleteTxn(chance.choice(PATHS[:5]))
        case 1:
            return Op.setACL, SetACLTxn(path, list(chance.choice([OPEN_ACL, PRIVATE])), 3)
        case 2:
            return Op.error, ErrorTxn(-101)
        case 3 | 4 | 5:
            return Op.setData, SetDataTxn(path, data, chance.randrange(9))
        case _:
            acl = list(chance.choice([OPEN_ACL, OPEN_ACL, OPEN_ACL, PRIVATE]))
            kind = chance.choice([Op.create, Op.create2])
            creates = chance.choice([-1, 0, 1, 2, 7])
            return kind, CreateTxn(path, data, acl, chance.random() < 0.1, creates)


def entry_of(zxid: int, kind: Op, record: Any, digest: TxnDigest | None) -> bytes:
    return encode_txn(TxnHeader(SESSION, zxid, zxid, 777 + zxid, int(kind)), record, digest)


@pytest.mark.parametrize("seed", range(20))
def test_comes_out_as_replay_does(seed: int) -> None:
    chance = Random(seed)
    short, long = Side(), Side()
    tree = short.core.tree
    taken = 0
    for zxid in range(1, 200):
        kind, record = random_record(chance)
        replay(long.core.outstanding_view, entry_of(zxid, kind, record, None))
        digest = TxnDigest(DIGEST_VERSION, long.core.tree.digest)
        entry = entry_of(zxid, kind, record, digest)
        done = deliver_plain(short.core, entry)
        if done is None:
            replay(short.core.outstanding_view, entry)
        else:
            taken += 1
            stat = tree.shown_stat(tree.nodes[record.path])
            assert done == (SESSION, zxid, zxid, kind, record.path, stat, True)
        assert short.seen() == long.seen()
    assert taken > 5


@pytest.mark.parametrize("cut", [1, 2, 10, 30, 60, 80])
def test_half_a_transaction_is_not_taken(cut: int) -> None:
    side = Side()
    digest = TxnDigest(DIGEST_VERSION, 1)
    for kind, record in (
        (Op.create, CreateTxn(b"/a", b"data", list(OPEN_ACL), False, 1)),
        (Op.setData, SetDataTxn(b"/", b"data", 1)),
    ):
        entry = entry_of(1, kind, record, digest)
        before = state(side.core.tree)
        assert deliver_plain(side.core, entry[:-cut]) is None
        assert deliver_plain(side.core, entry_of(1, kind, record, None)) is None
        assert state(side.core.tree) == before


def test_a_tree_that_differs_is_told() -> None:
    side = Side()
    record = CreateTxn(b"/a", b"data", list(OPEN_ACL), False, 1)
    done = deliver_plain(side.core, entry_of(1, Op.create, record, TxnDigest(DIGEST_VERSION, 1)))
    assert done is not None
    assert done[-1] is False
