"""Test kit for users: servers in a thread or as processes, ensembles, faults, fixtures for pytest,
and the simulator for programs of one's own.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from zoo.testing.faults import (
        drop_connection,
        drop_connection_of,
        expire_session,
        expire_session_of,
    )
    from zoo.testing.in_process import ThreadServer
    from zoo.testing.partition import Partition
    from zoo.testing.servers import EmbeddedEnsemble, EmbeddedServer, ServerProblem
    from zoo.testing.simulated import Faults, Process, Run, Violation, simulate

__all__ = [
    "EmbeddedEnsemble",
    "EmbeddedServer",
    "Faults",
    "Partition",
    "Process",
    "Run",
    "ServerProblem",
    "ThreadServer",
    "Violation",
    "drop_connection",
    "drop_connection_of",
    "expire_session",
    "expire_session_of",
    "simulate",
]
# Found when they are first asked for: who wants a free port needs neither a server nor a simulator.
_HOMES = {
    "faults": ("drop_connection", "drop_connection_of", "expire_session", "expire_session_of"),
    "in_process": ("ThreadServer",),
    "partition": ("Partition",),
    "servers": ("EmbeddedEnsemble", "EmbeddedServer", "ServerProblem"),
    "simulated": ("Faults", "Process", "Run", "Violation", "simulate"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'zoo.testing' has no attribute {name!r}")
    value = getattr(_importlib.import_module(f"zoo.testing.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
