"""One round over all sources, and whether a source can be reached.

The inbox is always a source and comes first. A source that fails is a sentence in the result; the
others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from flows.sources.collect import Collector, Known, utc_now
from flows.sources.credentials import Credentials, load_credentials
from flows.sources.folder import FolderSource
from flows.sources.memory import Memory
from flows.sources.model import Pulled, Source, SourceError
from flows.sources.settings import FolderSettings, SftpSettings, S3Settings, SourceSettings
from transforms.formats import Limits
from warehouse.archive import Archive


def pull_all(
    sources: Iterable[SourceSettings],
    inbox: Path,
    archive: Archive,
    limits: Limits,
    home: Path,
    on_file: Callable[[], None],
    *,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Pulled:
    """Archive what is new in the inbox and at all ``sources``.

    ``on_file`` is called after every file looked at. What waits, is refused or failed is in
    ``waiting``: with its path for the inbox, with the source's name before it for others.

    Raises:
        OSError: the archive or the memory of what was seen cannot be written.
    """
    known: Known = {receipt.key: receipt for receipt in archive.receipts()}
    collector = Collector(FolderSource(inbox), archive, known, Memory(), now=now, sleep=sleep)
    rounds = [collector.collect(on_file)]
    for settings in sources:
        try:
            credentials = _credentials(settings)
        except SourceError as error:
            rounds.append(Pulled(0, (), (f"{settings.name}: {error}",)))
            continue

        def said(sentence: object, name: str = settings.name, secrets: Credentials = credentials) -> str:
            return f"{name}: {secrets.scrub(str(sentence))}"
