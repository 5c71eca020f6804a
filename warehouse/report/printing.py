"""Pages as PDF, printed by the browser that this machine has: Chromium, without a window.

Why a browser, and no library that draws PDF: the page on paper is then the page that people see, and
Chinese is set as on screen. A machine without one has the page as HTML, which any browser prints.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from transforms.texts import Text, ToldInBoth
from warehouse.priority import of_what_can_wait

#: What the browser is called on the systems that have it. First the ones that have no window at all: they
#: print in a tenth of the time.
NAMES = (
    *("chromium-headless-shell", "chrome-headless-shell"),
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
)
#: So many seconds a page of ours has to be printed in.
PATIENCE = 60
#: Printed before any page of ours, so that the fonts are loaded by then.
_FIRST_PAGE = "data:text/html;charset=utf-8," + quote(
    '<style>body{font-family:system-ui,sans-serif}</style><p lang="zh">锦<b>州</b></p><p lang="en">a<b>b</b></p>'
)
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-pipe",
    # Nothing of the page is anywhere else; a name that is looked up all the same is not found.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def browser() -> str | None:
    """Return the program that prints, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Printing:
    """A browser that prints pages beside what else is done; a context that waits for none of them.

    It starts with the block and makes itself ready, which takes far longer than to print. Each HTML file
    given to :meth:`begin` gets a PDF of the same name beside it, once :meth:`finish` has returned.
    """

    def __init__(self) -> None:
        self._files: Sequence[Path] = ()
        self._given = threading.Event()
        self._stack = ExitStack()
        self._browser: _Browser | None = None
        self._printed: dict[Path, bytes | Text] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._print, name="printing", daemon=True)

    def __enter__(self) -> Self:
        program = browser()
        if program is not None:
            # Helpers of the browser may outlive it by a moment, and write there.
            kept = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            folder = Path(self._stack.enter_context(kept))
            self._browser = _Browser(program, folder)
            self._stack.callback(self._browser.close)
            self._stack.callback(self._browser.end)
            self._thread.start()
        return self

    def begin(self, files: Sequence[Path]) -> None:
        """Print ``files``, once."""
        self._files = files
        self._given.set()

    def _print(self) -> None:
        assert self._browser is not None
        # The browser takes a moment to end, for which nobody waits.
        with self._stack:
            try:
                with suppress(_NotPrinted):  # the pages that follow fail of the same, and are told
                    self._browser.pdf(_FIRST_PAGE)
                self._given.wait()
                for file in self._files:
                    try:
                        self._printed[file] = self._browser.pdf(file.absolute().as_uri())
                    except _NotPrinted as reason:
                        self._printed[file] = reason.text
            finally:
                self._done.set()

    def finish(self) -> list[Text]:
        """Put the PDF files in their places; give a sentence for each page that could not be printed."""
        if self._browser is None:
            return [
                Text(
                    f"没有可用来打印的浏览器：请安装 {'、'.join(NAMES[:3])} 之一",
                    f"no browser to print with: install one of {', '.join(NAMES[:3])}",
                )
            ]
        self._given.set()
        self._done.wait(PATIENCE * len(self._files))
        problems = []
        for file in self._files:
            printed = self._printed.get(
                file, Text(f"用时超过 {PATIENCE} 秒", f"it takes longer than {PATIENCE} s")
            )
            if isinstance(printed, Text):
                name = Text(f"{file.name} 没有打印出来", f"{file.name} was not printed")
                problems.append(printed.at(name))
                continue
            part = file.with_name(f".{file.stem}.pdf.part")
            part.write_bytes(printed)
            part.replace(file.with_suffix(".pdf"))
        return problems

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._given.set()
        if self._browser is not None:
            self._browser.end()
            self._thread.join(PATIENCE)


class _NotPrinted(ToldInBoth):
    """A page could not be printed; the text says why."""


class _Browser:
    """A browser without a window that is told over a pipe what to do, by the DevTools protocol.

    Its messages are JSON, each ended by a zero. What it keeps of its own is in ``folder``.
    """

    def __init__(self, program: str, folder: Path) -> None:
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        command = [program, *_OPTIONS, f"--user-data-dir={folder / 'profile'}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # which the user root is not allowed
        # It reads from 3 and writes to 4, whatever these are called here.
        pipes = f'exec "$0" "$@" 3</dev/fd/{to_read} 4>/dev/fd/{to_write}'
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", pipes, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(to_read, to_write),
                # What it keeps of its own goes with the folder, and a locked down home does not matter.
                env={**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
                # What is started may be a script that starts it: the group is ended, not the script alone.
                process_group=0,
            )
        finally:
            os.close(to_read)
            os.close(to_write)
        # The run waits for it last: it gives way to all else.
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, self._process.pid, of_what_can_wait())
        self._received = b""
        self._last = 0
        #: The session of the one tab, in which page follows page.
        self._tab: str | None = None
        self._end_once = threading.Lock()

    def pdf(self, url: str) -> bytes:
        """Return a page as PDF, its own size of paper and its backgrounds included."""
        if self._tab is None:
            page = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
            attached = self._ask("Target.attachToTarget", {"targetId": page, "flatten": True})
            self._tab = str(attached["sessionId"])
            self._ask("Page.enable", {}, self._tab)
            self._ask("Page.setLifecycleEventsEnabled", {"enabled": True}, self._tab)
        loader = self._ask("Page.navigate", {"url": url}, self._tab).get("loaderId")
        while not _is_loaded(self._message(), loader):
            pass
        asked = {"printBackground": True, "preferCSSPageSize": True, "generateTaggedPDF": True}
        return base64.b64decode(self._ask("Page.printToPDF", asked, self._tab)["data"])

    def _ask(
        self, method: str, parameters: Mapping[str, object], session: str | None = None
    ) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except OSError:
            raise self._ended() from None
        while (answer := self._message()).get("id") != self._last:
            pass
        if "error" in answer:
            said = answer["error"].get("message")
            raise _NotPrinted(f"浏览器说：{said}", f"the browser says {said}")
        result: dict[str, Any] = answer["result"]
        return result

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            if not select.select([self._from], [], [], PATIENCE)[0]:
                raise _NotPrinted(
                    f"浏览器在 {PATIENCE} 秒内没有应答",
                    f"the browser does not answer within {PATIENCE} s",
                )
            piece = os.read(self._from, 2**20)
            if not piece:
                raise self._ended()
            self._received += piece
        message, _, self._received = self._received.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _ended(self) -> _NotPrinted:
        code = self._process.wait()
        return _NotPrinted(f"浏览器已结束，代码 {code}", f"the browser ended with {code}")

    def end(self) -> None:
        """Kill it, so that whoever waits for an answer gets none."""
        if not self._end_once.acquire(blocking=False):
            return  # by now its number may be another's
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Close the pipes; nobody waits any more."""
        os.close(self._to)
        os.close(self._from)


def _is_loaded(message: Mapping[str, Any], loader: object) -> bool:
    """Return whether a message says that all of what this loader loads is there, pictures included."""
    said = message.get("params", {})
    loaded = message.get("method") == "Page.lifecycleEvent" and said.get("name") == "load"
    return loaded and said.get("loaderId") == loader
