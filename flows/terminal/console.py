"""The sheet that the terminal's tables are written on."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def standard_output(width: int) -> Console:
    """Return a console on standard output: as wide as the terminal, or as ``COLUMNS`` says; else ``width``."""
    known = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(width=None if known else width)
