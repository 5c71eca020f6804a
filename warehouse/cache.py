"""What takes long to make and stays the same, kept from run to run in a folder for temporary files that is this user's alone.

Whatever is not there, or not whole, is made anew: nothing hangs on it but time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket

#: So many files of a kind are kept: those that were used last.
_OF_A_KIND = 8


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates in the folder."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template, where there is room for it."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def compiled_templates(environment: str) -> FileSystemBytecodeCache | None:
    """Return where the compiled templates of Jinja of an environment are kept; None where there is no such folder.

    To compile a template takes longer than to fill it in. What it is compiled to depends on the environment: each
    has a name of its own.
    """
    try:
        return _Compiled(pattern=f"jzedu-{environment}-%s")
    except (OSError, RuntimeError):
        return None


def made_once(kind: str, parts: Iterable[object], make: Callable[[], bytes]) -> bytes:
    """Return what ``make`` gives, from ``parts`` alone; it is called where that is not kept for the same parts.

    ``kind`` is a word. A part counts by its ``repr``.
    """
    folder = _folder()
    if folder is None:
        return make()
    mark = hashlib.sha256("\x00".join(map(repr, parts)).encode()).hexdigest()
    file = folder / f"jzedu-{kind}-{mark}"
    with suppress(OSError):
        digest, content = _divided(file.read_bytes())
        if hashlib.sha256(content).digest() == digest:
            os.utime(file)  # it is used
            return content
    content = make()
    with suppress(OSError):
        _keep(file, hashlib.sha256(content).digest() + content)
        others = sorted(
            folder.glob(f"jzedu-{kind}-*"), key=lambda one: one.stat().st_mtime, reverse=True
        )
        for one in others[_OF_A_KIND:]:
            one.unlink(missing_ok=True)
    return content


def _folder() -> Path | None:
    """Return the folder; None where none can be made that nobody else writes to, which Jinja has looked after."""
    try:
        return Path(FileSystemBytecodeCache().directory)
    except (OSError, RuntimeError):
        return None


def _divided(kept: bytes) -> tuple[bytes, bytes]:
    size = hashlib.sha256().digest_size
    return kept[:size], kept[size:]


def _keep(file: Path, content: bytes) -> None:
    """Write ``file``; whoever reads it meanwhile finds what was there before."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f"{file.name}.", delete=False) as new:
        try:
            new.write(content)
            new.close()
            os.replace(new.name, file)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise
