"""The contract between the core and whoever does its input and output.

The core is a deterministic function: inputs go in (client bytes, peer packets, ticks, "this Ready
is durable"), and what has to be done about them comes out as one `Ready`. Who drives the core
carries a Ready out in this order, and skips what is None or empty:

0. Write `configured`, the configurations that this server knows: who logs a change of
   configuration must know of it even if it forgets everything else at that moment, since from then
   on it decides nothing without a quorum of both.
1. Write `accepted_epoch` (file and directory fsynced): the promise to follow no older leader.
2. Cut the log behind `truncate`, newest file first, and remove snapshots beyond it.
3. Take the pieces of `install` into the snapshot that a leader sends. With the last piece it is
   complete: make it durable, then drop all older history, as one step that a crash cannot halve.
4. Append `entries` to the log, in this order, at its end. Roll to a new log file first if `roll`
   says so.
5. Make them durable: one fsync for the whole Ready, which is what group commit is.
6. Write `current_epoch`: only a history that is durable may be said to be of that epoch.
7. Only then tell the core `persisted(ready)`. Replies and acknowledgements come out of that call
   and out of no other, so nothing can be acknowledged that a crash would lose.

While this goes on, the core goes on: it reads, prepares, answers reads, and sends what promises
nothing about undurable entries (a leader's proposals among it). One Ready is carried out at a time.
A write or fsync that fails ends the process: what the disk holds is then unknown, and asking it
again can lie.
"""

from __future__ import annotations

from typing import NamedTuple


class Install(NamedTuple):
    """Pieces of a snapshot that a leader sends, `zxid` the last transaction it contains.

    The pieces are the bytes of a snapshot file in their order, from `is_first` to `is_last`.
    """

    zxid: int
    pieces: list[bytes]
    is_first: bool
    is_last: bool


class Configured(NamedTuple):
    """What shall be known after a restart: the configuration that holds and its version, and the
    one that was proposed and is not known to hold, if there is one.
    """

    committed: bytes
    version: int
    seen: bytes | None


class Ready(NamedTuple):
    """What to make durable. `entries` are serialized transactions; their zxids ascend, and only a
    new epoch leaves a gap. Without entries, `first_zxid` and `last_zxid` are the log's last zxid.
    """

    entries: list[bytes]
    first_zxid: int
    last_zxid: int
    roll: bool
    accepted_epoch: int | None = None
    truncate: int | None = None
    install: Install | None = None
    current_epoch: int | None = None
    configured: Configured | None = None
