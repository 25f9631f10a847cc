"""Runs the programs in examples/ as a user would, and kills them as no user should."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from tests.interop.harness import repo_root, wait_until

EXAMPLES = repo_root() / "examples"
DEADLINE = 60.0


class Program:
    """One process of an example; its output goes to a file. It does not outlive the test."""

    def __init__(self, folder: Path, script: str, *args: object, **environment: str) -> None:
        name = f"{script}-{'-'.join(str(each) for each in args[:1])}-{len(os.listdir(folder))}.log"
        self._log = folder / name
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(EXAMPLES / script), *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9, also of one that is stopped."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> str:
        """Wait until it ends well; its output."""
        status = self.process.wait(DEADLINE)
        assert status == 0, f"ended with {status}:\n{self.output}"
        return self.output

    def wait_for(self, text: str, times: int = 1) -> re.Match[str]:
        """Until it has said something that matches, so many times; the last match."""

        def said() -> re.Match[str] | None:
            matches = list(re.finditer(text, self.output, re.MULTILINE))
            assert len(matches) >= times or self.process.poll() is None, self.output
            return matches[-1] if len(matches) >= times else None

        try:
            found = wait_until(said, DEADLINE, text, 0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said:\n{self.output}") from None
        assert found is not None
        return found


Launch = Callable[..., Program]


@contextmanager
def launching(folder: Path, script: str) -> Iterator[Launch]:
    """launch(*args, **environment) -> Program; all are killed at the end."""
    with ExitStack() as stack:
        yield lambda *args, **environment: stack.enter_context(
            Program(folder, script, *args, **environment)
        )
