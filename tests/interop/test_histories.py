"""The checker of histories: silent on what ZooKeeper may do, and it sees each way to break that."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.interop.histories import INITIAL, Op, excused_syncs, violations

KEYS = (b"/a", b"/b")
A, B = KEYS
History = list[Op]


def lawful(seed: int, length: int = 300) -> History:
    """Three sessions on servers that lag behind a leader; some answers get lost."""
    rng = random.Random(seed)
    states = [dict.fromkeys(KEYS, (INITIAL, 0, 2))]  # by zxid - 2: (value, version, mzxid)
    position = [0, 0, 0]
    history, now = [], 0.0
    for number in range(length):
        session = rng.randrange(3)
        key = rng.choice(KEYS)
        began, now = now, now + 2.0
        kind = rng.choice(("set", "set", "get", "sync"))
        if kind == "set":
            lost = rng.random() < 0.2
            value = b"v%d" % number
            op = Op(session, "set", key, began, value=value)
            if not lost or rng.random() < 0.5:
                _, version, _ = states[-1][key]
                states.append({**states[-1], key: (value, version + 1, len(states) + 2)})
                state = len(states) + 1
            if not lost:
                expected = version if rng.random() < 0.5 else -1
                op = op._replace(
                    ended=began + 1.0,
                    answered=True,
                    zxid=state,
                    mzxid=state,
                    version=version + 1,
                    expected=expected,
                )
                position[session] = len(states) - 1
            history.append(op)
            continue
        if kind == "sync":
            position[session] = len(states) - 1
        else:
            position[session] = rng.randint(position[session], len(states) - 1)
        value, version, mzxid = states[position[session]][key]
        history.append(
            Op(
                session,
                "get",
                key,
                began,
                began + 1.0,
                True,
                value=value,
                zxid=position[session] + 2,
                mzxid=mzxid,
                version=version,
                sync_began=began if kind == "sync" else None,
            )
        )
    return history


@pytest.mark.parametrize("seed", range(50))
def test_nothing_is_said_against_a_lawful_history(seed: int) -> None:
    assert violations(lawful(seed)) == []


def put(
    number: int, zxid: int, version: int, key: bytes = A, session: int = 0, expected: int = -1
) -> Op:
    """The write begun at `number`, answered half a second later."""
    return Op(
        session,
        "set",
        key,
        float(number),
        number + 0.5,
        True,
        value=b"v%d" % number,
        zxid=zxid,
        mzxid=zxid,
        version=version,
        expected=expected,
    )


def got(number: int, of: Op, session: int = 0, seen: int = 0, synced: bool = False) -> Op:
    """A read at `number` that shows the write `of`."""
    return Op(
        session,
        "get",
        of.key,
        float(number),
        number + 0.5,
        True,
        value=of.value,
        zxid=seen or of.mzxid,
        mzxid=of.mzxid,
        version=of.version,
        sync_began=float(number) if synced else None,
    )


def lost(number: int, key: bytes = A, session: int = 0) -> Op:
    return Op(session, "set", key, float(number), value=b"v%d" % number)


FIRST, SECOND = put(1, 10, 1), put(2, 11, 2, session=1)
OTHER = put(3, 12, 1, B, session=1)

BROKEN: dict[str, tuple[str, History]] = {
    "an acknowledged write was lost and its version given again": (
        "one_history",
        [FIRST, put(2, 12, 1, session=1)],
    ),
    "two writes have one zxid": ("one_history", [FIRST, put(2, 10, 2, session=1)]),
    "two writes of two registers have one zxid": (
        "one_history",
        [FIRST, put(2, 10, 1, B, session=1)],
    ),
    "a write happened twice": ("one_history", [FIRST, got(3, FIRST._replace(mzxid=12, version=2))]),
    "a version is missing": ("one_history", [FIRST, put(2, 12, 3)]),
    "more versions are missing than answers": ("one_history", [FIRST, lost(2), put(3, 14, 4)]),
    "a condition did not hold": ("one_history", [FIRST, put(2, 11, 2, expected=0)]),
    "a value that nobody wrote": ("one_history", [got(1, FIRST)]),
    "zxids run against time": ("real_time", [put(1, 11, 2), put(2, 10, 1, session=1)]),
    "zxids run against time, on two registers": (
        "real_time",
        [put(1, 11, 1), put(2, 10, 1, B, session=1)],
    ),
    "zxids run against time, of a write that was only read": (
        "real_time",
        [put(1, 11, 2), lost(2), got(3, put(2, 10, 1), session=2)],
    ),
    "a read before its write": ("no_future", [got(0, FIRST, session=1), FIRST]),
    "not even one's own write": (
        "sessions_go_forward",
        [FIRST, put(2, 11, 2), got(3, FIRST, seen=11)],
    ),
    "an older state after a newer one": (
        "sessions_go_forward",
        [FIRST, SECOND, got(3, SECOND, session=2), got(4, FIRST, session=2, seen=11)],
    ),
    "an older state after a newer one of another register": (
        "sessions_go_forward",
        [FIRST, SECOND, OTHER, got(4, OTHER, session=2), got(5, FIRST, session=2, seen=12)],
    ),
    "an answer from an older state": (
        "sessions_go_forward",
        [FIRST, SECOND, OTHER, got(4, OTHER), got(5, SECOND, seen=11)],
    ),
    "a sync that shows too little": (
        "syncs_see_all",
        [FIRST, SECOND, got(3, FIRST, session=2, synced=True)],
    ),
    "a sync that shows less than was read": (
        "syncs_see_all",
        [
            FIRST,
            lost(2, session=1),
            got(3, put(2, 11, 2), session=3),
            got(4, FIRST, session=2, synced=True),
        ],
    ),
    "the initial value after a write": (
        "syncs_see_all",
        [FIRST, got(3, FIRST._replace(value=INITIAL, mzxid=5, version=0), session=2, synced=True)],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_is_named(name: str) -> None:
    check, history = BROKEN[name]
    assert check in {sentence.split(":")[0] for sentence in violations(history)}


def test_a_deposed_java_leader_may_answer_a_sync_once_and_is_counted() -> None:
    epoch = 1 << 32
    newer = put(2, epoch + 1, 2, session=1)._replace(server="java 1")
    stale = got(3, FIRST, session=2, synced=True)._replace(server="zoo 2")
    assert violations([FIRST, newer, stale]) == []
    assert excused_syncs([FIRST, newer, stale]) == [stale]
    # it has heard of the new epoch: no excuse
    knowing = stale._replace(zxid=epoch + 1)
    assert violations([FIRST, newer, knowing]) != []
    assert excused_syncs([FIRST, newer, knowing]) == []
    # nor is there one where all servers are ours
    ours = newer._replace(server="zoo 1")
    assert violations([FIRST, ours, stale]) != []
    assert excused_syncs([FIRST, ours, stale]) == []


def test_a_java_server_may_answer_a_sync_early() -> None:
    stale = got(3, FIRST, session=2, synced=True)._replace(server="java 2")
    assert violations([FIRST, SECOND, stale]) == []
    assert excused_syncs([FIRST, SECOND, stale]) == [stale]
    assert violations([FIRST, SECOND, stale._replace(server="zoo 2")]) != []


def test_what_may_be_is_not_named() -> None:
    assert violations([FIRST, SECOND, got(3, FIRST, session=2)]) == []  # a server lags
    assert violations([FIRST, lost(2), put(3, 12, 3)]) == []  # it happened, nobody was told
    assert violations([FIRST, lost(2), put(3, 12, 2)]) == []  # it did not
    both = [FIRST, put(1, 9, 1, B, session=1)._replace(began=0.9)]
    assert violations(both) == []  # at the same time: either order


def _swap_zxids(history: History, rng: random.Random) -> None:
    one, other = rng.sample([n for n, op in enumerate(history) if op.version > 0], 2)
    a, b = history[one], history[other]
    history[one] = a._replace(mzxid=b.mzxid, zxid=b.zxid, version=b.version)
    history[other] = b._replace(mzxid=a.mzxid, zxid=a.zxid, version=a.version)


def _forget_a_write(history: History, rng: random.Random) -> None:
    """As if it had never been: everybody who came later counts one version less."""
    acknowledged = [n for n, op in enumerate(history) if op.kind == "set" and op.answered]
    at = rng.choice(acknowledged[:-1])
    gone = history[at]
    for number, op in enumerate(history):
        if op.key == gone.key and op.version > gone.version:
            history[number] = op._replace(version=op.version - 1)


def _rewind_a_read(history: History, rng: random.Random) -> None:
    """A session reads again what it has read long ago."""
    reads = [op for op in history if op.kind == "get" and op.answered]
    early = reads[0]
    last = max(n for n, op in enumerate(history) if op.kind == "get" and op.key == early.key)
    history[last] = history[last]._replace(
        value=early.value, mzxid=early.mzxid, version=early.version
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mutate", [_swap_zxids, _forget_a_write, _rewind_a_read])
def test_a_mutated_history_is_found_out(
    mutate: Callable[[History, random.Random], None], seed: int
) -> None:
    history = lawful(seed)
    before = list(history)
    mutate(history, random.Random(seed))
    assert history == before or violations(history)
