from __future__ import annotations

from zoo.config_row import STATUS_DOC, Key, Status


def test_every_status_is_explained() -> None:
    assert list(STATUS_DOC) == list(Status)


def test_a_secret_is_shown_masked_and_anything_else_as_it_is() -> None:
    assert Key("password", "", secret=True).show("hunter2") == "****"
    assert Key("password", "", secret=True).show("") == ""
    assert Key("ssl.*", "").show("hunter2", "ssl.keyStore.password") == "****"
    assert Key("ssl.*", "").show("/p", "ssl.keyStore.passwordPath") == "/p"
    assert Key("tickTime", "").show("3000") == "3000"
