"""Test kit for users: servers in a thread or as processes, ensembles, faults, fixtures for pytest,
and the simulator for programs of one's own.
"""

from __future__ import annotations

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
