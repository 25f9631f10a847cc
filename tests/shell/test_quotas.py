from __future__ import annotations

import pytest

from tests.interop.harness import Server
from tests.shell.rig import refused, typed


@pytest.fixture
def top(live_server: Server) -> str:
    """Quotas are in /zookeeper, so these tests have no chroot; and /q is theirs."""
    return live_server.address


def test_quotas(top: str) -> None:
    rig = typed(
        top,
        *("create -p /q/one x", "setquota -n 5 -B 1000 /q", "listquota /q"),
        *("setquota -N 9 /q", "delquota -n /q", "listquota /q", "setquota -n 1 /q"),
        *("delquota /q", "ls /zookeeper/quota", "deleteall /q"),
    )
    lines = rig.out.lines
    assert lines[1:5] == [
        "Output quota for /q count=5,bytes=-1=;byteHardLimit=1000;countHardLimit=-1",
        "Output stat for /q count=2,bytes=1",
        "Output quota for /q count=-1,bytes=-1=;byteHardLimit=1000;countHardLimit=9",
        "Output stat for /q count=2,bytes=1",
    ]
    assert lines[-1] == "[]"
    assert rig.out.values[2]["used"] == {"count": 2, "bytes": 1}
    assert rig.out.notes == ["warning: /q is above its count limit already: 2"]


def test_quotas_do_not_nest(top: str) -> None:
    try:
        typed(top, "create -p /q/a/b", "setquota -n 5 /q/a")
        assert refused(top, "setquota -n 1 /q")[1] == (
            "/q: /q/a, below it, has a quota, and quotas do not nest"
        )
        assert refused(top, "setquota -n 1 /q/a/b")[1] == (
            "/q/a/b: /q/a, above it, has a quota, and quotas do not nest"
        )
    finally:
        typed(top, "delquota /q/a", "deleteall /q")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("setquota /none", 2, "say what to limit"),
        ("setquota -n 1 /none", 1, "/none: The znode does not exist."),
        ("setquota -n 1 /", 1, "/ cannot have a quota"),
        ("setquota -n 1 /zookeeper/quota", 1, "cannot have a quota"),
        ("setquota -n x /none", 2, "'x' is not a valid integer"),
        ("listquota /none", 1, "/none has no quota"),
        ("delquota /none", 1, "/none has no quota"),
    ],
)
def test_refusals(top: str, line: str, code: int, message: str) -> None:
    its_code, text = refused(top, line)
    assert (its_code, message in text) == (code, True), text


@pytest.mark.parametrize("line", ["setquota -n 1 /a", "listquota /a", "delquota /a"])
def test_not_below_a_chroot(hosts: str, line: str) -> None:
    assert refused(hosts, line) == (
        1,
        "quotas can only be reached without a chroot in the connect string",
    )
