"""Logging of the server: one line per event, readable by people (text) or by machines (json).

Theory of operation. Every module logs through the standard library; what belongs to an event
besides its sentence goes into ``extra`` and comes out as key=value pairs (text) or as members of
the object (json)::

    log.info("session opened", extra={"session": hex(sid), "timeout_ms": 6000})
    2026-01-31T12:00:00.123+01:00 INFO zoo.server session opened session=0x1 timeout_ms=6000

A line cannot be forged: control characters in messages and values are escaped, so bytes a client
chose never begin a line of their own. Only the traceback of an exception spans lines in text form,
each behind ``| ``.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
from typing import TextIO

from zoo.config_properties import printable

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def event_time(seconds: float) -> str:
    """Local time with milliseconds and offset, ISO 8601."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


def event_fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed in ``extra``, in that order."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def quoted(value: object) -> str:
    """``value`` as the right side of key=value, quoted if it is empty or could mislead."""
    text = str(value)
    plain = text and text.isprintable() and not any(c in ' ="' for c in text)
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())


class TextFormatter(logging.Formatter):
    """``TIME LEVEL LOGGER message key=value ...``"""

    def format(self, record: logging.LogRecord) -> str:
        message = printable(record.getMessage())
        parts = [event_time(record.created), record.levelname, record.name, message]
        parts += [f"{name}={quoted(value)}" for name, value in event_fields(record).items()]
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            parts[-1] += "".join(f"\n| {printable(line)}" for line in trace.split("\n"))
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the caller's fields, trace."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": event_time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **event_fields(record),
        }
        if record.exc_info:
            event["trace"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


def setup_logging(level: str = "info", form: str = "text", stream: TextIO | None = None) -> None:
    """Send all events of at least ``level`` to ``stream`` (stderr) in ``form``.

    Replaces what an earlier call set up. Raises ValueError for an unknown level or form.
    """
    if level not in LEVELS or form not in FORMATS:
        raise ValueError(f"level must be one of {LEVELS}, form one of {FORMATS}")
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
