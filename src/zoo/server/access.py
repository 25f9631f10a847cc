"""Who may do what: the ACL rules with the configured authentication schemes filled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.auth.digest import mask_digest
from zoo.auth.registry import AuthRegistry
from zoo.jute.records import ACL, ClientInfo
from zoo.tree import acl as rules
from zoo.tree.acl import Acl


class Access:
    """The answers to the questions of zoo.pipeline.writes.AccessControl."""

    def __init__(self, registry: AuthRegistry, *, skip_acl: bool = False) -> None:
        self.registry = registry
        self.skip_acl = skip_acl

    def permits(self, requester: Any, acl: Acl, perm: int, path: bytes) -> bool:
        return self.skip_acl or rules.check(
            acl, perm, requester.identities, self.registry.providers
        )

    def fixup(self, requester: Any, acl: Sequence[ACL]) -> Acl:
        return rules.fixup(acl, requester.identities, self.registry.providers)

    def mask(self, acl: Acl) -> Acl:
        return mask_digest(acl)

    def client_infos(self, requester: Any) -> list[ClientInfo]:
        return self.registry.who_am_i(requester.identities)
