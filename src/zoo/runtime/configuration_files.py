"""A member's configurations on disk, named and written as ZooKeeper does, beside its zoo.cfg.

Theory of operation. The configuration that holds is in `zoo.cfg.dynamic.<version>`, and zoo.cfg
names that file (dynamicConfigFile); a change that is seen and not known to hold is in
`zoo.cfg.dynamic.next`, its version inside. Each file is replaced in one step and durably, and
zoo.cfg only when what it will name is there; `.next` goes last. So a crash between any two steps
leaves the old configuration, with the change behind it still known, or the new one.

When zoo.cfg is edited for the first time, it is kept as zoo.cfg.bak. Of its lines only those go
that are said in the dynamic file; comments stay.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from zoo.config_properties import ConfigError
from zoo.errors import ProtocolViolation
from zoo.runtime.config_file import read_text
from zoo.runtime.files import failing
from zoo.zab.configurations import Configuration, parse_configuration
from zoo.zab.ready import Configured

_MEMBERS = re.compile(r"\s*(server\.|group|weight|dynamicConfigFile|peerType)")
_CLIENT = re.compile(r"\s*clientPort(Address)?\s*[=:\s]")


class Folder(Protocol):
    """Where the files lie. What is written or removed is durable, and done whole or not at all."""

    def path(self, name: str) -> str:
        """What zoo.cfg calls a file of it."""
        ...

    def read(self, name: str) -> str | None:
        """None: there is no such file."""
        ...

    def replace(self, name: str, text: str) -> None: ...

    def remove(self, name: str) -> None: ...


class FileConfigurations:
    """`file` is the zoo.cfg that server `my_id` was started with, which says `version`.

    Raises StorageFailed.
    """

    def __init__(self, folder: Folder, file: str, my_id: int, version: int) -> None:
        self._folder = folder
        self._file = file
        self._my_id = my_id
        self._version = version
        self._next = f"{file}.dynamic.next"

    def seen(self) -> Configuration | None:
        """The change that was under way when the server ended."""
        text = self._folder.read(self._next)
        if text is None:
            return None
        try:
            return parse_configuration(text.encode())
        except ProtocolViolation as error:
            raise ConfigError(None, self._folder.path(self._next), None, str(error)) from error

    def steps(self, configured: Configured) -> Iterator[str]:
        """Make the files say this. A server may end behind each step."""
        folder = self._folder
        if configured.seen is not None:
            folder.replace(self._next, _sorted_lines(configured.seen.decode(), True))
            yield self._next
        if configured.version != self._version:
            members = configured.committed.decode()
            version = configured.version & (1 << 64) - 1
            dynamic = f"{self._file}.dynamic.{version:x}"
            folder.replace(dynamic, _sorted_lines(members, False))
            yield dynamic
            text = folder.read(self._file)
            assert text is not None, "the file that the server was started with is gone"
            if "dynamicConfigFile" not in text:
                folder.replace(f"{self._file}.bak", text)
            folder.replace(self._file, self._edited(text, members, folder.path(dynamic)))
            self._version = configured.version
            yield self._file
        if configured.seen is None and folder.read(self._next) is not None:
            folder.remove(self._next)
            yield f"no {self._next}"

    def _edited(self, text: str, members: str, dynamic: str) -> str:
        has_client = any(
            line.startswith(f"server.{self._my_id}=") and ";" in line
            for line in members.split("\n")
        )
        kept: list[str] = []
        continues = drops = False
        for line in text.splitlines():
            if not continues:
                drops = bool(_MEMBERS.match(line) or (has_client and _CLIENT.match(line)))
            continues = line.endswith("\\") and not line.lstrip().startswith(("#", "!"))
            if not drops:
                kept.append(line)
        return "\n".join([*kept, f"dynamicConfigFile={dynamic}", ""])


def _sorted_lines(text: str, with_version: bool) -> str:
    lines = [line for line in text.split("\n") if with_version or not line.startswith("version=")]
    return "\n".join(sorted(lines))


class Directory:
    """A folder on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def path(self, name: str) -> str:
        return str(self._path / name)

    def read(self, name: str) -> str | None:
        path = self._path / name
        return read_text(path) if path.exists() else None

    def replace(self, name: str, text: str) -> None:
        path, partial = self._path / name, self._path / f"{name}.tmp"
        with failing("write", path):
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            _sync_directory(self._path)

    def remove(self, name: str) -> None:
        path = self._path / name
        with failing("remove", path):
            path.unlink()
            _sync_directory(self._path)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
