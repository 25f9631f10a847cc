from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.runtime.logs import JsonFormatter, TextFormatter, quoted, setup_logging


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """Give the root logger back to pytest after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "name": "zoo.x", "levelname": "INFO"})
    vars(made).update(fields)
    return made


def test_text_is_time_level_logger_message_fields() -> None:
    out = io.StringIO()
    setup_logging("info", "text", out)
    logging.getLogger("zoo.server").info("session opened", extra={"session": "0x1", "ms": 6000})
    time, rest = out.getvalue().split(" ", 1)
    assert rest == "INFO zoo.server session opened session=0x1 ms=6000\n"
    assert datetime.fromisoformat(time).tzinfo is not None
    assert re.search(r"\.\d{3}[+-]", time)


def test_json_is_one_object_per_line() -> None:
    out = io.StringIO()
    setup_logging("debug", "json", out)
    logging.getLogger("zoo.server").debug("a %s", "b\nc", extra={"zxid": 7, "path": b"/x"})
    event = json.loads(out.getvalue())
    assert out.getvalue().count("\n") == 1
    assert list(event) == ["time", "level", "logger", "message", "zxid", "path"]
    assert (event["message"], event["zxid"], event["path"]) == ("a b\nc", 7, "b'/x'")


def test_the_level_counts_and_a_second_setup_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    setup_logging("debug", "text", first)
    setup_logging("warning", "text", second)
    logging.getLogger("zoo").info("quiet")
    logging.getLogger("zoo").warning("loud")
    assert first.getvalue() == ""
    assert second.getvalue().endswith("WARNING zoo loud\n")


@pytest.mark.parametrize(("level", "form"), [("loud", "text"), ("info", "xml")])
def test_an_unknown_level_or_form_is_an_error(level: str, form: str) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        setup_logging(level, form)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (7, "7"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\nb", '"a\\nb"'),
        ("été", "été"),
        ("\x1b[31m", '"\\u001b[31m"'),
    ],
)
def test_values_are_quoted_when_they_could_mislead(value: object, text: str) -> None:
    assert quoted(value) == text


@given(st.text(), st.text())
def test_no_message_and_no_value_forges_a_line(message: str, value: str) -> None:
    made = record(message.replace("%", ""), path=value)
    assert TextFormatter().format(made).isprintable()
    assert JsonFormatter().format(made).isascii()
    assert len(JsonFormatter().format(made).splitlines()) == 1


def test_a_traceback_stands_behind_bars() -> None:
    out = io.StringIO()
    setup_logging("info", "text", out)
    try:
        raise KeyError("missing")
    except KeyError:
        logging.getLogger("zoo").exception("failed", extra={"zxid": 1})
    head, *trace = out.getvalue().splitlines()
    assert head.endswith("ERROR zoo failed zxid=1")
    assert all(line.startswith("| ") for line in trace)
    assert trace[-1] == "| KeyError: 'missing'"


def test_a_traceback_is_a_member_in_json() -> None:
    out = io.StringIO()
    setup_logging("info", "json", out)
    try:
        raise KeyError("missing")
    except KeyError:
        logging.getLogger("zoo").exception("failed")
    assert json.loads(out.getvalue())["trace"].endswith("KeyError: 'missing'")
