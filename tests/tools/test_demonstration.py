from __future__ import annotations

import pytest

from zoo.tools.demonstration import Progress


def test_a_silence_is_measured_from_the_kill_on(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    for moment in (1.0, 2.0, 2.1, 2.4, 2.5):
        monkeypatch.setattr("zoo.tools.demonstration.time.monotonic", lambda moment=moment: moment)
        progress.done()
    assert round(progress.longest_silence(2.05), 3) == 0.3
    assert round(progress.longest_silence(1.5), 3) == 0.5
    assert progress.has_any_after(2.45)
    assert not progress.has_any_after(2.6)
