"""Transaction ids: 32 bits of epoch, 32 bits of counter, one signed 64-bit number on the wire.

A leader's epoch fills the high half, the count of its proposals the low half. Epochs stay below
2**31 in practice, so a zxid is positive and comparing the numbers compares (epoch, counter). A zxid
that comes in negative is the error of a peer or a file; `epoch_of` is negative too then (an
arithmetic shift, as in Java).
"""

from __future__ import annotations

MAX_COUNTER = 0xFFFFFFFF
"""After this counter the leader must step down: there is no next zxid in its epoch."""

_UNSIGNED = 0xFFFFFFFFFFFFFFFF


def make(epoch: int, counter: int) -> int:
    """The zxid of proposal `counter` in `epoch`."""
    assert 0 <= counter <= MAX_COUNTER, f"counter {counter} outside 0..{MAX_COUNTER}"
    return (epoch << 32) | counter


def epoch_of(zxid: int) -> int:
    return zxid >> 32


def counter_of(zxid: int) -> int:
    return zxid & MAX_COUNTER


def to_hex(zxid: int) -> str:
    """As ZooKeeper prints it: "0x1a"; a negative number in two's complement."""
    return f"0x{zxid & _UNSIGNED:x}"


def hex_digits(zxid: int) -> str:
    """The same without "0x", as the names of log and snapshot files have it."""
    return f"{zxid & _UNSIGNED:x}"
