"""Leadership goes from a Zoo to a Zoo or to a Java server, while clients of all members write."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.interop.ensemble import Ensemble
from tests.interop.harness import wait_until
from tests.interop.rewriter import Rewriter
from tests.tools.test_transfer_leader import Busy
from zoo.tools.cli import main

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]


def transfer(ensemble: Ensemble, target: int) -> str:
    arguments = ["transfer-leader", str(target), "--server", ensemble.addresses()]
    return CliRunner().invoke(main, arguments).output


def writes_on(client: Busy | Rewriter) -> None:
    before = client.count
    wait_until(lambda: client.count > before, 30.0, "the client writes on")


def test_to_a_zoo_beside_a_java_follower_and_to_the_java_server(tmp_path: Path) -> None:
    """Server 3 leads at first: it has the greatest number, and nobody has written."""
    with Ensemble.running(tmp_path, ["java", "zoo", "zoo"], skipACL="yes") as ensemble:
        if ensemble.leader() == 1:
            pytest.skip("the Java server was elected, and cannot hand over")
        two, three = Busy(ensemble[2].address), Busy(ensemble[3].address)
        with two, three, Rewriter(ensemble[1].address, "/java") as one:
            for target in (2, 3, 2, 1):
                if ensemble.leader() == target:
                    continue
                said = transfer(ensemble, target)
                assert f"server {target} leads" in said
                assert ensemble.leader() == target
                for each in (two, three, one):
                    writes_on(each)
            ensemble.settled()
        two.check()
        three.check()
        assert one.problem is None
        assert "cannot hand over" not in transfer(ensemble, 2), "a Java server leads"
        wait_until(lambda: len(set(ensemble.zxids().values())) == 1, 30.0, "all have the same")


def test_a_java_leader_is_not_asked_for_more_than_it_knows(tmp_path: Path) -> None:
    with Ensemble.running(tmp_path, ["zoo", "java", "java"], skipACL="yes") as ensemble:
        leader = ensemble.leader()
        if leader == 1:
            assert "server 2 leads" in transfer(ensemble, 2)
            leader = 2
        said = transfer(ensemble, 1)
        assert "does not lead, or is no Zoo" in said
        assert ensemble.leader() == leader
