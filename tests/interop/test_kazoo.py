"""kazoo's own suite: what passes on Apache ZooKeeper passes on Zoo (see kazoo_suite.py)."""

from __future__ import annotations

import pytest

from tests.interop import kazoo_suite

pytestmark = pytest.mark.interop


@pytest.mark.usefixtures("needs_zoo")
def test_all_that_passes_on_java_passes_on_zoo() -> None:
    failing, compared, text = kazoo_suite.compare()
    assert compared > 250
    assert not failing, f"{len(failing)} of {compared} fail: {failing}\n{text[-6000:]}"


@pytest.mark.usefixtures("needs_zoo")
def test_changes_of_the_membership_of_three_servers() -> None:
    tests = ["test_client.py::TestReconfig"]
    failing, compared, text = kazoo_suite.compare(tests, size=3)
    assert compared == 3
    assert not failing, f"{failing}\n{text[-6000:]}"


@pytest.mark.slow
@pytest.mark.usefixtures("needs_zoo")
def test_all_that_passes_on_three_java_servers_passes_on_three_of_zoo() -> None:
    failing, compared, text = kazoo_suite.compare(size=3)
    assert compared > 250
    assert not failing, f"{len(failing)} of {compared} fail: {failing}\n{text[-6000:]}"


def test_the_baseline_names_tests_of_the_installed_suite() -> None:
    files = {test.split("::")[0] for test in kazoo_suite.read_baseline(3)}
    assert {name for name in files if not (kazoo_suite.suite_dir() / name).exists()} == set()
    assert set(kazoo_suite.CORE_FILES) <= files
