"""Gauges read the view when asked, and `monitor_values` joins them with the metrics."""

from __future__ import annotations

from tests.server.view_double import NOW_MS, ViewDouble, of_ensemble, two_clients
from zoo.server.gauges import GAUGES, monitor_values


def test_values_are_read_when_asked() -> None:
    view = ViewDouble()
    before = monitor_values(view, NOW_MS)
    view.clients = two_clients()
    view.stats.outstanding_requests += 3
    after = monitor_values(view, NOW_MS + 1000)
    assert (before["num_alive_connections"], after["num_alive_connections"]) == (0, 2)
    assert (before["outstanding_requests"], after["outstanding_requests"]) == (0, 3)
    assert (before["uptime"], after["uptime"]) == (320, 1320)


def test_version_and_state_come_first_then_gauges_then_metrics() -> None:
    view = of_ensemble(leads=True)
    keys = list(monitor_values(view, NOW_MS))
    assert keys[:3] == ["version", "server_state", "peer_state"]
    gauges = [gauge.name for gauge in GAUGES if gauge.name != "observer_master_id"]
    assert keys[3 : 3 + len(gauges)] == gauges
    assert keys[3 + len(gauges) :] == list(view.stats.metrics.snapshot())


def test_a_value_of_none_leaves_its_key_out() -> None:
    view = ViewDouble()
    view.open_files = None
    assert "open_file_descriptor_count" not in monitor_values(view, NOW_MS)


def test_no_gauge_shares_its_name_with_a_metric() -> None:
    names = [gauge.name for gauge in GAUGES]
    assert len(set(names)) == len(names)
    assert not set(names) & set(ViewDouble().stats.metrics.snapshot())


def test_members_show_the_ensemble_and_leaders_their_learners() -> None:
    follower = monitor_values(of_ensemble(leads=False), NOW_MS)
    assert follower["peer_state"] == "following - broadcast"
    assert follower["quorum_size"] == 3
    assert "learners" not in follower
    leader = monitor_values(of_ensemble(leads=True), NOW_MS)
    shown = ["learners", "synced_followers", "synced_observers", "pending_syncs", "leader_uptime"]
    assert [leader[key] for key in shown] == [3, 2, 1, 4, 5000]
    sizes = ["last_proposal_size", "min_proposal_size", "max_proposal_size"]
    assert [leader[key] for key in sizes] == [100, 50, 900]
    alone = monitor_values(ViewDouble(), NOW_MS)
    assert not {"peer_state", "quorum_size", "learners"} & alone.keys()


def test_a_follower_shows_the_observers_it_feeds_and_an_observer_who_feeds_it() -> None:
    view = of_ensemble(leads=False)
    assert view.facts is not None
    view.facts = view.facts._replace(fed_observers=2)
    assert monitor_values(view, NOW_MS)["synced_observers"] == 2
    view.facts = view.facts._replace(fed_observers=None, observer_master_id=3)
    values = monitor_values(view, NOW_MS)
    assert values["observer_master_id"] == 3
    assert "synced_observers" not in values
