"""What the four-letter words see of a core."""

from __future__ import annotations

from tests.server.wire import START, WALL, Server, request
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.server.core_view import CoreView, HostFacts
from zoo.server.view import ServerConf

CONF = ServerConf(2181, "/data", "/log", 1000, 60, 2000, 20000)
HOST = HostFacts("v1", CONF, (("os.name", "Linux"),), lambda: 5, lambda: 6, lambda: 7, lambda: None)


def test_a_view_of_a_server_at_work() -> None:
    server = Server()
    view = CoreView(server.core, HOST)
    client, idle = server.client(4_000), server.client(8_000)
    client.create(b"/e", b"abc", flags=1)
    client.ask(Op.getData, c.GetDataRequest(b"/e", True))
    client.ask(Op.getChildren, c.GetChildrenRequest(b"/", True))
    client.send(request(5, Op.delete, c.DeleteRequest(b"/e", -1)) + request(6, Op.ping))

    assert (view.mode, view.is_serving, view.version) == ("standalone", True, "v1")
    assert view.conf() is CONF
    assert list(view.environment()) == [("os.name", "Linux")]
    assert (view.data_dir_size(), view.log_dir_size()) == (5, 6)
    assert (view.open_file_descriptors(), view.max_file_descriptors()) == (7, None)
    assert view.last_zxid() == server.core.tree.last_zxid
    assert view.znode_count() == len(server.core.tree.nodes) + 1
    assert view.approximate_data_size() == server.core.tree.data_size
    assert view.wall_offset_ms == WALL - START
    assert view.stats.outstanding_requests == 1
    assert (view.global_session_count(), view.local_session_count()) == (2, 0)
    assert view.ephemerals_count() == 1
    assert {sid: list(paths) for sid, paths in view.ephemerals().items()} == {
        client.session_id: [b"/e"]
    }
    assert view.watch_count() == 2
    assert "/e" in view.wchp()
    assert f"0x{client.session_id:x}" in view.wchc()
    assert view.wchs().startswith("1 connections watching 1 paths")
    shown = {stats.session_id: stats.outstanding for stats in view.connections()}
    assert shown == {client.session_id: 2, idle.session_id: 0}
    assert list(view.digest_log()) == []


def test_connections_expire_with_their_sessions() -> None:
    server = Server()
    view = CoreView(server.core, HOST)
    short, long = server.client(4_000), server.client(8_000)
    assert [list(ids) for ids in view.session_expiry().values()] == [
        [short.session_id],
        [long.session_id],
    ]
    long.connection.closed()
    ((moment, stats),) = view.connection_expiry().items()
    assert moment in view.session_expiry()
    assert [each.session_id for each in stats] == [short.session_id]
