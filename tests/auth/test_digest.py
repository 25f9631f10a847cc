from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.auth.digest import DigestProvider, algorithm_name, digest, mask_digest
from zoo.errors import Code, KeeperError
from zoo.jute.records import ACL
from zoo.tree.acl import Identity, Peer

PEER = Peer("127.0.0.1")

# Answers of ZooKeeper 3.9.5's DigestAuthenticationProvider, the last column by digestAlg.
DIGESTS = [
    ("super:secret", "super:lK75jTNcA+U9vtVEw5vB51mj/w4=", "SHA1"),
    ("user:pass", "user:smGaoVKd/cQkjm7b88GyorAUz20=", "SHA1"),
    ("bob", "bob:SBgazSKz7a68ikR4aKfffOYpkgo=", "SHA1"),
    ("", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "SHA1"),
    (":", ":BaefBs8/Z/cm2uaNGKIpD2yaUMk=", "SHA1"),
    ("a:b:c", "a:cLzgnoJ6mP5qz3w+mwvPE2vDgu0=", "SHA1"),
    ("\u00fc:\u00df", "\u00fc:vB6Co0vguxtrKN0lKrXliXiGJq4=", "SHA1"),
    ("user:", "user:kd7q5xGKLW+18xQTfO8iqRaFvsM=", "SHA1"),
    ("user:pass", "user:IaOShYhKJo1kWOP96wi+rA==", "MD5"),
    ("user:pass", "user:70yRTFkWmLJo2zxkFj6v2nIJpjDyNuvw7r8EVGDfcjo=", "SHA-256"),
    ("user:pass", "user:MKfo05p7nYw1Yb/bzA4GEyZLUt02iFpxN0ASiDBnsjw=", "SHA3-256"),
]


@pytest.mark.parametrize(("text", "expected", "algorithm"), DIGESTS)
def test_digests_are_those_of_zookeeper(text: str, expected: str, algorithm: str) -> None:
    assert digest(text, algorithm) == expected
    provider = DigestProvider(None, algorithm)
    assert provider.authenticate(text.encode(), PEER) == [Identity("digest", expected)]


def test_broken_utf8_is_hashed_as_java_decodes_it() -> None:
    (identity,) = DigestProvider().authenticate(b"u:\xff\xe2\x82x", PEER)
    assert identity.id == "u:VOgMEEDrO2OkS2N1/VOYtX7QExg="


def test_the_super_digest_makes_super() -> None:
    provider = DigestProvider("super:lK75jTNcA+U9vtVEw5vB51mj/w4=")
    assert provider.authenticate(b"super:secret", PEER) == [
        Identity("super", ""),
        Identity("digest", "super:lK75jTNcA+U9vtVEw5vB51mj/w4="),
    ]
    (somebody,) = provider.authenticate(b"super:wrong", PEER)
    assert somebody.scheme == "digest"


def test_a_null_token_fails() -> None:
    with pytest.raises(KeeperError) as refusal:
        DigestProvider().authenticate(None, PEER)
    assert refusal.value.code is Code.AUTHFAILED


@given(st.binary())
def test_any_other_token_is_an_identity_that_matches_its_own_digest(token: bytes) -> None:
    provider = DigestProvider()
    (identity,) = provider.authenticate(token, PEER)
    assert provider.matches(identity.id, digest(token.decode("utf-8", "replace")))


# id, may an ACL hold it, user name: as in ZooKeeper, which throws for the name in colons alone.
IDS = [
    ("user:hash", True, "user"),
    ("user", False, "user"),
    ("user:", False, "user"),
    ("", False, ""),
    (":", False, ""),
    (":hash", True, ""),
    ("a:b:c", False, "a"),
    ("a:b:", True, "a"),
    ("a:b::", True, "a"),
    ("::", False, ""),
    ("::a", False, ""),
    (":a:", True, ""),
]


@pytest.mark.parametrize(("id", "valid", "user"), IDS)
def test_which_ids_an_acl_may_hold_and_their_user(id: str, valid: bool, user: str) -> None:
    provider = DigestProvider()
    assert provider.is_valid(id) is valid
    assert provider.user_name(id) == user


def test_matching_is_equality() -> None:
    provider = DigestProvider()
    assert provider.is_authenticated
    assert provider.matches("user:hash", "user:hash")
    assert not provider.matches("user:hash", "user:Hash")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SHA1", "sha1"),
        ("SHA-1", "sha1"),
        ("SHA-512", "sha512"),
        ("sha256", "sha256"),
        ("SHA3-512", "sha3_512"),
        ("blake2b", "blake2b"),
    ],
)
def test_algorithms_by_javas_names_and_by_hashlibs(name: str, expected: str) -> None:
    assert algorithm_name(name) == expected


@pytest.mark.parametrize("name", ["", "SHA-9", "shake_128"])
def test_an_algorithm_without_a_fixed_digest_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is not available"):
        DigestProvider(algorithm=name)


# What ZooKeeper's getACL makes of a digest id.
MASKED = [
    ("user:abc=", "user:x"),
    ("user", "user"),
    ("a:b:c", "a:x"),
    ("u:ab\ncd:e", "u:x\ncd:x"),
    (":x", ":x"),
    ("u:a\r:b\u2028:c", "u:x\r:x\u2028:x"),
]


@pytest.mark.parametrize(("id", "masked"), MASKED)
def test_hashes_are_masked(id: str, masked: str) -> None:
    acl = (ACL(31, "digest", id), ACL(1, "ip", "::1"), ACL(1, "world", "anyone"))
    assert mask_digest(acl) == (ACL(31, "digest", masked), *acl[1:])
