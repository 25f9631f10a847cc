from __future__ import annotations

import pytest

from zoo.runtime.role_log import RoleLog
from zoo.zab.vote import ServerState


class Peer:
    my_id = 2
    state = ServerState.LOOKING
    zab_state = "election"
    leader_id: int | None = None

    def be(self, state: ServerState, phase: str, leader: int | None) -> None:
        self.state, self.zab_state, self.leader_id = state, phase, leader


def test_says_what_changes_and_how_long_it_took(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    peer = Peer()
    roles = RoleLog(peer)
    roles.observe(10.0)
    roles.observe(10.001)
    peer.be(ServerState.FOLLOWING, "discovery", 3)
    roles.observe(10.02)
    peer.be(ServerState.FOLLOWING, "broadcast", 3)
    roles.observe(10.05)
    peer.be(ServerState.LOOKING, "election", None)
    roles.observe(20.0)
    peer.be(ServerState.LEADING, "discovery", 2)
    roles.observe(20.03)
    peer.be(ServerState.LEADING, "synchronization", 2)
    roles.observe(20.04)
    peer.be(ServerState.LEADING, "broadcast", 2)
    roles.observe(20.06)
    assert [record.getMessage() for record in caplog.records] == [
        "looking for a leader",
        "elected server 3 after 20 ms: following, discovery",
        "following server 3: in step after 30 ms, serving 50 ms after the search began",
        "looking for a leader",
        "elected this server after 30 ms: leading, discovery",
        "leading: synchronization after 10 ms",
        "leading: in step after 20 ms, serving 60 ms after the search began",
    ]
