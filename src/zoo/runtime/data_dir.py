"""The data directories: ZooKeeper's layout, checked before anything is read or written.

dataDir/version-2 holds the snapshots, dataLogDir/version-2 the logs; without dataLogDir both are
in dataDir. Every refusal names the directory, what was found there and what to do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from zoo.persistence.storage import parse_log_name, parse_snapshot_name

VERSION_DIR = "version-2"
INITIALIZE_MARKER = "initialize"


class DataDirError(Exception):
    """The data directories cannot be used as they are."""


class DataDirs(NamedTuple):
    """The two version-2 directories, which may be the same."""

    snapshots: Path
    logs: Path


def prepare(
    data_dir: Path, data_log_dir: Path | None = None, *, autocreate: bool = True
) -> DataDirs:
    """Check both directories, create what is missing, and return where the files belong.

    With `autocreate` off (`zookeeper.datadir.autocreate=false`) a missing directory is an error,
    for volumes that may fail to mount. Raises DataDirError.
    """
    data_log_dir = data_log_dir or data_dir
    for root in dict.fromkeys((data_dir, data_log_dir)):
        _check_layout(root)
    snapshots = _usable(data_dir / VERSION_DIR, autocreate)
    logs = _usable(data_log_dir / VERSION_DIR, autocreate)
    if not snapshots.samefile(logs):
        _check_separation(snapshots, logs)
    return DataDirs(snapshots, logs)


def may_start_empty(dirs: DataDirs, *, db_autocreate: bool = True) -> bool:
    """Whether a server that finds no history may begin with an empty tree.

    True with `zookeeper.db.autocreate` on (the default), or once, when an operator has put the file
    `initialize` into dataLogDir; the file is removed. To be asked at every start, so that no such
    file is left for the day when the data is lost.

    In an ensemble this decides who may vote with nothing: a majority of members that begin empty
    outvotes the one that has the data. So ensembles whose disks may come up empty (a volume that
    was not mounted, a replaced machine) should switch autocreate off once they run.
    """
    marker = dirs.logs.parent / INITIALIZE_MARKER
    try:
        marker.unlink()
    except FileNotFoundError:
        return db_autocreate
    except OSError as error:
        raise DataDirError(f"cannot remove {marker}: {error.strerror}") from error
    return True


def _check_layout(root: Path) -> None:
    """Refuse files that belong to another layout: ignoring them would mean starting empty."""
    if not root.exists():
        return
    if not root.is_dir():
        raise DataDirError(f"{root} is not a directory; dataDir and dataLogDir must name one")
    try:
        names = sorted(os.listdir(root))
    except OSError as error:
        raise DataDirError(f"cannot read {root}: {error.strerror}") from error
    for name in names:
        if parse_log_name(name) is not None or parse_snapshot_name(name) is not None:
            where = root.parent if root.name == VERSION_DIR else root / VERSION_DIR
            hint = (
                f"dataDir should probably be {where}"
                if root.name == VERSION_DIR
                else f"logs and snapshots belong into {where}; move them there if they are this "
                "server's"
            )
            raise DataDirError(f"{root} itself holds {name}: {hint}")
        if name.startswith("version-") and name != VERSION_DIR and (root / name).is_dir():
            raise DataDirError(
                f"{root} holds {name}, and this server knows only {VERSION_DIR}; "
                "use the release that wrote it, or move that directory away"
            )


def _usable(directory: Path, autocreate: bool) -> Path:
    try:
        if not directory.is_dir():
            if not autocreate:
                raise DataDirError(
                    f"{directory} does not exist and zookeeper.datadir.autocreate is off: "
                    "create it, or mount the volume that holds it"
                )
            _create(directory)
    except OSError as error:
        raise DataDirError(f"cannot create {directory}: {error.strerror}") from error
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise DataDirError(f"{directory} is not writable by the user this server runs as")
    return directory


def _create(directory: Path) -> None:
    """mkdir -p, durably: each new entry is fsynced in its parent."""
    if directory.is_dir():
        return
    _create(directory.parent)
    directory.mkdir(mode=0o750, exist_ok=True)
    fd = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _check_separation(snapshots: Path, logs: Path) -> None:
    """Files of the wrong kind mean that dataLogDir was changed or swapped (ZOOKEEPER-2967)."""
    for name in sorted(os.listdir(logs)):
        if parse_snapshot_name(name) is not None:
            raise DataDirError(
                f"{logs} is for logs but holds {name}: dataDir and dataLogDir look swapped or "
                "changed; correct them, or move the snapshots to dataDir"
            )
    for name in sorted(os.listdir(snapshots)):
        if parse_log_name(name) is not None:
            raise DataDirError(
                f"{snapshots} is for snapshots but holds {name}: dataLogDir looks newly set; "
                f"move the logs to {logs}, or the server would start without them"
            )
