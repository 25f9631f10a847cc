"""Apache ZooKeeper's own command line at work on both servers: the two transcripts are equal.

Times, the server's port and session ids are taken out, and listings that Java gives in hash order
are sorted; everything else, down to zxids and the wording of errors, must be the same.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.interop import harness
from tests.interop.harness import Server

pytestmark = pytest.mark.interop

NODES = """
create /a hello
create /a again
create -s /a/s- one
create -e /a/e two
create -e -s /a/es- three
create -c /a/c four
create -t 600000 /a/t five
create -s -t 600000 /a/st- six
create /a/e/child x
create /nope/child x
create bad
create /a//b x
create /a/. x
create /null
get -s /a
get -s /a/c
get -s /a/t
get /a/st-0000000005
get /nope
get -s /a/es-0000000002
ls /a
ls -s /a
ls -R /a
ls /nope
stat /a
stat /nope
set /a world
set -s /a world2
set -v 2 /a third
set -v 1 /a never
getEphemerals
getEphemerals /a/es
getAllChildrenNumber /
getAllChildrenNumber /a
delete -v 7 /a/s-0000000000
delete /a
delete /a/s-0000000000
delete /nope
sync /a
printwatches
printwatches off
printwatches
deleteall /a
ls /
"""

ACLS = """
whoami
create /acl x
getAcl /acl
getAcl -s /acl
addauth digest user:password
whoami
create /acl/auth y auth::cdrwa
getAcl /acl/auth
create /acl/digest y digest:other:l/WWQMEJvHDdk3y8BNFWSmaANKE=:r
getAcl /acl/digest
get /acl/digest
set /acl/digest z
create /acl/ip y ip:127.0.0.0/8:rw,ip:::1:r
getAcl /acl/ip
set /acl/ip z
delete /acl/ip
setAcl -s /acl world:anyone:cdrw
setAcl /acl world:anyone:cdrwa
setAcl -v 0 /acl/auth world:anyone:r
getAcl -s /acl/auth
setAcl -v 9 /acl/auth world:anyone:cdrwa
create /acl/auth/child z
create /acl/bad z nosuch:scheme:r
create /acl/badip z ip:1.2.3:r
setAcl -R /acl world:anyone:cdrwa
getAcl /acl/digest
addauth nosuch x
"""

QUOTAS = """
create /q x
create /q/one 12345
setquota -n 2 /q
listquota /q
create /q/two y
create /q/three y
setquota -b 100 /q
setquota -N 5 /q
setquota -B 200 /q
listquota /q
get /zookeeper/quota/q/zookeeper_limits
get /zookeeper/quota/q/zookeeper_stats
set /q/one 123456789
get /zookeeper/quota/q/zookeeper_stats
delete /q/three
get /zookeeper/quota/q/zookeeper_stats
setquota -n 2 /q/one
setquota -n 2 /nope
setquota -n 2 /zookeeper/quota
delquota -n /q
listquota /q
delquota /q
listquota /q
ls -R /zookeeper
setquota -n 3 /q/one
deleteall /q
ls -R /zookeeper
delete /zookeeper/quota
create /zookeeper/x y
config
reconfig -remove 2
"""

WATCHES = """
create /w x
get -w /w
set /w y
set /w z
ls -w /w
create /w/c x
stat -w /w
delete /w/c
set /w zz
addWatch -m PERSISTENT /w
set /w 1
create /w/d x
delete /w/d
addWatch -m PERSISTENT_RECURSIVE /w
set /w 2
create /w/e x
create /w/e/f x
set /w/e/f 3
deleteall /w/e
removewatches /w
set /w 4
removewatches /w
get -w /w
removewatches /w -d
removewatches /w -c
config -w
version
history
close
"""

SCRIPTS = {"nodes": NODES, "acls": ACLS, "quotas": QUOTAS, "watches": WATCHES}


def run_cli(server: Server, script: str, deadline: float = 60.0) -> str:
    """Feed the lines to ZooKeeperMain; stdout and stderr as one text in the order written."""
    done = subprocess.run(
        harness.java_command(
            "org.apache.zookeeper.ZooKeeperMain",
            *("-server", server.address, "-timeout", "20000"),
        ),
        input="".join(f"{line}\n" for line in [*script.strip().splitlines(), "quit"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=deadline,
    )
    return done.stdout


def normalised(text: str, server: Server) -> list[str]:
    """The lines without times, port, session ids, and with lists and watch events in one order."""
    text = text.replace(server.address, "SERVER")
    text = re.sub(r"([cm]time = ).*", r"\1*", text)
    text = re.sub(r"(ephemeralOwner = 0x)[1-9a-f][0-9a-f]{8,}", r"\1SESSION", text)
    text = re.sub(r"(session[ -]?id:? ?(?:is )?=? ?)0x[0-9a-f]+", r"\1SESSION", text, flags=re.I)
    text = re.sub(r"^(\d{4}-\d\d-\d\d |SLF4J: ).*\n", "", text, flags=re.M)  # of any thread
    text = re.sub(
        r"\[([^][\n]*)\]",
        lambda m: "[" + ", ".join(sorted(m[1].split(", "))) + "]",
        text,
    )
    text = re.sub(r"\nWATCHER::\n\n(WatchedEvent .*)\n", r"\n\1\n", text)
    text = re.sub(r"(?<=^Auth scheme: User\n)(?:\w+: \S+\n)+", _sorted_lines, text, flags=re.M)
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line]


def _sorted_lines(found: re.Match[str]) -> str:
    """whoami lists identities in hash order."""
    return "".join(sorted(found[0].splitlines(keepends=True)))


def split_events(lines: list[str]) -> tuple[list[str], list[str]]:
    """(command output, watch events), each in its order: the event thread prints when it likes.

    A command's line may fall between an event and its heading, and the program may end before the
    event of its own closing is printed: neither heading nor that event is compared.
    """
    events = [line for line in lines if line.startswith("WatchedEvent")]
    output = [line for line in lines if not line.startswith(("WatchedEvent", "WATCHER::"))]
    return output, [line for line in events if "state:Closed" not in line]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.usefixtures("needs_java", "needs_zoo")
def test_same_transcript(name: str, start_server: Callable[..., Server]) -> None:
    seen = {}
    for kind in harness.KINDS:
        server = start_server(kind)
        seen[kind] = split_events(normalised(run_cli(server, SCRIPTS[name]), server))
    assert seen["zoo"][0] == seen["java"][0]
    assert seen["zoo"][1] == seen["java"][1]


@pytest.mark.usefixtures("needs_java")
def test_the_scripts_do_real_work_on_java(start_server: Callable[..., Server]) -> None:
    server = start_server("java")
    output, _ = split_events(normalised(run_cli(server, NODES), server))
    assert "Created /a/st-0000000005" in output
    assert "Node already exists: /a" in output
    assert "version No is not valid : /a" in output
    assert output[-1] == "[null, zookeeper]"
