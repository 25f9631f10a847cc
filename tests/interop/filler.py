"""Fill a server with every kind of transaction, and read back all that a client can see of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.interop import session as s
from tests.interop.harness import Server, wait_until
from tests.interop.raw_client import LinkClosed, buffer
from tests.interop.session import OPEN, Refused, Session, Stat, dump

SUPER = (b"digest", b"super:test")
SUPER_SETTING = {"DigestAuthenticationProvider.superDigest": "super:D/InIHSb7yEEbrWz8b9l71RjZJU="}
DIGEST_ACL = ((31, b"digest", b"user:tpUq/4Pn5A64fVZyQ0gOJ8ZWqkY="),)
LONG_TTL = 3_600_000
NO_NODE, NO_AUTH, NODE_EXISTS, BAD_VERSION = -101, -102, -110, -103

Tree = dict[bytes, tuple[bytes | None, Stat, s.Acl]]


class OpenSession(NamedTuple):
    """A session left behind on purpose, with the ephemerals it owns."""

    id: int
    password: bytes
    timeout_ms: int
    ephemerals: tuple[bytes, ...]


def expect(code: int, call: Callable[[], object]) -> None:
    with pytest.raises(Refused) as refused:
        call()
    assert refused.value.code == code


def fill(server: Server, root: bytes) -> list[OpenSession]:
    """Every kind of txn below `root`; the sessions that are still open at the end."""
    client = Session(server.port)
    client.create(root, b"root")
    _all_kinds(client, root + b"/kinds")
    _changes(client, root + b"/changes")
    _acls(server, root + b"/acls")
    _multis(client, root + b"/multi")
    _quotas(client, root)
    _closed_session(server, root + b"/closed")
    client.close()
    return [_open_session(server, root + b"/open%d" % i, 20000 + 10000 * i) for i in range(2)]


def _all_kinds(client: Session, root: bytes) -> None:
    client.create(root, None)
    for mode in (s.PERSISTENT, s.CONTAINER, s.TTL):
        client.create(root + b"/n%d" % mode, b"data %d" % mode, mode, ttl=LONG_TTL)
    for mode in (s.SEQUENTIAL, s.TTL_SEQUENTIAL, s.SEQUENTIAL):
        client.create(root + b"/s%d-" % mode, b"", mode, ttl=LONG_TTL)
    client.create(root + b"/n%d/child" % s.CONTAINER, b"keeps the container")
    client.create(root + b"/n%d/child" % s.TTL, b"")
    client.create(root + "/żółw-\u4e2d".encode(), "ż\U0001f422".encode())
    client.create(root + b"/empty", b"")
    client.create(root + b"/null", None)
    client.create(root + b"/big", bytes(range(256)) * 1024)
    client.call(s.CREATE, s.create_body(root + b"/old-create", b"x"))


def _changes(client: Session, root: bytes) -> None:
    client.create(root, b"")
    for i in range(5):
        client.create(root + b"/%d" % i, b"x" * i)
        client.set(root + b"/%d" % i, b"y" * (20 - i))
    client.set(root + b"/0", None)
    client.set(root + b"/1", b"checked", 1)
    client.delete(root + b"/2")
    client.delete(root + b"/3", 1)
    client.create(root + b"/3", b"again")
    client.create(root + b"/s-", b"", s.SEQUENTIAL)
    expect(BAD_VERSION, lambda: client.set(root + b"/1", b"no", 7))
    expect(NODE_EXISTS, lambda: client.create(root + b"/1"))
    expect(NO_NODE, lambda: client.delete(root + b"/2"))
    expect(-111, lambda: client.delete(root))
    expect(NO_NODE, lambda: client.create(root + b"/nope/child"))
    expect(-114, lambda: client.create(root + b"/badacl", acl=((31, b"nosuch", b"x"),)))


def _acls(server: Server, root: bytes) -> None:
    client = Session(server.port)
    client.auth(b"digest", b"user:password")
    client.create(root, b"")
    client.create(root + b"/auth", b"", acl=((31, b"auth", b""),))
    client.create(root + b"/digest", b"", acl=DIGEST_ACL)
    client.create(root + b"/ip", b"", acl=((3, b"ip", b"127.0.0.0/8"), (1, b"world", b"anyone")))
    client.create(root + b"/changed", b"")
    client.set_acl(root + b"/changed", ((1, b"world", b"anyone"), *DIGEST_ACL), 0)
    client.create(root + b"/reopened", b"", acl=DIGEST_ACL)
    client.set_acl(root + b"/reopened", OPEN)
    expect(BAD_VERSION, lambda: client.set_acl(root + b"/changed", OPEN, 7))
    client.close()
    stranger = Session(server.port)
    expect(NO_AUTH, lambda: stranger.set(root + b"/digest", b"no"))
    stranger.close()


def _multis(client: Session, root: bytes) -> None:
    client.multi(
        [
            (s.CREATE2, s.create_body(root, b"")),
            (s.CREATE, s.create_body(root + b"/s-", b"1", s.SEQUENTIAL)),
            (s.CREATE_CONTAINER, s.create_body(root + b"/c", b"", s.CONTAINER)),
            (s.CREATE_TTL, s.create_body(root + b"/t", b"", s.TTL, ttl=LONG_TTL)),
            (s.CREATE, s.create_body(root + b"/gone", b"")),
            (s.SET_DATA, s.set_body(root, b"set in the multi that made it", 0)),
            (s.CHECK, buffer(root) + s.INT.pack(1)),
            (s.DELETE, s.delete_body(root + b"/gone", 0)),
        ]
    )
    failed = client.multi(
        [
            (s.SET_DATA, s.set_body(root, b"never")),
            (s.CREATE, s.create_body(root + b"/s-", b"never", s.SEQUENTIAL)),
            (s.DELETE, s.delete_body(root + b"/nope")),
        ]
    )
    assert s.multi_results(failed)[2] == NO_NODE
    assert client.get(root)[0] == b"set in the multi that made it"


def _quotas(client: Session, root: bytes) -> None:
    at = b"/zookeeper/quota"
    for name in (root + b"/changes").strip(b"/").split(b"/"):
        at += b"/" + name
        client.create(at)
    client.create(at + b"/zookeeper_limits", b"count=1000,bytes=100000")
    client.create(at + b"/zookeeper_stats", b"count=0,bytes=0")
    client.create(root + b"/changes/counted", b"12345")
    client.set(root + b"/changes/counted", b"1234567")


def _closed_session(server: Server, root: bytes) -> None:
    client = Session(server.port)
    client.create(root, b"its ephemerals are gone")
    for i in range(3):
        client.create(root + b"/e%d" % i, b"", s.EPHEMERAL)
    client.close()


def _open_session(server: Server, root: bytes, timeout_ms: int) -> OpenSession:
    client = Session(server.port, timeout_ms)
    client.create(root, b"")
    made = [client.create(root + b"/e", b"mine", s.EPHEMERAL)[0]]
    made += [client.create(root + b"/es-", b"", s.EPHEMERAL_SEQUENTIAL)[0] for _ in range(2)]
    client.drop()
    return OpenSession(client.id, client.password, client.timeout_ms, tuple(made))


def more(server: Server, root: bytes) -> None:
    """What a second server adds: sequence numbers go on, old nodes change, new ones come."""
    client = Session(server.port)
    kinds = root + b"/kinds"
    before = client.get(kinds)[1]
    made, _ = client.create(kinds + b"/after-", b"", s.SEQUENTIAL)
    creates = (before.cversion + before.num_children) // 2
    assert made.endswith(b"-%010d" % creates), (made, before)
    client.set(root + b"/changes/4", b"by the other server")
    client.create(kinds + b"/brief")
    client.delete(kinds + b"/brief", 0)
    client.set(root + b"/changes/counted", b"123456789")
    client.close()


def picture(server: Server) -> Tree:
    """The tree as the super user sees it. Costs two transactions, which do not change the tree."""
    client = Session(server.port)
    client.auth(*SUPER)
    tree = dump(client)
    client.close()
    return tree


def differences(one: Tree, other: Tree) -> list[str]:
    """A line for each path whose data, Stat or ACL differs."""
    return [
        f"{path.decode()}: {one.get(path)} != {other.get(path)}"
        for path in sorted(one.keys() | other.keys())
        if one.get(path) != other.get(path)
    ]


def digest_log(server: Server) -> dict[str, str]:
    """Digest by zxid, both hexadecimal, as `hash` tells them: one line every 128 transactions."""
    rows = (line.split(":") for line in server.four_letter("hash").splitlines() if ":" in line)
    return {zxid.strip(): digest.strip() for zxid, digest in rows}


def write_to_digest_point(server: Server) -> int:
    """Write until a transaction whose digest is logged; its zxid."""
    client = Session(server.port)
    path = client.create(b"/digest-point-", b"", s.SEQUENTIAL)[0]
    while (zxid := client.set(path, b"x").mzxid) % 128:
        pass
    client.drop()  # closing it would be one more transaction
    return zxid


def reattach(server: Server, left: OpenSession) -> Session:
    client = Session(server.port, left.timeout_ms, left.id, left.password)
    assert client.id == left.id, (hex(client.id), hex(left.id))
    for path in left.ephemerals:
        assert client.get(path)[1].ephemeral_owner == left.id
    return client


def assert_password_guards(server: Server, left: OpenSession) -> None:
    try:
        client = Session(server.port, left.timeout_ms, left.id, b"x" * 16)
    except LinkClosed:
        return
    assert client.id == 0, "re-attached with a wrong password"


def assert_expires(server: Server, left: OpenSession) -> None:
    """A session nobody comes back to is ended by the server that now has the files."""
    client = Session(server.port)

    def gone() -> bool:
        try:
            client.get(left.ephemerals[0])
        except Refused as refused:
            return refused.code == NO_NODE
        return False

    wait_until(gone, left.timeout_ms / 1000 + 20, "the abandoned session expires", 0.2)
    client.close()
