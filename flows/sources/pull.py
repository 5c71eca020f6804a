"""One round over all sources, and whether a source can be reached.

The inbox is always a source and comes first. A source that fails is a sentence in the result; the
others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from flows.language import told
from flows.sources.collect import Collector, Known, utc_now
from flows.sources.credentials import Credentials, load_credentials
from flows.sources.cursor import Memory
from flows.sources.folder import FolderSource
from flows.sources.model import Pulled, Source, SourceError, SourceState
from flows.sources.settings import (
    INBOX,
    FolderSettings,
    HttpSettings,
    S3Settings,
    SftpSettings,
    SourceSettings,
)
from transforms.formats import Limits
from transforms.texts import Text
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
    ``waiting``; other sources than the inbox with their name before it.

    Raises:
        OSError: the archive, or the memory of what was seen, cannot be written.
    """
    # What is damaged there is told by the run; here it only counts as not known.
    known: Known = {receipt.key: receipt for receipt in archive.receipts(lambda _: None)}
    puller = _Puller(archive, known, limits, home, on_file, now, sleep)
    with closing(FolderSource(inbox, home)) as source:
        memory = Memory.of(home, INBOX, str(inbox))
        rounds = {INBOX: puller.collect(source, memory, "taken_bytes")}
    rounds |= {settings.name: puller.collect_from(settings) for settings in sources}
    each = rounds.values()
    return Pulled(
        sum(pulled.found for pulled in each),
        tuple(receipt for pulled in each for receipt in pulled.receipts),
        tuple(sentence for pulled in each for sentence in pulled.waiting),
        tuple(sentence for pulled in each for sentence in pulled.failed),
        tuple(sentence for pulled in each for sentence in pulled.refused),
        tuple(
            SourceState(name, not pulled.failed, pulled.found, len(pulled.waiting))
            for name, pulled in rounds.items()
        ),
    )


@dataclass(frozen=True)
class _Puller:
    """What a round over the sources needs at each of them; see :func:`pull_all`."""

    archive: Archive
    known: Known
    limits: Limits
    home: Path
    on_file: Callable[[], None]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def collect(self, source: Source, memory: Memory, setting: str, settle: int = 0) -> Pulled:
        """Archive what is new at ``source``; ``setting`` names the limit on one file."""
        return Collector(
            source,
            self.archive,
            self.known,
            memory,
            getattr(self.limits, setting),
            setting,
            timedelta(seconds=settle),
            self.now,
            self.sleep,
        ).collect(self.on_file)

    def collect_from(self, settings: SourceSettings) -> Pulled:
        """Archive what is new at a source of the settings; its name stands before every sentence."""
        secrets = Credentials()

        def said(sentences: Iterable[Text]) -> tuple[Text, ...]:
            return tuple(secrets.scrub(text).at(settings.name) for text in sentences)

        try:
            secrets = _credentials(settings)
            source = _open(settings, secrets, self.home, self.limits)
        except SourceError as error:
            why = said([error.text])
            return Pulled(0, (), why, why)
        memory = Memory.of(self.home, settings.name, settings.address)
        # A file in a folder costs little to take even if it is too large to be read; its unit is
        # then told by the gate.
        setting = "taken_bytes" if isinstance(settings, FolderSettings) else "file_bytes"
        settle = settings.settle_seconds if isinstance(settings, SftpSettings | HttpSettings) else 0
        with closing(source):
            pulled = self.collect(source, memory, setting, settle)
        return replace(
            pulled,
            waiting=said(pulled.waiting),
            failed=said(pulled.failed),
            refused=said(pulled.refused),
        )


def probe(settings: SourceSettings, home: Path) -> str | None:
    """Try whether a source can be read: None, or a sentence for the reader on why not and what to do."""
    secrets = Credentials()
    try:
        secrets = _credentials(settings)
        with closing(_open(settings, secrets, home, Limits())) as source:
            source.probe()
    except SourceError as error:
        return told(secrets.scrub(error.text))
    return None


def _credentials(settings: SourceSettings) -> Credentials:
    return Credentials() if isinstance(settings, FolderSettings) else load_credentials(settings)


def _open(settings: SourceSettings, secrets: Credentials, home: Path, limits: Limits) -> Source:
    """Return the source that ``settings`` describe; its library is imported here and not before.

    Raises:
        SourceError: settings and credentials do not go together.
    """
    match settings:
        case FolderSettings():
            return FolderSource(home / settings.path, home, settings.timeout_seconds)
        case SftpSettings():
            from flows.sources.sftp import SftpSource

            return SftpSource(settings, secrets, home, limits.file_bytes)
        case S3Settings():
            from flows.sources.s3 import S3Source

            return S3Source(settings, secrets, home, limits.file_bytes)
        case HttpSettings():
            from flows.sources.http import HttpSource

            return HttpSource(settings, secrets, home, limits.file_bytes)
