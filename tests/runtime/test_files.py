from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from zoo.persistence.storage import StorageFailed
from zoo.runtime.files import Files, failing, lock, write_all


def test_a_failure_names_the_operation_the_path_and_what_can_help() -> None:
    with pytest.raises(StorageFailed) as caught, failing("fsync", Path("/d/log.1")):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value).startswith(
        "cannot fsync /d/log.1: No space left on device (ENOSPC). Free space"
    )


def test_an_unknown_error_has_no_advice() -> None:
    with pytest.raises(StorageFailed, match=r": odd \(99999\)$"), failing("read", Path("/d")):
        raise OSError(99999, "odd")


def test_short_writes_are_completed(tmp_path: Path) -> None:
    class Short(Files):
        pwrite = staticmethod(lambda fd, data, position: os.pwrite(fd, data[:3], position))

    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    write_all(Short(), fd, b"0123456789", 2)
    write_all(Short(), fd, b"", 0)
    os.close(fd)
    assert (tmp_path / "f").read_bytes() == b"\0\x000123456789"


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    fd = lock(tmp_path)
    with pytest.raises(StorageFailed, match=f"pid {os.getpid()}"):
        lock(tmp_path)
    os.close(fd)
    os.close(lock(tmp_path))
