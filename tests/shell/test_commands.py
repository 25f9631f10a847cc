from __future__ import annotations

import subprocess
import sys

import click
import pytest

from zoo.shell.commands import COMMANDS, find, one_shot

# Of ZooKeeper 3.9.5's own command line, `help` there being the answer to anything unknown.
ZKCLI = {
    *("addWatch", "addauth", "close", "config", "connect", "create", "delete", "deleteall"),
    *("delquota", "get", "getAcl", "getAllChildrenNumber", "getEphemerals", "history"),
    *("listquota", "ls", "printwatches", "quit", "reconfig", "redo", "removewatches", "set"),
    *("setAcl", "setquota", "stat", "sync", "version", "whoami"),
}


def test_all_of_zkcli_is_there_and_more() -> None:
    assert COMMANDS.keys() > ZKCLI
    ours = COMMANDS.keys() - ZKCLI
    assert ours == {"exit", "export", "help", "import", "multi", "top", "tree", "watch"}


def test_names_may_be_spelt_in_other_ways() -> None:
    assert find("getacl") is find("get-acl") is find("getAcl") is COMMANDS["getAcl"]


def test_an_unknown_command() -> None:
    with pytest.raises(click.UsageError, match="there is no command 'gte'; did you mean get"):
        find("gte")
    with pytest.raises(click.UsageError, match="`help` lists the commands"):
        find("xyzzy")


def test_what_only_makes_sense_in_a_session_is_no_one_shot_command() -> None:
    assert one_shot("get") is COMMANDS["get"]
    assert one_shot("history") is None
    assert one_shot("nothing") is None


def test_the_table_loads_neither_the_client_nor_asyncio() -> None:
    script = (
        "import sys, zoo.shell.commands\n"
        "heavy = ('asyncio', 'zoo.client', 'rich', 'prompt_toolkit')\n"
        "print([module for module in heavy if module in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
