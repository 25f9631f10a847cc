"""Random histories over a few paths, so that operations meet."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.tree.model import ACLS, CONTAINER, SYSTEM, TTL_OWNER, Operation

PLAIN = [b"/a", b"/b", b"/a/x", b"/a/y", b"/a/x/p", b"/a/x/q", b"/b/z"]
QUOTAS = [
    b"/zookeeper/quota/a",
    b"/zookeeper/quota/a/zookeeper_limits",
    b"/zookeeper/quota/a/zookeeper_stats",
    b"/zookeeper/quota/a/x",
    b"/zookeeper/quota/a/x/zookeeper_limits",
    b"/zookeeper/quota/a/x/zookeeper_stats",
]
STATS = [path for path in QUOTAS if path.endswith(b"_stats")]
SESSIONS = [1, 2]

datas = st.sampled_from([None, b"", b"1", b"twenty-two", b"\x00" * 40])
acls = st.integers(0, len(ACLS) - 1)
owners = st.sampled_from([0, 0, 0, *SESSIONS, CONTAINER, TTL_OWNER])


def operations(paths: list[bytes]) -> st.SearchStrategy[Operation]:
    path = st.sampled_from(paths)
    settable = st.sampled_from([p for p in (*paths, *SYSTEM) if p not in STATS])
    return st.one_of(
        st.tuples(st.just("create"), path, datas, acls, owners),
        st.tuples(st.just("create"), path, datas, st.just(0), st.just(0)),
        st.tuples(st.just("delete"), path),
        st.tuples(st.just("set"), settable, datas),
        st.tuples(st.just("acl"), st.sampled_from([*paths, *SYSTEM]), acls),
        st.tuples(st.just("close"), st.sampled_from(SESSIONS)),
    )
