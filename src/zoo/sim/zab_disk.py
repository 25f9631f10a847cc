"""The disk of the pure protocol: a log that is a `Prefix`, a snapshot below, two epochs, and the
configurations that are known.

Theory of operation. `log` is what a killed process leaves (the page cache), `synced` what a power
failure surely leaves; of the rest a beginning survives. Each method is one effect that a crash
cannot halve; between two of them it can come.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from zoo.persistence.storage import StorageFailed
from zoo.sim.prefixes import Prefix, Prefixes
from zoo.zab.configurations import Configuration, Configurations, parse_configuration
from zoo.zab.ready import Configured, Install


@dataclass
class Trouble:
    """What is to go wrong: each call decrements its counter, the one that finds 1 fails."""

    writes_until_failure: int | None = None
    syncs_until_failure: int | None = None


class ZabDisk:
    """One member's. `base` is its newest snapshot; the log may begin there."""

    def __init__(self, prefixes: Prefixes) -> None:
        self.prefixes = prefixes
        self.base = self.log = self.synced = prefixes.root
        self.accepted = self.current = 0
        self.configured: Configured | None = None
        """None: nobody has said so far who is a member."""
        self.trouble = Trouble()
        self.is_dirty = False
        """There is a snapshot of something that never was committed: nothing can be cut off."""
        self._install = bytearray()

    # --- the process comes and goes

    def recover(self) -> Prefix:
        """What the log holds; from now on that is durable. A newer snapshot stands for it."""
        if not self.log.contains(self.base):
            self.log = self.base
        self.synced = self.log
        self._install.clear()
        return self.log

    def power_failure(self, rng: Random) -> None:
        unsynced = self.log.since(self.synced)
        keep = rng.choice((0, len(unsynced), rng.randint(0, len(unsynced))))
        self.log = unsynced[keep - 1] if keep else self.synced

    def prepare(self, configuration: Configuration) -> None:
        """An operator writes the configuration that the next process is to begin with."""
        self.configured = Configured(configuration.text, configuration.version, None)

    def configurations(self, is_enabled: bool) -> Configurations | None:
        """What a process begins with."""
        if self.configured is None:
            return None
        committed, _, seen = self.configured
        later = None if seen is None else parse_configuration(seen)
        return Configurations(parse_configuration(committed), later, is_enabled)

    # --- the effects of a Ready

    def configure(self, configured: Configured) -> None:
        self._write("configuration")
        self.configured = configured

    def accept(self, epoch: int) -> None:
        self._write("acceptedEpoch")
        self.accepted = epoch

    def truncate(self, zxid: int) -> None:
        self._write("log")
        cut = self.log.cut(zxid)
        assert cut.zxid == zxid, f"truncated to 0x{zxid:x}, the log has 0x{cut.zxid:x} there"
        assert cut.depth >= self.base.depth, f"0x{zxid:x} lies before the snapshot"
        self.log = self.synced = cut

    def install(self, install: Install) -> None:
        self._write("snapshot")
        if install.is_first:
            self._install.clear()
        for piece in install.pieces:
            self._install += piece
        if install.is_last:
            prefix = read_snapshot(bytes(self._install), self.prefixes)
            assert prefix.zxid == install.zxid, f"{prefix} was sent as 0x{install.zxid:x}"
            self._install.clear()
            self.base = self.log = self.synced = prefix

    def append(self, entries: list[bytes], first: int) -> None:
        self._write("log")
        log = self.log
        for zxid, entry in enumerate(entries, first):
            log = self.prefixes.after(log, zxid_in(entry, zxid), entry)
        self.log = log

    def sync(self) -> None:
        trouble = self.trouble
        if trouble.syncs_until_failure is not None:
            trouble.syncs_until_failure -= 1
            if trouble.syncs_until_failure <= 0:
                trouble.syncs_until_failure = None
                raise StorageFailed("fsync", "log", "the disk reported an error (EIO)")
        self.synced = self.log

    def follow(self, epoch: int) -> None:
        self._write("currentEpoch")
        self.current = epoch

    def snapshot(self, prefix: Prefix) -> None:
        """Keep the state at `prefix`; what is before it is not needed any more."""
        if prefix.depth > self.base.depth:
            self.base = prefix

    def soil(self) -> None:
        self.is_dirty = True

    def can_truncate(self, zxid: int) -> bool:
        return not self.is_dirty and self.base.zxid <= zxid

    def _write(self, name: str) -> None:
        trouble = self.trouble
        if trouble.writes_until_failure is not None:
            trouble.writes_until_failure -= 1
            if trouble.writes_until_failure <= 0:
                trouble.writes_until_failure = None
                raise StorageFailed("write to", name, "no space is left (ENOSPC)")


def zxid_in(entry: bytes, default: int) -> int:
    """The zxid in a transaction's header; a Ready's run may cross into another epoch."""
    return int.from_bytes(entry[12:20], "big") if len(entry) >= 20 else default


def write_snapshot(prefix: Prefix, padding: int) -> list[bytes]:
    """A state as bytes that end by their own structure, in pieces."""
    whole = prefix.number.to_bytes(8, "big") + padding.to_bytes(4, "big") + bytes(padding)
    size = 4096
    return [whole[i : i + size] for i in range(0, len(whole), size)]


def snapshot_end(data: bytes) -> int | None:
    """Where the snapshot ends that begins here; None while that is not known."""
    return 12 + int.from_bytes(data[8:12], "big") if len(data) >= 12 else None


def read_snapshot(data: bytes, prefixes: Prefixes) -> Prefix:
    assert snapshot_end(data) == len(data), "a snapshot of another length was installed"
    return prefixes.numbered(int.from_bytes(data[:8], "big"))
