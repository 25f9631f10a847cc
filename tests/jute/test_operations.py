from __future__ import annotations

from zoo.jute import schema
from zoo.jute.operations import OPERATIONS, Op, name_of

WRITES = {
    *("create", "create2", "createTTL", "createContainer", "delete", "deleteContainer"),
    *("setData", "setACL", "check", "multi", "reconfig", "createSession", "closeSession", "error"),
}


def names(**wanted: object) -> set[str]:
    """The operations whose columns have these values."""
    return {
        row.name
        for row in OPERATIONS.values()
        if all(getattr(row, column) == value for column, value in wanted.items())
    }


def test_every_number_has_one_row() -> None:
    assert OPERATIONS.keys() == set(Op)
    assert all(row.op == number for number, row in OPERATIONS.items())


def test_writes() -> None:
    assert names(is_write=True) == WRITES


def test_every_write_is_logged_as_something() -> None:
    assert {row.name for row in OPERATIONS.values() if row.txn} == WRITES


def test_what_multi_may_hold() -> None:
    assert names(allowed_in_multi=True, is_write=True) == {
        *("create", "create2", "createTTL", "createContainer", "delete", "setData", "check")
    }
    assert names(allowed_in_multi=True, is_write=False) == {"getData", "getChildren"}


def test_what_clients_may_not_send() -> None:
    assert names(client_may_send=False) == {
        *("notification", "error", "check", "deleteContainer", "createSession")
    }


def test_permissions() -> None:
    assert names(permission=1) == {
        *("check", "exists", "getData", "getChildren", "getChildren2", "getAllChildrenNumber")
    }
    assert names(permission=2) == {"setData", "reconfig", "transferLeader"}
    assert names(permission=4, on_parent=True) == {
        *("create", "create2", "createTTL", "createContainer")
    }
    assert names(permission=8, on_parent=True) == {"delete"}
    assert names(permission=16) == {"setACL"}
    assert names(permission=17) == {"getACL"}


def test_records_have_codecs() -> None:
    for row in OPERATIONS.values():
        for cls in (row.request, row.reply, row.txn):
            assert cls is None or schema.codec_of(cls).fields


def test_names() -> None:
    assert name_of(12) == "getChildren2"
    assert name_of(-11) == "closeSession"
    assert name_of(999) == "unknown 999"
