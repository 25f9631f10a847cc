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

from zoo.config_properties import ConfigError
from zoo.errors import ProtocolViolation
from zoo.runtime.config_file import read_text
from zoo.runtime.files import failing
from zoo.zab.configurations import Configuration, parse_configuration
from zoo.zab.ready import Configured

_MEMBERS = re.compile(r"\s*(server\.|group|weight|dynamicConfigFile|peerType)")
_CLIENT = re.compile(r"\s*clientPort(Address)?\s*[=:\s]")


class FileConfigurations:
    """`config_file` is the zoo.cfg that server `my_id` was started with, which says `version`.

    Raises StorageFailed.
    """

    def __init__(self, config_file: Path, my_id: int, version: int) -> None:
        self._file = config_file.absolute()
        self._my_id = my_id
        self._version = version
        self._next = self._file.with_name(self._file.name + ".dynamic.next")

    def seen(self) -> Configuration | None:
        """The change that was under way when the server ended."""
        if not self._next.exists():
            return None
        try:
            return parse_configuration(read_text(self._next).encode())
        except ProtocolViolation as error:
            raise ConfigError(None, str(self._next), None, str(error)) from error

    def steps(self, configured: Configured) -> Iterator[str]:
        """Make the files say this. A server may end behind each step."""
        if configured.seen is not None:
            _replace(self._next, _sorted_lines(configured.seen.decode(), True))
            yield self._next.name
        if configured.version != self._version:
            members = configured.committed.decode()
            version = configured.version & (1 << 64) - 1
            dynamic = self._file.with_name(f"{self._file.name}.dynamic.{version:x}")
            _replace(dynamic, _sorted_lines(members, False))
            yield dynamic.name
            text = read_text(self._file)
            if "dynamicConfigFile" not in text:
                _replace(self._file.with_name(self._file.name + ".bak"), text)
            _replace(self._file, self._edited(text, members, dynamic))
            self._version = configured.version
            yield self._file.name
        if configured.seen is None and self._next.exists():
            with failing("remove", self._next):
                self._next.unlink()
                _sync_directory(self._next.parent)
            yield f"no {self._next.name}"

    def _edited(self, text: str, members: str, dynamic: Path) -> str:
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


def _replace(path: Path, text: str) -> None:
    """Write or replace a file durably, in one step."""
    partial = path.with_name(path.name + ".tmp")
    with failing("write", path):
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
