from __future__ import annotations

import inspect

import click
import pytest

from zoo.shell.commands import COMMANDS, find
from zoo.shell.table import Entry, normal


@pytest.mark.parametrize("entry", COMMANDS.values(), ids=lambda entry: entry.name)
def test_every_command_has_a_function_that_takes_its_parameters(entry: Entry) -> None:
    if entry.name == "redo":
        return  # the reader of lines does it itself
    parameters = inspect.signature(entry.action).parameters
    named = {param.name for param in entry.params if param.name}
    takes_more = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    assert takes_more or set(parameters) - {"shell"} == named


def test_parameters_by_name() -> None:
    given = find("get").parse(["-s", "/a"])
    assert (given["path"], given["stat"], given["watch"], given["as_json"]) == (
        *("/a", True),
        *(False, False),
    )


def test_data_that_begins_with_a_dash() -> None:
    with pytest.raises(click.UsageError, match="write -- before data that begins with a dash"):
        find("set").parse(["/a", "-5"])
    assert find("set").parse(["/a", "--", "-5"])["data"] == "-5"


def test_zkcli_spells_options_of_reconfig_with_one_dash() -> None:
    given = find("reconfig").parse(["-s", "-add", "server.4=h:1:2;3", "-remove", "1,2", "-v", "1f"])
    assert (given["add"], given["remove"], given["version"]) == ("server.4=h:1:2;3", "1,2", "1f")
    assert given["stat"]


def test_usage() -> None:
    assert find("setAcl").usage == "setAcl [-s] [-v VERSION] [-R] PATH ACL"
    assert find("getEphemerals").usage == "getEphemerals [PATH]"


def test_names_of_functions() -> None:
    names = {name: COMMANDS[name].function_name for name in ("getAllChildrenNumber", "import")}
    assert names == {"getAllChildrenNumber": "get_all_children_number", "import": "import_"}
    assert normal("get-All-children-number") == normal("getAllChildrenNumber")
