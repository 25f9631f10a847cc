"""`python -m zoo` is the command `zoo`."""

from __future__ import annotations

from zoo.tools.cli import main

if __name__ == "__main__":
    main(prog_name="zoo")
