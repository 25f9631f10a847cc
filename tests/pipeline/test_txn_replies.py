"""The replies of a leader's preparation held against those that a learner makes of transactions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.rig import ADMIN_ONLY, OPEN, WALL, Requester, Rig
from zoo.errors import Code
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.jute.schema import decode, encode
from zoo.jute.txn_records import (
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetDataTxn,
    Txn,
    TxnHeader,
)
from zoo.jute.txns import encode_txn
from zoo.pipeline.proposal import Proposal
from zoo.pipeline.replies import reply_frame
from zoo.pipeline.txn_replies import answer
from zoo.tree.data_tree import DataTree
from zoo.tree.outstanding import Outstanding
from zoo.tree.replay import replay

READ_ONLY = [ACL(1, "world", "anyone")]
PATHS = [
    b"/a",
    b"/a/b",
    b"/a/b/c",
    b"/n",
    "/é".encode(),
    b"/box",
    b"/box/x",
    b"/",
    b"bad",
    b"/x//y",
]


class Learner:
    """A tree that is given transactions alone."""

    def __init__(self) -> None:
        self.tree = DataTree(lambda *_: None, extended_types=True)
        self.view = Outstanding(self.tree)

    def answer(self, entry: bytes, cxid: int, op: int) -> bytes:
        done = replay(self.view, entry)
        assert done.digest_ok is not False
        return reply_frame(cxid, done.zxid, *answer(self.tree, op, done))


class Leader:
    """A rig whose proposals wait until `settle`."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.proposals: list[tuple[Proposal, int, int]] = []

    def ask(self, op: Op, record: Any, who: Requester | None = None) -> None:
        proposal = self.rig.prepare(op, record, who)
        self.proposals.append((proposal, self.rig.cxid, op))

    def close(self, who: Requester) -> None:
        self.rig.cxid += 1
        proposal = self.rig.prep.close_session(who, who.session_id, self.rig.cxid)
        self.proposals.append((proposal, self.rig.cxid, Op.closeSession))

    def settle(self, learner: Learner) -> list[bytes]:
        """Commit all, on both; returns the replies, which must be the same."""
        rig = self.rig
        ready = rig.role.ready()
        if ready is None:
            return []
        rig.role.on_persisted(ready.last_zxid)
        replies = []
        for (proposal, cxid, op), entry in zip(self.proposals, ready.entries, strict=True):
            rig.tree.commit(proposal.zxid, proposal.edits)
            rig.view.committed(proposal.edits)
            rig.tree.digest = proposal.digest
            assert learner.answer(entry, cxid, op) == proposal.reply
            replies.append(proposal.reply)
        self.proposals.clear()
        return replies


paths = st.sampled_from(PATHS)
acls = st.sampled_from([OPEN, OPEN, OPEN, READ_ONLY, ADMIN_ONLY])
datas = st.one_of(st.none(), st.binary(max_size=5))
versions = st.sampled_from([-1, -1, -1, 0, 1, 2])
flags = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 9])
creates = st.builds(
    lambda op, p, d, a, f: (op, c.CreateRequest(p, d, a, f)),
    st.sampled_from([Op.create, Op.create, Op.create2, Op.createContainer]),
    paths,
    datas,
    acls,
    flags,
)
ttls = st.builds(
    lambda p, f, ttl: (Op.createTTL, c.CreateTTLRequest(p, b"t", OPEN, f, ttl)),
    paths,
    st.sampled_from([5, 6, 0]),
    st.sampled_from([1000, 0]),
)
sets = st.builds(lambda *a: (Op.setData, c.SetDataRequest(*a)), paths, datas, versions)
deletes = st.builds(lambda *a: (Op.delete, c.DeleteRequest(*a)), paths, versions)
checks = st.builds(lambda *a: (Op.check, c.CheckVersionRequest(*a)), paths, versions)
set_acls = st.builds(lambda *a: (Op.setACL, c.SetACLRequest(*a)), paths, acls, versions)
multis = st.builds(
    lambda parts: (Op.multi, parts),
    st.lists(st.one_of(creates, ttls, sets, deletes, checks), max_size=5),
)
requests = st.one_of(creates, creates, ttls, sets, sets, deletes, set_acls, multis)


@given(st.lists(st.one_of(requests, requests, st.sampled_from(["close", "settle"])), max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_learner_answers_what_preparation_answers(steps: list[Any]) -> None:
    leader, learner = Leader(), Learner()
    session = 0x51
    for step in steps:
        if step == "close":
            leader.close(leader.rig.me)
            session += 1
            leader.rig.me = Requester(session)
        elif step == "settle":
            leader.settle(learner)
        else:
            leader.ask(*step)
    leader.settle(learner)
    assert learner.tree.nodes == leader.rig.tree.nodes
    assert learner.tree.digest == leader.rig.tree.digest


def test_the_stats_in_a_multi_are_those_of_each_step() -> None:
    leader, learner = Leader(), Learner()
    parts = [
        (Op.create2, c.CreateRequest(b"/s", b"1", OPEN, 0)),
        (Op.setData, c.SetDataRequest(b"/s", b"22", 0)),
        (Op.setData, c.SetDataRequest(b"/s", b"333", 1)),
        (Op.delete, c.DeleteRequest(b"/s", 2)),
        (Op.create, c.CreateRequest(b"/s", b"", OPEN, 0)),
    ]
    leader.ask(Op.multi, parts)
    (reply,) = leader.settle(learner)
    assert len(reply) == 4 + 16 + 5 * 9 + 9 + (6 + 68) + 68 + 68 + 0 + 6


def test_a_moved_session_is_told_nothing() -> None:
    learner = Learner()
    lost = Requester()
    leader = Leader()
    lost.session.owner = object()
    proposal = leader.rig.prepare(Op.create, c.CreateRequest(b"/m", b"", OPEN, 0), lost)
    ready = leader.rig.role.ready()
    assert ready is not None
    done = replay(learner.view, ready.entries[0])
    assert answer(learner.tree, Op.create, done) == (Code.SESSIONMOVED, b"")
    assert proposal.edits == ()
    moved = Txn(-1, encode(ErrorTxn(Code.SESSIONMOVED)))
    entry = encode_txn(TxnHeader(1, 1, done.zxid + 1, WALL, Op.multi), MultiTxn([moved, moved]))
    assert answer(learner.tree, Op.multi, replay(learner.view, entry)) == (Code.SESSIONMOVED, b"")


@pytest.mark.parametrize(
    ("op", "record", "code"),
    [
        (Op.setData, SetDataTxn(b"/none", b"", 1), Code.NONODE),
        (Op.create, CreateTxn(b"/zookeeper", b"", OPEN, False, 1), Code.NODEEXISTS),
        (Op.delete, DeleteTxn(b"/none"), 0),
    ],
)
def test_a_tree_that_is_not_the_leaders(op: Op, record: Any, code: int) -> None:
    learner = Learner()
    done = replay(learner.view, encode_txn(TxnHeader(1, 1, 1, WALL, op), record))
    assert answer(learner.tree, op, done) == (code, b"")
    part = encode_txn(TxnHeader(1, 1, 2, WALL, Op.multi), MultiTxn([Txn(op, encode(record))]))
    err, body = answer(learner.tree, Op.multi, replay(learner.view, part))
    assert err == 0
    assert body[5:9] == int(code).to_bytes(4, "big", signed=True)


def test_a_reconfig_shows_the_new_configuration() -> None:
    learner = Learner()
    record = SetDataTxn(b"/zookeeper/config", b"server.1=...", 1)
    done = replay(learner.view, encode_txn(TxnHeader(1, 1, 7, WALL, Op.reconfig), record))
    err, body = answer(learner.tree, Op.reconfig, done)
    assert err == 0
    assert decode_config(body) == (b"server.1=...", 7)


def decode_config(body: bytes) -> tuple[bytes | None, int]:
    reply = decode(c.GetDataResponse, body)
    return reply.data, reply.stat.mzxid
