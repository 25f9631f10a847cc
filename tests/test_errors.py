from __future__ import annotations

import copy
import pickle

from zoo.errors import SENTENCES, Code, KeeperError, ProtocolViolation, code_of


def test_numbers_are_zookeepers() -> None:
    assert [int(code) for code in Code] == [
        *(0, -1, -2, -3, -4, -5, -6, -7, -8, -12, -13, -14, -100, -101, -102, -103, -108),
        *(-110, -111, -112, -113, -114, -115, -118, -119, -120, -121, -122, -123, -124, -125, -127),
    ]
    assert Code(-101) is Code.NONODE
    assert Code(-127) is Code.THROTTLEDOP


def test_every_code_has_its_own_sentence() -> None:
    assert SENTENCES.keys() == set(Code)
    assert len(set(SENTENCES.values())) == len(Code)
    assert all(text[0].isupper() and text.endswith(".") for text in SENTENCES.values())


def test_code_of_unknown_number_is_a_system_error() -> None:
    assert all(code_of(int(code)) is code for code in Code)
    assert code_of(-99) is Code.SYSTEMERROR


def test_keeper_error_text() -> None:
    assert str(KeeperError(Code.NONODE)) == "NONODE: The znode does not exist."
    assert str(KeeperError(Code.NONODE, "/a")) == "NONODE: The znode does not exist. (/a)"
    assert repr(KeeperError(Code.NONODE, "/a")) == "KeeperError(NONODE, '/a')"


def test_keeper_error_survives_copies() -> None:
    error = KeeperError(Code.BADVERSION, "version 3, not 2")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.code, twin.detail) == (error.code, error.detail)


def test_the_kinds_are_apart() -> None:
    assert not issubclass(KeeperError, ProtocolViolation)
    assert not issubclass(ProtocolViolation, (KeeperError, AssertionError))
