"""System calls of the storage, and what is said when one of them fails."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from zoo.persistence.storage import StorageFailed

LOCK_NAME = "zoo.lock"

_ADVICE = {
    errno.ENOSPC: "Free space on this file system (old snapshots and logs can be purged), "
    "then start the server again; nothing acknowledged was lost",
    errno.EDQUOT: "Raise the disk quota of the server's user, then start the server again",
    errno.EROFS: "The file system is read-only, often after a disk error: see the kernel log",
    errno.EIO: "The disk reported an error: see the kernel log before using it again",
    errno.EACCES: "Give the server's user write permission there",
    errno.EPERM: "Give the server's user write permission there",
    errno.EMFILE: "Raise the limit on open files (ulimit -n)",
}


class Files:
    """The system calls the storage makes; a test replaces some of them."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    pwrite = staticmethod(os.pwrite)
    fdatasync = staticmethod(os.fdatasync)
    fsync = staticmethod(os.fsync)
    ftruncate = staticmethod(os.ftruncate)
    rename = staticmethod(os.rename)
    unlink = staticmethod(os.unlink)
    posix_fallocate = staticmethod(os.posix_fallocate)


@contextlib.contextmanager
def failing(operation: str, path: Path) -> Iterator[None]:
    """Turn an OSError into a StorageFailed that names the operation, the path and what can help."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)})"
        advice = _ADVICE.get(error.errno or 0, "")
        raise StorageFailed(operation, str(path), reason, advice) from error


def write_all(files: Files, fd: int, data: bytes, position: int) -> None:
    """pwrite until nothing is left: a short write names no error, the one after it does."""
    written = files.pwrite(fd, data, position) if data else 0
    while written < len(data):
        more = files.pwrite(fd, data[written:], position + written)
        if more == 0:
            raise OSError(errno.EIO, "the disk accepts no more bytes")
        written += more


def lock(directory: Path) -> int:
    """Hold the directory until the descriptor is closed; the kernel lets go when we die."""
    path = directory / LOCK_NAME
    with failing("lock", path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise StorageFailed(
                "lock",
                str(directory),
                f"another server uses this directory (pid {holder})",
                "Stop it, or give this server a dataDir and dataLogDir of its own",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
