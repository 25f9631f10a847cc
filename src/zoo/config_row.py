"""The row type of the key table (`zoo.config_keys`): what Zoo knows about one zoo.cfg key."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from zoo.config_values import ANY, Kind

_PASSWORD = re.compile(r"passw(?!.*path)|secret", re.IGNORECASE)


class Status(Enum):
    """What Zoo does with a key."""

    SUPPORTED = "supported"
    ENSEMBLE = "ensemble"
    LATER = "later"
    JVM = "jvm"


STATUS_DOC = {
    Status.SUPPORTED: "in force on every server",
    Status.ENSEMBLE: "read and checked; in force when several servers are listed",
    Status.LATER: "known, not supported yet: named in a warning at start and otherwise ignored",
    Status.JVM: "belongs to the Java server's threads, caches or virtual machine; Zoo has no such "
    "part: named in a warning at start and otherwise ignored",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One row. ``default`` and ``theirs`` (ZooKeeper's default if it differs) stand as written.

    ``raise_to``: a smaller number counts as this one, with a warning. ``refused`` and ``warned``
    map a value to the reason; ``harmless`` values of an unsupported key need no warning.
    """

    name: str
    doc: str
    kind: Kind = ANY
    default: str | None = None
    field: str = ""
    status: Status = Status.SUPPORTED
    group: str = ""
    theirs: str | None = None
    raise_to: int | None = None
    secret: bool = False
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)
    warned: Mapping[str, str] = dataclasses.field(default_factory=dict)
    harmless: tuple[str, ...] = ()

    def show(self, value: str, written: str = "") -> str:
        """``value`` as it may appear in output and logs; ``written``: the member of a family."""
        hidden = self.secret or _PASSWORD.search(written)
        return "****" if hidden and value else value
