"""How often, how long and how fast something is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from random import Random

from zoo.client.errors import ClientError
from zoo.errors import Code

TRANSIENT = frozenset(
    {Code.CONNECTIONLOSS, Code.OPERATIONTIMEOUT, Code.THROTTLEDOP, Code.REQUESTTIMEOUT}
)


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter: each pause is drawn from 0 to a doubling ceiling.

    Times in seconds. None for `attempts` or `deadline` means without limit.
    """

    attempts: int | None = 5
    deadline: float | None = 30.0
    base: float = 0.05
    ceiling: float = 5.0

    def __post_init__(self) -> None:
        if self.base <= 0 or self.ceiling < self.base:
            raise ValueError(f"0 < base <= ceiling does not hold for {self}")

    def pauses(self, rng: Random) -> Iterator[float]:
        """The pause before each further attempt; ends when there shall be none."""
        done, bound = 1, self.base
        while self.attempts is None or done < self.attempts:
            yield rng.uniform(0, bound)
            done, bound = done + 1, min(self.ceiling, bound * 2)


class Retries:
    """Whether an operation is tried again, and after which pause; `now` is a clock in seconds."""

    def __init__(self, policy: RetryPolicy | None, rng: Random, now: Callable[[], float]) -> None:
        policy = policy or RetryPolicy()
        self._now = now
        self._end = inf if policy.deadline is None else now() + policy.deadline
        self._pauses = policy.pauses(rng)

    def pause_after(self, error: Exception) -> float | None:
        """None: it is over, `error` is the outcome."""
        pause = next(self._pauses, None)
        if pause is None or self._now() + pause > self._end or not is_transient(error):
            return None
        return pause


def is_transient(error: BaseException) -> bool:
    """Might the same request succeed a little later? (Not: is it safe to send it twice.)"""
    return isinstance(error, ClientError) and error.code in TRANSIENT
