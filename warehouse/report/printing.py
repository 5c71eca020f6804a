"""Pages as PDF, printed by the browser that this machine has: Chromium, without a window.

Why a browser, and no library that draws PDF: the page on paper is then the page that people see, and
Chinese is set as on screen. A machine without one has the page as HTML, which any browser prints.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

#: What the browser is called on the systems that have it.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: So many seconds a page of ours has to be printed in.
PATIENCE = 60
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pdf-header-footer",
    # Nothing of the page is anywhere else; a name that is looked up all the same is not found.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def browser() -> str | None:
    """Return the program that prints, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Printing:
    """Pages that are being printed beside what else is done; a context that waits for none of them.

    Each HTML file gets a PDF of the same name beside it, once :meth:`finish` has returned.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._stack = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = Path()

    def __enter__(self) -> Self:
        program = browser()
        if program is not None and self._files:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            for number, file in enumerate(self._files):
                self._begin(program, file, self._folder / str(number))
        return self

    def _begin(self, program: str, file: Path, place: Path) -> None:
        command = [program, *_OPTIONS, f"--user-data-dir={place}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # which the user root is not allowed
        command += [f"--print-to-pdf={place}.pdf", file.absolute().as_uri()]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # What it keeps of its own goes with the folder, and a locked down home does not matter.
            env={**os.environ, "HOME": str(self._folder), "XDG_CACHE_HOME": str(self._folder)},
        )
        self._processes.append(process)
        self._stack.callback(_end, process)

    def finish(self) -> list[str]:
        """Put the PDF files in their places; give a sentence for each page that could not be printed."""
        if not self._processes:
            return [f"no browser to print with: install one of {', '.join(NAMES[:3])}"]
        problems = []
        for number, (file, process) in enumerate(zip(self._files, self._processes, strict=True)):
            printed = self._folder / f"{number}.pdf"
            try:
                status = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                problems.append(f"{file.name} was not printed within {PATIENCE} s")
                continue
            if status != 0 or not printed.exists():
                problems.append(f"{file.name} was not printed: the browser ended with {status}")
                continue
            part = file.with_name(f".{file.stem}.pdf.part")
            shutil.copyfile(printed, part)
            part.replace(file.with_suffix(".pdf"))
        return problems

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
