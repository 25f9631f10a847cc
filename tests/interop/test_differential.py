"""A slice of the differential campaign, its regressions, and the proof that it would notice."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import harness
from tests.interop.differential import campaign
from tests.interop.differential.campaign import Pair
from tests.interop.differential.generator import Generator
from tests.interop.differential.lockstep import shown
from tests.interop.differential.side import Tamper
from tests.interop.raw_client import REPLY_HEADER, STAT

pytestmark = pytest.mark.interop

STREAMS = int(os.environ.get("ZOO_DIFF_STREAMS", "30"))
FIRST_SEED = int(os.environ.get("ZOO_DIFF_SEED", "1"))
SAVED = sorted(campaign.REGRESSIONS.glob("*.json"))


def _pair(kinds: tuple[str, str], workdir: Path, **settings: object) -> Iterator[Pair]:
    for kind in kinds:
        if reason := harness.missing(kind):
            pytest.skip(reason)
    with Pair(kinds, workdir, **settings).running() as pair:
        yield pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from _pair(("java", "zoo"), tmp_path_factory.mktemp("differential"))


@pytest.fixture(scope="module")
def pair_with_hard_quotas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    workdir = tmp_path_factory.mktemp("differential-quota")
    yield from _pair(("java", "zoo"), workdir, enforceQuota="true")


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from _pair(("java", "java"), tmp_path_factory.mktemp("peers"))


def _assert_no_difference(report: campaign.Report) -> None:
    scripts = [shown(found.steps, found.difference) for found in report.findings.values()]
    assert not scripts, "\n\n".join(scripts)


def test_streams_are_answered_alike(pair: Pair) -> None:
    _assert_no_difference(campaign.run(pair, range(FIRST_SEED, FIRST_SEED + STREAMS), 1))


def test_streams_are_answered_alike_under_hard_quotas(pair_with_hard_quotas: Pair) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + max(STREAMS // 3, 1))
    _assert_no_difference(campaign.run(pair_with_hard_quotas, seeds, 1))


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_saved_streams_are_answered_alike(pair: Pair, path: Path) -> None:
    steps = campaign.load(path)
    difference = pair.check(steps)
    assert difference is None, shown(steps, difference)


def test_two_peers_do_not_differ(peers: Pair) -> None:
    """What differs between two servers of one kind would be noise of the comparison itself."""
    _assert_no_difference(campaign.run(peers, range(10), 1))


def _wrong_version(frame: bytes) -> bytes:
    """The reply of an exists with one more in Stat.version."""
    if len(frame) != REPLY_HEADER.size + STAT.size:
        return frame
    at = REPLY_HEADER.size + 32
    (version,) = struct.unpack_from(">i", frame, at)
    return frame[:at] + struct.pack(">i", version + 1) + frame[at + 4 :]


def _wrong_zxid(frame: bytes) -> bytes:
    """A reply's zxid one too high."""
    xid, zxid, error = REPLY_HEADER.unpack_from(frame)
    return REPLY_HEADER.pack(xid, zxid + (xid > 0), error) + frame[16:]


def _wrong_error(frame: bytes) -> bytes:
    """NoAuth where it was NoNode."""
    xid, zxid, error = REPLY_HEADER.unpack_from(frame)
    return REPLY_HEADER.pack(xid, zxid, -102 if error == -101 else error) + frame[16:]


def _event_of_other_type(frame: bytes) -> bytes:
    """NodeDataChanged where it was NodeCreated."""
    event = frame[:4] == b"\xff\xff\xff\xff" and frame[16:20] == struct.pack(">i", 1)
    return frame[:16] + struct.pack(">i", 3) + frame[20:] if event else frame


@pytest.mark.parametrize(
    "tamper", [_wrong_version, _wrong_zxid, _wrong_error, _event_of_other_type]
)
def test_an_altered_reply_is_noticed(peers: Pair, tamper: Tamper) -> None:
    lockstep = peers.lockstep(None, tamper)
    differences = (lockstep.run(Generator(seed).steps()) for seed in range(20))
    assert any(difference is not None for difference in differences)
