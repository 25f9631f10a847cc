"""The protocol the words read a server through: complete, and free of what a core may not have."""

from __future__ import annotations

import inspect

from tests.server.view_double import ViewDouble
from zoo.server.view import ServerConf, ServerView


def test_the_double_answers_everything_the_protocol_asks() -> None:
    asked = {name for name in vars(ServerView) if not name.startswith("_")}
    asked |= set(inspect.get_annotations(ServerView))
    double = ViewDouble()
    assert "trace_mask" in asked
    assert [name for name in sorted(asked) if not hasattr(double, name)] == []


def test_conf_defaults_are_those_of_a_plain_standalone_server() -> None:
    conf = ServerConf(2181, "/d", "/d", 2000, 60, 4000, 40000)
    assert conf.secure_client_port == conf.client_port_listen_backlog == -1
    assert conf.server_id == 0
