"""What a SASL mechanism has to offer: tokens in, tokens and at the end an identity out.

SASL does not use the auth packet: the client sends `sasl` requests, the server answers each with a
token, until one side is done. A mechanism therefore makes one `SaslExchange` per connection, which
holds the state between tokens; the `AuthProvider` of scheme `sasl` beside it only judges ACL
entries.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from zoo.tree.acl import Identity, Peer


class SaslStep(NamedTuple):
    """The server's answer to one token of the client."""

    token: bytes | None
    """To be sent back, null included: some mechanisms end with one."""

    identities: tuple[Identity, ...] = ()
    """What the exchange has proved; empty until it is complete."""

    @property
    def complete(self) -> bool:
        return bool(self.identities)


class SaslExchange(Protocol):
    """One client's authentication under way."""

    def step(self, token: bytes) -> SaslStep:
        """Take the client's next token, which may be empty. KeeperError(AUTHFAILED) ends it all."""


class SaslMechanism(Protocol):
    """One way to authenticate, such as DIGEST-MD5 or GSSAPI, with the server's secrets in it."""

    @property
    def name(self) -> str:
        """The registered name of the mechanism."""

    def start(self, peer: Peer) -> SaslExchange:
        """Begin with a client that has just connected."""
