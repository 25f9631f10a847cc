from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from zoo.client.errors import BadVersionError, ConnectionLossError, OperationTimeoutError
from zoo.client.retry import RetryPolicy, is_transient


def test_pauses_are_jittered_below_a_doubling_ceiling() -> None:
    policy = RetryPolicy(attempts=None, base=1, ceiling=4)
    drawn = [list(islice(policy.pauses(Random(n)), 5)) for n in range(200)]
    for index, bound in enumerate((1, 2, 4, 4, 4)):
        column = [pauses[index] for pauses in drawn]
        assert 0 <= min(column) < bound / 4
        assert bound * 3 / 4 < max(column) <= bound


def test_attempts_are_counted() -> None:
    assert len(list(RetryPolicy(attempts=3).pauses(Random(1)))) == 2
    assert list(RetryPolicy(attempts=1).pauses(Random(1))) == []


def test_a_policy_is_checked() -> None:
    with pytest.raises(ValueError, match="0 < base <= ceiling"):
        RetryPolicy(base=0)


def test_what_passes() -> None:
    assert is_transient(ConnectionLossError())
    assert is_transient(OperationTimeoutError())
    assert not is_transient(BadVersionError())
    assert not is_transient(ValueError())
