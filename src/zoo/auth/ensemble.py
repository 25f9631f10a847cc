"""Scheme `ensemble`: no identity, but a check that the client has reached the ensemble it means."""

from __future__ import annotations

from collections.abc import Iterable

from zoo.errors import ProtocolViolation
from zoo.tree.acl import Identity, Peer


class EnsembleProvider:
    """ZooKeeper's EnsembleAuthenticationProvider: the token is the name the client expects."""

    scheme = "ensemble"
    is_authenticated = False

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.strip() for name in names)

    def authenticate(self, token: bytes | None, peer: Peer) -> list[Identity]:
        """Nothing, for a name that is ours or empty; ProtocolViolation for another.

        The link is dropped rather than an error answered: the client shall try its next server,
        while AUTHFAILED would make it give up.
        """
        name = token.decode("utf-8", "replace") if token else ""
        if name and name not in self._names:
            ours = ", ".join(sorted(self._names))
            raise ProtocolViolation(f"client expects ensemble {name!r}, this is {ours}")
        return []

    def is_valid(self, id: str) -> bool:
        return False

    def matches(self, identity: str, expression: str) -> bool:
        return False

    def user_name(self, identity: str) -> str:
        return identity
