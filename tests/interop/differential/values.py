"""What streams are made of: few paths, so that requests collide, and nasty values."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.interop.differential.admin import SUPER_PASSWORD

Acl = list[tuple[int, Any, Any]] | None

INT_MAX, INT_MIN = 2**31 - 1, -(2**31)
LONG_MAX = 2**63 - 1
TTL_MAX = 0xFFFFFFFFFF


def digest_id(user: str, password: str) -> str:
    proof = hashlib.sha1(f"{user}:{password}".encode()).digest()
    return f"{user}:{base64.b64encode(proof).decode()}"


NODES = [
    *("$R/a", "$R/b", "$R/a/b", "$R/a/c", "$R/a/b/c", "$R/e", "$R/con", "$R/ttl", "$R/big"),
    *("$R/a/b/c/d", "$R/con/x", "$R/\u00e9\u4e2d", "$R/a/s-", "$R/con/n", "$R/ttl/y", "$R/b/x y"),
]
SEQUENCE_PREFIXES = ["$R/", "$R/s-", "$R/a/s-", "$R/a/", "$R/con/n", "$R/b/q"]
SYSTEM = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/quota$R"]
QUOTA_ROOTS = ["/zookeeper/quota$R", "/zookeeper/quota$R/a", "/zookeeper/quota$R/a/b"]
BAD_PATHS: list[str] = [
    *("", "a", "$R/", "$R//a", "$R/.", "$R/..", "$R/a/../b", "$R/./a", "$R/...", "$R/x\0y"),
    *("$R/\x01", "$R/\x1f", "$R/\x7f", "$R/\x9f", "$R/\ue000", "$R/\uf8ff", "$R/\ufff0", "\0"),
    *("$R/\U0001f600", "$R/a/", "//"),
    *("/zookeeper/nosuch", "$R/nosuch/deep/path", "$R/\ufffd", "$R/\ud7ff"),
]
PATCHED_DATA = ["", "x", "hello", "count=1,bytes=-1", "\0\x01\x02", "\udcff\udcfe"]
DATA: list[str | None] = [*PATCHED_DATA, "z" * 100, "w" * 5000, None]
QUOTAS: list[str | None] = [
    *(
        "count=3,bytes=-1",
        "count=-1,bytes=10",
        "count=2,bytes=5=;byteHardLimit=10;countHardLimit=3",
    ),
    # No count that is no number: as a stats node it stops the peer at the next write below.
    *("count=1,bytes=1", "", "garbage", "bytes=4,count=4", None),
    *("count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2", "count=0,bytes=0"),
]
VERSIONS = [-1, -1, -1, -1, 0, 0, 1, 1, 2, 3, -2, INT_MAX, INT_MIN]
FLAGS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, -1, 255]
TTLS = [100000, 100000, 1, TTL_MAX, 0, -1, TTL_MAX + 1, LONG_MAX, -LONG_MAX]
WATCHER_TYPES = [1, 2, 3, 4, 5, 0, 6, -1]
ADD_WATCH_MODES = [0, 0, 0, 1, 1, 1, 2, -1]

OPEN: Acl = [(31, "world", "anyone")]
ALICE, BOB = digest_id("alice", "secret"), digest_id("bob", "pw")
ACLS: list[Acl] = [
    [(1, "world", "anyone")],
    [(31, "auth", "")],
    [(31, "auth", None)],
    [(31, "auth", "ignored")],
    [(31, "digest", ALICE)],
    [(1, "digest", BOB)],
    [(31, "digest", ALICE), (1, "world", "anyone")],
    [(15, "digest", ALICE), (16, "digest", BOB)],
    [(1, "world", "anyone"), (2, "digest", ALICE), (4, "digest", BOB)],
    [(31, "ip", "127.0.0.1")],
    [(31, "ip", "127.0.0.0/8")],
    [(31, "ip", "10.0.0.0/8"), (1, "world", "anyone")],
    [(31, "world", "anyone"), (31, "world", "anyone")],
    [(0, "world", "anyone")],
    [(-1, "world", "anyone")],
    [(255, "world", "anyone")],
    [(4, "world", "anyone")],
    [(8, "world", "anyone"), (16, "world", "anyone")],
]
BAD_ACLS: list[Acl] = [
    *([], None),
    [(31, "world", "nobody")],
    [(31, None, "anyone")],
    [(31, "", "")],
    [(31, "nosuch", "x")],
    [(31, "digest", "nocolon")],
    [(31, "digest", "a:b:c")],
    [(31, "digest", "")],
    [(31, "ip", "127.0.0.1/33")],
    [(31, "ip", "not-an-ip")],
    [(31, "ip", "::1")],
    [(31, "ip", "::1/64")],
    [(31, "ip", "")],
    [(31, "ip", "1.2.3")],
    [(31, "ip", "1.2.3.4/")],
    [(31, "ip", "1.2.3.4/-1")],
    [(31, "ip", "1.2.3.256")],
    [(31, "sasl", "bob")],
    [(31, "x509", "CN=bob")],
    [(31, "super", "x")],
    [(31, "world", "anyone"), (31, "nosuch", "x")],
]
AUTHS: list[tuple[str, str | None]] = [
    ("digest", "alice:secret"),
    ("digest", "alice:secret"),
    ("digest", "alice:wrong"),
    ("digest", "bob:pw"),
    ("digest", "bob:pw"),
    ("digest", f"super:{SUPER_PASSWORD}"),
    ("digest", "super:wrong"),
    ("ip", ""),
    ("ip", "10.1.2.3"),
]
BAD_AUTHS: list[tuple[str | None, str | None]] = [
    *(
        ("digest", "nocolon"),
        ("digest", ""),
        ("digest", "a:b:c"),
        ("digest", ":"),
        ("digest", None),
    ),
    *(("nosuch", "x"), ("world", "anyone"), ("auth", ""), ("sasl", "bob"), ("x509", ""), ("", "")),
    *((None, "x"), ("digest", "\udcff:\udcfe"), ("super", "x")),
]
TIMEOUTS = [30000, 30000, 30000, 12345, 10000, 60000, 0, 1, -1, 9999, 60001, INT_MAX, INT_MIN]
RAW_FRAMES = [
    "ffffffff",  # length -1
    "7fffffff",  # length over any limit
    "00200000",  # length 2 MiB
    "00000000",  # an empty frame
    "0000000300000a",  # shorter than a request header
    "0000000400000001",  # an xid alone
    "80000000",
]
