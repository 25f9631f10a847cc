"""The shell on a terminal: line editing, completion and history by prompt_toolkit."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout

from zoo.shell.administering import masked
from zoo.shell.completion import Listing, candidates
from zoo.shell.session import GivenUp, Shell
from zoo.shell.transactions import ENDS, OPERATIONS, PROMPT


def history_file() -> Path:
    """ZOO_HISTORY, else zoo/history below XDG_STATE_HOME."""
    given = os.environ.get("ZOO_HISTORY")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(given) if given else Path(state) / "zoo/history"


class History(FileHistory):
    """In a file for nobody else's eyes, and without credentials; `tell` hears why that fails."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        super().__init__(path)
        self._tell = tell
        self._is_kept = True

    def load_history_strings(self) -> Iterable[str]:
        try:
            return super().load_history_strings()
        except OSError as error:
            self._give_up(error)
            return []

    def store_string(self, string: str) -> None:
        if masked(string.strip()) != string.strip() or not self._is_kept:
            return
        path = Path(os.fsdecode(self.filename))
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            super().store_string(string)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._is_kept = False
        self._tell(f"history is not kept: {os.fsdecode(self.filename)}: {error.strerror}")


class ShellCompleter(Completer):
    """What `candidates` finds, on the shell's own event loop."""

    def __init__(self, shell: Shell) -> None:
        self._listing = Listing(lambda path: shell.zk.children(path))
        self.commands: tuple[str, ...] | None = None
        """The only ones that count, as in a multi."""

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        return ()  # asked for by programs without an event loop only

    async def get_completions_async(
        self, document: Document, event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        line = document.text_before_cursor
        for found in await candidates(line, self._listing, self.commands):
            yield Completion(found.text, -found.length, display_meta=found.about)


class Terminal:
    """Asks for lines. Ctrl-C gives the line up, Ctrl-D is the end."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._completer = ShellCompleter(shell)
        self._prompt: PromptSession[str] = PromptSession(
            history=History(history_file(), shell.out.note),
            completer=self._completer,
            complete_while_typing=False,
            enable_open_in_editor=False,
        )

    async def read(self, prompt: str) -> str | None:
        self._completer.commands = (*OPERATIONS, *ENDS) if prompt == PROMPT else None
        text = ANSI(self._shell.out.paint(prompt, bold=True))
        try:
            with patch_stdout(raw=True):  # events of watches go above the line being typed
                return await self._prompt.prompt_async(text, handle_sigint=False)
        except EOFError:
            return None
        except KeyboardInterrupt:
            raise GivenUp from None
