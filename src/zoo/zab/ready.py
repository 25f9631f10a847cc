"""The contract between the core and whoever does its input and output.

The core is a deterministic function: inputs go in (client bytes, ticks, "persisted up to n"), and
what has to be done about them comes out as one `Ready`. Who drives the core carries a Ready out in
this order:

1. Append `entries` to the log, in this order, at its end. Roll to a new log file first if `roll`
   says so.
2. Make them durable: one fsync for the whole Ready, which is what group commit is.
3. Only then tell the core `persisted(last_zxid)`. Replies and acknowledgements come out of that
   call and out of no other, so nothing can be acknowledged that a crash would lose.

While step 2 runs, the core goes on: it reads, prepares and answers reads. Replies that it produces
meanwhile promise nothing about undurable entries and may be sent at once. One Ready is carried out
at a time. A write or fsync that fails ends the process: what the disk holds is then unknown, and
asking it again can lie.
"""

from __future__ import annotations

from typing import NamedTuple


class Ready(NamedTuple):
    """What to make durable. `entries` are serialized transactions with contiguous zxids."""

    entries: list[bytes]
    first_zxid: int
    last_zxid: int
    roll: bool
