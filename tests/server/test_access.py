"""Who may do what, with the schemes of a real registry."""

from __future__ import annotations

import pytest

from zoo.auth.digest import digest
from zoo.auth.registry import AuthRegistry
from zoo.errors import Code, KeeperError
from zoo.jute.constants import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, Perms
from zoo.jute.records import ACL, ClientInfo, Id
from zoo.server.access import Access

ANN = digest("ann:secret")
BOB = digest("bob:secret")
BOSS = digest("boss:secret")
FOR_ANN = (ACL(Perms.READ | Perms.WRITE, "digest", ANN), ACL(Perms.READ, "ip", "10.0.0.0/8"))


class Requester:
    def __init__(self, *identities: Id) -> None:
        self.identities = list(identities)


NEAR, FAR = Requester(Id("ip", "10.1.2.3")), Requester(Id("ip", "192.168.0.1"))
FAR_ANN = Requester(*FAR.identities, Id("digest", ANN))


@pytest.fixture
def access() -> Access:
    return Access(AuthRegistry(super_digest=BOSS))


@pytest.mark.parametrize(
    ("who", "perm", "may"),
    [
        (NEAR, Perms.READ, True),
        (NEAR, Perms.WRITE, False),
        (FAR, Perms.READ, False),
        (FAR_ANN, Perms.READ, True),
        (FAR_ANN, Perms.WRITE, True),
        (FAR_ANN, Perms.ADMIN, False),
        (FAR_ANN, Perms.ADMIN | Perms.READ, True),  # any of several
        (Requester(Id("digest", BOB)), Perms.READ, False),
        (Requester(), Perms.READ, False),
        (Requester(Id("super", "")), Perms.ADMIN, True),
    ],
)
def test_permits(access: Access, who: Requester, perm: int, may: bool) -> None:
    assert access.permits(who, FOR_ANN, perm, b"/a") is may


def test_an_open_list_permits_everybody_and_an_unknown_scheme_nobody(access: Access) -> None:
    assert access.permits(Requester(), OPEN_ACL_UNSAFE, Perms.ALL, b"/a")
    kerberos = (ACL(Perms.ALL, "sasl", "ann"),)
    assert not access.permits(Requester(Id("sasl", "ann")), kerberos, Perms.READ, b"/a")


def test_without_the_digest_scheme_its_entries_mean_nobody() -> None:
    access = Access(AuthRegistry(digest_enabled=False))
    assert not access.permits(FAR_ANN, FOR_ANN, Perms.WRITE, b"/a")
    assert access.permits(NEAR, FOR_ANN, Perms.READ, b"/a")


def test_skip_acl_permits_everything_and_still_checks_new_lists() -> None:
    access = Access(AuthRegistry(), skip_acl=True)
    assert access.permits(Requester(), FOR_ANN, Perms.ADMIN, b"/a")
    with pytest.raises(KeeperError) as refusal:
        access.fixup(FAR, [ACL(31, "nonsense", "x")])
    assert refusal.value.code is Code.INVALIDACL


def test_fixup_spells_out_auth_with_what_names_somebody(access: Access) -> None:
    assert access.fixup(FAR_ANN, CREATOR_ALL_ACL) == (ACL(31, "digest", ANN),)
    assert access.fixup(FAR, [*FOR_ANN, *FOR_ANN]) == FOR_ANN


@pytest.mark.parametrize(
    "acl",
    [[], [ACL(31, "auth", "")], [ACL(31, "digest", "no colon")], [ACL(31, "ip", "not an address")]],
)
def test_fixup_refuses(access: Access, acl: list[ACL]) -> None:
    with pytest.raises(KeeperError) as refusal:
        access.fixup(FAR, acl)
    assert refusal.value.code is Code.INVALIDACL


def test_mask_hides_the_hash_and_nothing_else(access: Access) -> None:
    assert access.mask(FOR_ANN) == (ACL(3, "digest", "ann:x"), FOR_ANN[1])
    assert access.mask(OPEN_ACL_UNSAFE) == OPEN_ACL_UNSAFE


def test_client_infos_show_names_and_no_hashes(access: Access) -> None:
    assert access.client_infos(FAR_ANN) == [
        ClientInfo("ip", "192.168.0.1"),
        ClientInfo("digest", "ann"),
    ]
