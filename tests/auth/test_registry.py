from __future__ import annotations

import pytest

from zoo.auth.digest import digest
from zoo.auth.registry import AuthRegistry, merge_identities
from zoo.errors import Code, KeeperError, ProtocolViolation
from zoo.jute.records import ClientInfo
from zoo.tree.acl import Identity, Peer


class CertificateProvider:
    """A scheme that believes the transport only."""

    scheme = "x509"
    is_authenticated = True

    def authenticate(self, token: bytes | None, peer: Peer) -> list[Identity]:
        if peer.certificate is None:
            raise KeeperError(Code.AUTHFAILED, "no certificate")
        return [Identity("x509", peer.certificate.decode())]

    def is_valid(self, id: str) -> bool:
        return id.startswith("CN=")

    def matches(self, identity: str, expression: str) -> bool:
        return identity == expression

    def user_name(self, identity: str) -> str:
        return identity


def test_a_connection_begins_as_its_address() -> None:
    assert AuthRegistry().first_identities("::1") == (Identity("ip", "0:0:0:0:0:0:0:1"),)


def test_schemes_without_configuration() -> None:
    assert sorted(AuthRegistry().providers) == ["digest", "ip"]
    assert sorted(AuthRegistry(digest_enabled=False).providers) == ["ip"]


@pytest.mark.parametrize("scheme", ["world", "super", "auth", "sasl", "x509", "", "nonsense", None])
def test_a_scheme_nobody_provides_fails(scheme: str | None) -> None:
    with pytest.raises(KeeperError, match="digest ip") as refusal:
        AuthRegistry().authenticate(scheme, b"bob", "1.2.3.4")
    assert refusal.value.code is Code.AUTHFAILED


def test_digest_by_configuration() -> None:
    registry = AuthRegistry(super_digest=digest("root:pw", "SHA-256"), digest_algorithm="SHA-256")
    earned = registry.authenticate("digest", b"root:pw", "1.2.3.4")
    assert earned == [Identity("super", ""), Identity("digest", digest("root:pw", "SHA-256"))]


def test_ip_and_ensemble() -> None:
    registry = AuthRegistry(ensemble_names=["prod"])
    assert registry.authenticate("ip", b"", "1.2.3.4") == [Identity("ip", "1.2.3.4")]
    assert registry.authenticate("ensemble", b"prod", "1.2.3.4") == []
    with pytest.raises(ProtocolViolation):
        registry.authenticate("ensemble", b"test", "1.2.3.4")


def test_an_added_scheme_sees_the_transports_certificate_and_not_a_claim() -> None:
    registry = AuthRegistry()
    registry.add(CertificateProvider())
    assert registry.authenticate("x509", None, "1.2.3.4", b"CN=bob") == [Identity("x509", "CN=bob")]
    with pytest.raises(KeeperError, match="no certificate"):
        registry.authenticate("x509", b"CN=bob", "1.2.3.4")


def test_who_am_i_shows_no_hashes() -> None:
    identities = [Identity("ip", "1.2.3.4"), Identity("digest", "bob:h"), Identity("super", "")]
    assert AuthRegistry().who_am_i(identities) == [
        ClientInfo("ip", "1.2.3.4"),
        ClientInfo("digest", "bob"),
        ClientInfo("super", ""),
    ]


def test_identities_add_up_once_each() -> None:
    address, bob = Identity("ip", "1.2.3.4"), Identity("digest", "bob:h")
    assert merge_identities((address,), [bob]) == (address, bob)
    assert merge_identities((address, bob), [bob, address]) == (address, bob)
