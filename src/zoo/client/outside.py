"""What clients and recipes take from outside their event loop: chance, unique names, wall time.

All of it is asked of one object, so that the simulator can put its own there and a run depends on
nothing but its seed. Monotonic time is the event loop's.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from random import Random


class Outside:
    """The real one."""

    def random(self) -> Random:
        """A source of chance of its own."""
        return Random()

    def unique_name(self) -> str:
        """No other has this, on any machine; 36 characters, as a UUID is written."""
        return str(uuid.uuid4())

    def wall_time(self) -> float:
        """Seconds since 1970, by this machine's clock, which may jump."""
        return time.time()


_current = Outside()


def outside() -> Outside:
    return _current


@contextlib.contextmanager
def replaced_by(other: Outside) -> Iterator[None]:
    """Everything in this process takes from `other` meanwhile."""
    global _current
    before, _current = _current, other
    try:
        yield
    finally:
        _current = before
