"""The authentication schemes of one server.

Theory of operation. A connection starts as `ip:<address>` and collects identities with every auth
packet that succeeds; it never loses one. ACLs name identities. `world` and `super` are no
providers: the first is everybody, the second is not subject to ACLs, and neither can be claimed by
name. `x509` and `sasl` come in through `add`: the former reads the certificate that the transport
has verified (`Peer.certificate`), never the client's token; for the latter see `zoo.auth.sasl`.
"""

from __future__ import annotations

from collections.abc import Iterable

from zoo.auth.digest import DEFAULT_ALGORITHM, DigestProvider
from zoo.auth.ensemble import EnsembleProvider
from zoo.auth.ip import IpProvider, identity_of
from zoo.errors import Code, KeeperError
from zoo.jute.records import ClientInfo
from zoo.tree.acl import AuthProvider, Identity, Peer


class AuthRegistry:
    """Schemes by name; `providers` is what the checks of `zoo.tree.acl` take."""

    __slots__ = ("providers",)

    def __init__(
        self,
        *,
        super_digest: str | None = None,
        digest_algorithm: str = DEFAULT_ALGORITHM,
        digest_enabled: bool = True,
        ensemble_names: Iterable[str] | None = None,
    ) -> None:
        """With `ensemble_names` None there is no scheme `ensemble`, as in ZooKeeper by default.

        ValueError for a digest algorithm that is not available.
        """
        self.providers: dict[str, AuthProvider] = {}
        self.add(IpProvider())
        if digest_enabled:
            self.add(DigestProvider(super_digest, digest_algorithm))
        if ensemble_names is not None:
            self.add(EnsembleProvider(ensemble_names))

    def add(self, provider: AuthProvider) -> None:
        """Offer one more scheme, or another provider for one."""
        self.providers[provider.scheme] = provider

    def first_identities(self, peer_ip: str) -> tuple[Identity, ...]:
        """What a connection is before it has said anything."""
        return (identity_of(peer_ip),)

    def authenticate(
        self,
        scheme: str | None,
        token: bytes | None,
        peer_ip: str,
        certificate: bytes | None = None,
    ) -> list[Identity]:
        """The identities that an auth packet earns, most powerful first; may be none.

        KeeperError(AUTHFAILED) is to be answered, and the connection closed then. ProtocolViolation
        closes it without an answer.
        """
        provider = self.providers.get(scheme) if scheme is not None else None
        if provider is None:
            offered = " ".join(sorted(self.providers))
            raise KeeperError(Code.AUTHFAILED, f"no scheme {scheme!r} here; there are: {offered}")
        return list(provider.authenticate(token, Peer(peer_ip, certificate)))

    def who_am_i(self, identities: Iterable[Identity]) -> list[ClientInfo]:
        """The answer of whoAmI: scheme and user name of each identity, without hashes."""
        infos = []
        for scheme, id in identities:
            provider = self.providers.get(scheme)
            infos.append(ClientInfo(scheme, "" if provider is None else provider.user_name(id)))
        return infos


def merge_identities(
    have: tuple[Identity, ...], earned: Iterable[Identity]
) -> tuple[Identity, ...]:
    """A connection's identities after an auth packet: each once, in the order they came."""
    return tuple(dict.fromkeys((*have, *earned)))
