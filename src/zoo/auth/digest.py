"""Scheme `digest`: a user name and a password; ACLs and connections carry `user:hash` of both."""

from __future__ import annotations

import base64
import hashlib
import re

from zoo.errors import Code, KeeperError
from zoo.jute.records import ACL
from zoo.tree.acl import SUPER, Acl, Identity, Peer

DEFAULT_ALGORITHM = "SHA1"

# Java's "." stops at these.
_secret = re.compile(":[^\n\r\u0085\u2028\u2029]*")


def algorithm_name(name: str) -> str:
    """hashlib's name for an algorithm named as in Java (SHA-256, SHA3-512) or as in hashlib.

    ValueError if this Python does not have it, or if its length is not fixed.
    """
    lower = name.lower()
    plain = lower.replace("sha3-", "sha3_").replace("-", "").replace("/", "_")
    for candidate in (plain, lower):
        try:
            size = hashlib.new(candidate, usedforsecurity=False).digest_size
        except ValueError:
            continue
        if size:
            return candidate
    raise ValueError(
        f"digest algorithm {name!r} is not available; usual ones: SHA1, SHA-256, SHA-512, SHA3-256"
    )


def digest(id_password: str, algorithm: str = DEFAULT_ALGORITHM) -> str:
    """`user:password` -> `user:` and the hash of the whole text in base64, as ACLs have it."""
    raw = hashlib.new(algorithm_name(algorithm), id_password.encode(), usedforsecurity=False)
    user = id_password.partition(":")[0]
    return f"{user}:{base64.b64encode(raw.digest()).decode()}"


def mask_digest(acl: Acl) -> Acl:
    """What getACL shows of a list to those who may not administer it: `user:x` for each hash."""
    return tuple(
        ACL(entry.perms, entry.scheme, _secret.sub(":x", entry.id))
        if entry.scheme == DigestProvider.scheme
        else entry
        for entry in acl
    )


class DigestProvider:
    """ZooKeeper's DigestAuthenticationProvider; the owner of `super_digest` is also `super`."""

    scheme = "digest"
    is_authenticated = True

    def __init__(self, super_digest: str | None = None, algorithm: str = DEFAULT_ALGORITHM) -> None:
        """ValueError for an algorithm that is not available."""
        self._super_digest = super_digest
        self._algorithm = algorithm_name(algorithm)

    def authenticate(self, token: bytes | None, peer: Peer) -> list[Identity]:
        """Any text is somebody: there is no list of users, a wrong password is another identity.

        KeeperError(AUTHFAILED) for a null token alone, as in ZooKeeper.
        """
        if token is None:
            raise KeeperError(Code.AUTHFAILED, "digest needs user:password")
        user = digest(token.decode("utf-8", "replace"), self._algorithm)
        identity = Identity(self.scheme, user)
        return [Identity(SUPER, ""), identity] if user == self._super_digest else [identity]

    def is_valid(self, id: str) -> bool:
        """Two parts around one colon; as in ZooKeeper colons at the very end do not count."""
        return id.rstrip(":").count(":") == 1

    def matches(self, identity: str, expression: str) -> bool:
        return identity == expression

    def user_name(self, identity: str) -> str:
        return identity.partition(":")[0]
