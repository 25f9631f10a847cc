from __future__ import annotations

import pytest

from zoo.jute import constants as k
from zoo.jute.constants import CreateMode, Perms
from zoo.jute.records import ACL


def test_perms() -> None:
    assert int(Perms.ALL) == Perms.READ | Perms.WRITE | Perms.CREATE | Perms.DELETE | Perms.ADMIN
    assert int(Perms.ALL) == 31
    assert type(31 & Perms.READ) is int


@pytest.mark.parametrize(
    ("number", "ephemeral", "sequential", "container", "ttl"),
    [
        (0, False, False, False, False),
        (1, True, False, False, False),
        (2, False, True, False, False),
        (3, True, True, False, False),
        (4, False, False, True, False),
        (5, False, False, False, True),
        (6, False, True, False, True),
    ],
)
def test_create_modes(
    number: int, ephemeral: bool, sequential: bool, container: bool, ttl: bool
) -> None:
    mode = CreateMode(number)
    assert mode.is_ephemeral is ephemeral
    assert mode.is_sequential is sequential
    assert mode.is_container is container
    assert mode.is_ttl is ttl


@pytest.mark.parametrize("number", [-1, 7])
def test_unknown_create_mode(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        CreateMode(number)


def test_numbers_on_the_wire() -> None:
    assert [int(x) for x in k.EventType] == [-1, 1, 2, 3, 4, 5, 6, 7]
    assert [int(x) for x in k.KeeperState] == [-1, 0, 1, 3, 4, 5, 6, 7, -112]
    assert [(x.name, int(x)) for x in k.WatcherType] == [
        ("CHILDREN", 1),
        ("DATA", 2),
        ("ANY", 3),
        ("PERSISTENT", 4),
        ("PERSISTENT_RECURSIVE", 5),
    ]
    assert list(map(int, k.AddWatchMode)) == [0, 1]
    assert (k.NOTIFICATION_XID, k.PING_XID, k.AUTH_XID, k.SET_WATCHES_XID) == (-1, -2, -4, -8)
    assert k.DEFAULT_MAX_BUFFER == 1024 * 1024 - 1


def test_well_known_acls() -> None:
    assert (ACL(31, *k.ANYONE_ID_UNSAFE),) == k.OPEN_ACL_UNSAFE
    assert (ACL(1, *k.ANYONE_ID_UNSAFE),) == k.READ_ACL_UNSAFE
    assert (ACL(31, *k.AUTH_IDS),) == k.CREATOR_ALL_ACL
