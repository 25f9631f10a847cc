from __future__ import annotations

import pytest

from zoo.shell.output import Output, wants_colour


def test_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output().show({"a": "grün"}, "one", "two")
    Output(as_json=True).show({"a": "grün"}, "one", "two")
    assert capsys.readouterr().out == 'one\ntwo\n{"a": "grün"}\n'


def test_errors_are_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error("it\nbroke")
    Output().note("by the way")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "zoo: it broke\nby the way\n")


def test_bytes_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Output().write(b"\x00\xff")
    assert capfdbinary.readouterr().out == b"\x00\xff"


def test_colours() -> None:
    assert Output(colour=True).paint("x", fg="red") == "\x1b[31mx\x1b[0m"
    assert Output(colour=False).paint("x", fg="red") == "x"


def test_colours_only_where_they_are_welcome(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not wants_colour()  # pytest's stdout is no terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_colour()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour()
