from __future__ import annotations

import pytest

from zoo.shell.extras import extra
from zoo.shell.problems import Problem


def test_a_missing_library_is_named_with_the_command_that_brings_it() -> None:
    missing = pytest.raises(Problem, match=r"the view needs rich: pip install prompt_toolkit rich")
    with missing, extra("the view"):
        raise ModuleNotFoundError("No module named 'rich.live'", name="rich")


def test_our_own_modules_are_no_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extra("the view"):
        raise ModuleNotFoundError("No module named 'zoo.nothing'", name="zoo.nothing")
