"""Apache ZooKeeper's own command line changes the members of three servers, its own and ours: the
transcripts are equal.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interop.ensemble import Ensemble
from tests.interop.test_java_cli import normalised, run_cli, split_events

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]
SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="  # super:test
# Server 3 leads and stays (Java's commands may lose their connection when the leader leaves); the
# command line is connected to server 1.
SCRIPT = """
config
reconfig -remove 2
addauth digest super:test
config -w
reconfig -remove 2
config
config -c
config -s
reconfig -v 100 -add server.2={2}
reconfig -s -add server.2={2:observer}
reconfig -add server.2={2}
reconfig -add server.9=127.0.0.1:{port}
reconfig -add server.9=nonsense
reconfig -add nonsense
reconfig -add server.x={2}
reconfig -remove x
reconfig -remove 77
reconfig -remove 2,3
reconfig -remove 1,2,3
reconfig
reconfig -add server.2={2} -members server.1={1}
reconfig -v x -remove 2
reconfig -members server.1={1},server.2={2},server.3={3}
reconfig -members server.1={1},server.2={2:observer},server.3={3}
reconfig -members server.1={1},server.3={3},group.1=1:3
reconfig -members server.1={1},server.2={2},server.3={3},group.1=1:2,group.2=3,weight.1=2,weight.2=1
reconfig -remove 2
reconfig -members server.1={1},server.2={2},server.3={3}
reconfig -file {file}
reconfig -file /none/such
config
"""


def transcript(directory: Path, kind: str) -> tuple[list[str], list[str]]:
    """Output and watch events, with the ports named after whom they belong to."""
    settings = {
        "reconfigEnabled": "true",
        "DigestAuthenticationProvider.superDigest": SUPER_DIGEST,
        "tickTime": 2000,
    }
    ensemble = Ensemble(directory, [kind] * 3, 0, None, **settings)
    lines = {}
    for sid, server in ensemble.members.items():
        lines[sid] = f"{server.settings[f'server.{sid}']};127.0.0.1:{server.port}"
    file = directory / "members"
    file.write_text("".join(f"server.{sid}={line}\n" for sid, line in lines.items()))
    script = SCRIPT.replace("{file}", str(file)).replace("{port}", "1")
    for sid, line in lines.items():
        script = script.replace(f"{{{sid}}}", line)
        script = script.replace(f"{{{sid}:observer}}", line.replace("participant", "observer"))
    try:
        ensemble.start(1, 3)
        ensemble.start(2)
        assert ensemble.leader() == 3
        text = run_cli(ensemble[1], script, 120)
    finally:
        ensemble.kill()
    text = text.replace(str(file), "FILE")
    for sid, line in lines.items():
        ports = re.findall(r":(\d+)", line)
        for name, port in zip(("quorum", "election", "client"), ports):
            text = text.replace(port, f"{name.upper()}-{sid}")
    return split_events(normalised(text, ensemble[1]))


def test_same_transcript(tmp_path: Path) -> None:
    seen = {kind: transcript(tmp_path / kind, kind) for kind in ("zoo", "java")}
    assert seen["zoo"][0] == seen["java"][0]
    assert seen["zoo"][1] == seen["java"][1]
    assert any("Committed new configuration" in line for line in seen["java"][0])
