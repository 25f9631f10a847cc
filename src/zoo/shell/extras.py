"""Libraries that come with the extra `shell`, or a sentence on how to get them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from zoo.shell.problems import Problem

INSTALL = "pip install prompt_toolkit rich"


@contextlib.contextmanager
def extra(purpose: str) -> Iterator[None]:
    """Around the import of what needs one: a Problem with the pip command when it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "zoo":
            raise
        raise Problem(f"{purpose} needs {error.name}: {INSTALL}") from None
