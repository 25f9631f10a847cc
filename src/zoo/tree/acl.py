"""Access control lists: each distinct one is stored once, and the rules that read them.

Theory of operation. Nearly every znode has one of a handful of lists, so a znode stores a small
integer and `AclTable` stores the lists, with a count of the znodes that use each. Ids and table
have the shape of ZooKeeper's snapshots: ids go up from 1; the list `world:anyone` with all
permissions is OPEN, -1, and is not in the table. (ZooKeeper writes it under -1 for its own znodes
and under a positive id for everybody else's; both are read as OPEN here.)

A snapshot of ZooKeeper is taken while it goes on serving: it may hold a znode whose ACL id is
younger than the table in front of it. The replay of the log then gives that znode its list. So an
unknown id is borne until then, is never given to another list meanwhile, and after the replay is an
error that says so (ZOOKEEPER-3306, -4846: there the znode stayed inaccessible, or the server did
not start).

The schemes behind `digest:...`, `ip:...` are `AuthProvider`s, made in `zoo.auth` and passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from zoo.errors import Code, KeeperError
from zoo.jute.codec import INT
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.jute.records import ACL, Id
from zoo.jute.schema import encode

Acl: TypeAlias = tuple[ACL, ...]
Identity: TypeAlias = Id
"""One thing a connection has proved about itself: a scheme and an id, such as ip and 10.0.0.1."""

OPEN: Final = -1
OPEN_ACL: Final[Acl] = OPEN_ACL_UNSAFE
OPEN_ACL_BYTES: Final = INT.pack(len(OPEN_ACL)) + b"".join(map(encode, OPEN_ACL))
"""As requests and transactions carry it."""
SUPER: Final = "super"


class Peer(NamedTuple):
    """What the transport knows about the other end of a connection, whatever the client claims."""

    ip: str
    certificate: bytes | None = None
    """The leaf certificate, DER, if TLS has verified one."""


class AuthProvider(Protocol):
    """One scheme: how an identity is proved, and when an ACL entry of this scheme means it."""

    @property
    def scheme(self) -> str: ...

    @property
    def is_authenticated(self) -> bool:
        """Do its identities name somebody? Only those stand in for `auth` in a new ACL."""

    def authenticate(self, token: bytes | None, peer: Peer) -> Sequence[Identity]:
        """The identities that a token earns. KeeperError(AUTHFAILED) if it earns none.

        `token` is the client's and proves nothing by itself; `peer` is the transport's word.
        ProtocolViolation drops the connection without an answer.
        """

    def is_valid(self, id: str) -> bool:
        """May `id` stand in an ACL entry of this scheme?"""

    def matches(self, identity: str, expression: str) -> bool:
        """Is the connection's `identity` meant by the id `expression` of an ACL entry?"""

    def user_name(self, identity: str) -> str:
        """The part of an identity that is fit to be shown: no hash, no secret."""


Providers: TypeAlias = Mapping[str, AuthProvider]


class UnknownAclError(Exception):
    """A snapshot refers to an ACL that neither it nor the log after it defines."""


class AclTable:
    """The distinct ACLs of a tree by id, each with the number of znodes that use it."""

    __slots__ = ("_acls", "_ids", "_last_id", "_merged", "_uses")

    def __init__(self) -> None:
        self._acls: dict[int, Acl] = {}
        self._ids: dict[Acl, int] = {}
        self._uses: dict[int, int] = {}
        self._merged: dict[int, int] = {}  # ids of the loaded snapshot that stand for another id
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._acls)

    def intern(self, acl: Acl | None) -> int:
        """The id of `acl`, with one use more. None is OPEN, as in ZooKeeper."""
        if acl is None or acl == OPEN_ACL:
            return OPEN
        acl_id = self._ids.get(acl)
        if acl_id is None:
            acl_id = self._last_id = self._last_id + 1
            self._acls[acl_id] = acl
            self._ids[acl] = acl_id
        self._uses[acl_id] = self._uses.get(acl_id, 0) + 1
        return acl_id

    def get(self, acl_id: int) -> Acl:
        """The list. UnknownAclError for an id that a snapshot used and nothing has defined."""
        if acl_id == OPEN:
            return OPEN_ACL
        acl = self._acls.get(acl_id)
        if acl is None:
            raise UnknownAclError(f"ACL id {acl_id} is not defined")
        return acl

    def release(self, acl_id: int) -> None:
        """One use less; with the last one the list leaves the table."""
        if acl_id == OPEN:
            return
        uses = self._uses[acl_id] - 1
        if uses > 0:
            self._uses[acl_id] = uses
            return
        del self._uses[acl_id]
        acl = self._acls.pop(acl_id, None)
        if acl is not None:
            del self._ids[acl]

    # --- to and from snapshots

    def items(self) -> tuple[tuple[int, Acl], ...]:
        """The table as it is now, OPEN excluded; later changes do not show."""
        return tuple(self._acls.items())

    def load(self, items: Iterable[tuple[int, Acl]]) -> None:
        """Replace the table by a snapshot's. No list is in use yet: `acquire` once per znode."""
        self.__init__()  # type: ignore[misc]
        for acl_id, acl in items:
            self._last_id = max(self._last_id, acl_id)
            known = OPEN if acl == OPEN_ACL else self._ids.setdefault(acl, acl_id)
            if known == acl_id:
                self._acls[acl_id] = acl
            else:
                self._merged[acl_id] = known

    def acquire(self, acl_id: int) -> int:
        """Count a loaded znode's use of a snapshot's id; returns the id to keep for the znode.

        That is another one where the snapshot has a list twice, or OPEN under a positive id.
        """
        acl_id = self._merged.get(acl_id, acl_id)
        if acl_id != OPEN:
            self._uses[acl_id] = self._uses.get(acl_id, 0) + 1
            if acl_id > self._last_id:
                self._last_id = acl_id  # an unknown one: keep it from being given to another list
        return acl_id

    def purge_unused(self) -> None:
        """Drop the lists of a loaded snapshot that no znode has acquired."""
        for acl_id in self._acls.keys() - self._uses.keys():
            del self._ids[self._acls.pop(acl_id)]

    def undefined(self) -> dict[int, int]:
        """Ids in use without a list, with the number of znodes that use them."""
        return {acl_id: n for acl_id, n in self._uses.items() if acl_id not in self._acls}

    def require_defined(self) -> None:
        """To be asked once the log is replayed: UnknownAclError unless all ids have a list."""
        undefined = self.undefined()
        if undefined:
            ids = ", ".join(f"{acl_id} ({n} znodes)" for acl_id, n in sorted(undefined.items()))
            raise UnknownAclError(
                "the snapshot refers to ACL ids that neither it nor the log after it defines: "
                f"{ids}; start from an older snapshot"
            )


def check(acl: Acl | None, perm: int, identities: Sequence[Identity], providers: Providers) -> bool:
    """May a connection with these identities do what needs any of the bits in `perm`?

    A null or empty list permits everything, and so does the identity `super`. The common case is
    not here: callers skip the call for a znode whose ACL id is OPEN, or where skipACL is on.
    """
    if not acl:
        return True
    for identity in identities:
        if identity.scheme == SUPER:
            return True
    for perms, scheme, expression in acl:
        if not perms & perm:
            continue
        if scheme == "world" and expression == "anyone":
            return True
        provider = providers.get(scheme)
        if provider is None:
            continue
        for identity in identities:
            if identity.scheme == scheme and provider.matches(identity.id, expression):
                return True
    return False


def fixup(acl: Iterable[ACL], identities: Sequence[Identity], providers: Providers) -> Acl:
    """The list to store for one that a client sent: without duplicates, `auth` spelled out.

    KeeperError(INVALIDACL) if it is empty, has a scheme nobody provides or an id the scheme
    refuses, or says `auth` on a connection that is nobody in particular.
    """
    if acl == OPEN_ACL:
        return OPEN_ACL
    fixed: list[ACL] = []
    for entry in dict.fromkeys(acl):
        perms, scheme, id = entry
        if scheme == "world" and id == "anyone":
            fixed.append(entry)
        elif scheme == "auth":
            # As in ZooKeeper, what this yields may repeat other entries.
            meant = [ACL(perms, *who) for who in identities if _names_somebody(who, providers)]
            if not meant:
                raise KeeperError(Code.INVALIDACL, "auth: the session has not authenticated")
            fixed += meant
        else:
            provider = providers.get(scheme)
            if provider is None:
                raise KeeperError(Code.INVALIDACL, f"no provider for scheme {scheme!r}")
            if not provider.is_valid(id):
                raise KeeperError(Code.INVALIDACL, f"not an id of scheme {scheme}: {id!r}")
            fixed.append(entry)
    if not fixed:
        raise KeeperError(Code.INVALIDACL, "the list is empty")
    return tuple(fixed)


def _names_somebody(who: Identity, providers: Providers) -> bool:
    provider = providers.get(who.scheme)
    return provider is not None and provider.is_authenticated
