"""The options that commands on an ensemble share say the same everywhere."""

from __future__ import annotations

import pytest
from click import Command

from zoo.tools.config import config
from zoo.tools.reconfig import reconfig
from zoo.tools.transfer_leader import transfer_leader


def options(command: Command) -> dict[str | None, object]:
    return {each.name: each.to_info_dict() for each in command.params}


@pytest.mark.parametrize(("one", "other"), [(config, reconfig), (reconfig, transfer_leader)])
def test_whom_to_ask_is_asked_the_same(one: Command, other: Command) -> None:
    assert options(one)["hosts"] == options(other)["hosts"]


def test_credentials_may_stay_out_of_sight() -> None:
    assert options(reconfig)["auths"] == options(transfer_leader)["auths"]
    (auths,) = (each for each in reconfig.params if each.name == "auths")
    assert auths.envvar == "ZOO_AUTH"
