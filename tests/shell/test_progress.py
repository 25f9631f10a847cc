from __future__ import annotations

import sys

import pytest

from zoo.shell.progress import bar


def test_no_bar_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with bar("work", 3) as advance:
        advance(1)
    assert capfd.readouterr().err == ""


def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with bar("work", 4) as advance:
        advance(4)
    assert "work" in capfd.readouterr().err


def test_the_work_is_done_without_rich(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with bar("work", 3) as advance:
        advance(1)
    assert capfd.readouterr().err == ""
