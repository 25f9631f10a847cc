from __future__ import annotations

from zoo.config_keys_other import OTHER_KEYS
from zoo.config_row import Status

BY_NAME = {key.name: key for key in OTHER_KEYS}


def test_none_is_in_force() -> None:
    assert {key.status for key in OTHER_KEYS} == {Status.LATER, Status.JVM}


def test_what_would_restrict_access_is_refused_rather_than_ignored() -> None:
    names = ["enforce.auth.enabled", "sessionRequireClientSASLAuth", "sslQuorum"]
    assert all("not supported yet" in BY_NAME[name].refused["true"] for name in names)


def test_passwords_are_secret() -> None:
    assert BY_NAME["SASLAuthenticationProvider.superPassword"].secret


def test_java_only_rows_share_one_group() -> None:
    java = {key.group for key in OTHER_KEYS if key.status is Status.JVM}
    assert java == {"Java only"}
