"""Test kit for users: servers and ensembles as processes, faults, fixtures for pytest."""

from __future__ import annotations

from zoo.testing.faults import (
    drop_connection,
    drop_connection_of,
    expire_session,
    expire_session_of,
)
from zoo.testing.servers import EmbeddedEnsemble, EmbeddedServer, ServerProblem

__all__ = [
    "EmbeddedEnsemble",
    "EmbeddedServer",
    "ServerProblem",
    "drop_connection",
    "drop_connection_of",
    "expire_session",
    "expire_session_of",
]
