"""Templates of Jinja, compiled and kept from run to run: to compile them takes longer than to fill them in."""

from __future__ import annotations

from contextlib import suppress

from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates in a folder for temporary files that is this user's alone."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template, where there is room for it."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def compiled_templates(environment: str) -> FileSystemBytecodeCache | None:
    """Return where the templates of an environment are kept; None where there is no such folder.

    What a template is compiled to depends on the environment: each has a name of its own.
    """
    try:
        return _Compiled(pattern=f"jzedu-{environment}-%s")
    except (OSError, RuntimeError):
        return None
