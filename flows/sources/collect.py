"""What is new at one source, into the archive.

A file is fetched whole, its size and hash are checked, and only then is it archived; receipts are
signed after the originals they speak of. A transfer that breaks off therefore leaves nothing behind,
and is started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from os import SEEK_END
from typing import BinaryIO, Final, TypeVar

from flows.sources.cursor import Memory, Seen
from flows.sources.model import (
    Interrupted,
    Listing,
    NotTaken,
    NotYet,
    Offer,
    Pulled,
    Source,
    SourceError,
)
from transforms.names import shown
from transforms.texts import Text
from warehouse.archive import Archive, Receipt, digest_of

#: Seconds to wait before each further try.
DELAYS: Final = (1.0, 5.0, 20.0)
#: A source at which so many files in a row cannot be fetched is given up for this run.
FAILURES: Final = 3
#: Receipts are signed after so many new files, so that a run that is killed keeps what it has.
PORTION: Final = 200

#: Clocks of two machines may differ by so much; a file dated later than that is dated in the future.
CLOCKS_APART: Final = timedelta(minutes=5)

Known = MutableMapping[tuple[str, str], Receipt]
T = TypeVar("T")


def utc_now() -> datetime:
    """Return the time, UTC, naive."""
    return datetime.now(UTC).replace(tzinfo=None)


def patiently(attempt: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """Call ``attempt``, and again after growing delays as long as it raises Interrupted."""
    for delay in DELAYS:
        try:
            return attempt()
        except Interrupted:
            sleep(delay)
    return attempt()


@dataclass
class Collector:
    """One round over one source.

    ``known`` are the receipts of the archive by key, and is kept up to date. ``limit`` is the
    largest file to take, in bytes, and ``setting`` what it is called under [limits]. A file changed
    within the last ``settle`` is left to be finished. The clock (UTC, naive) and ``sleep`` can be replaced.
    """

    source: Source
    archive: Archive
    known: Known
    memory: Memory
    limit: int | None = None
    setting: str = "file_bytes"
    settle: timedelta = timedelta(0)
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    waiting: list[Text] = field(default_factory=list, init=False)
    failed: list[Text] = field(default_factory=list, init=False)
    refused: list[Text] = field(default_factory=list, init=False)
    receipts: list[Receipt] = field(default_factory=list, init=False)
    unsigned: list[Receipt] = field(default_factory=list, init=False)

    def collect(self, on_file: Callable[[], None]) -> Pulled:
        """Archive what the source has and the archive does not; calls ``on_file`` for each file.

        Whatever the source does wrong becomes a sentence in ``waiting``.

        Raises:
            OSError: the archive cannot be written.
        """
        try:
            listing = patiently(self.source.files, self.sleep)
        except SourceError as error:
            return Pulled(0, (), (error.text,), (error.text,))
        self.waiting += listing.refused
        self.refused += listing.refused
        listed = {offer.path for offer in listing.offers}
        self.memory.seen = {p: seen for p, seen in self.memory.seen.items() if p in listed}
        try:
            self._take_all(listing, on_file)
        finally:
            self._sign()
            self.memory.save()
        return Pulled(
            len(listing.offers),
            tuple(self.receipts),
            tuple(self.waiting),
            tuple(self.failed),
            tuple(self.refused),
        )

    def _take_all(self, listing: Listing, on_file: Callable[[], None]) -> None:
        failures = 0
        wanted = self._wanted(listing, on_file)
        following = next(wanted, None)
        while following is not None:
            offer, mark = following
            following = next(wanted, None)
            try:
                self._take(offer, mark, following[0] if following else None)
                failures = 0
            except NotTaken as reason:
                self.waiting.append(reason.text.at(shown(offer.path)))
                if not isinstance(reason, NotYet):
                    self.refused.append(self.waiting[-1])
            except Interrupted as error:
                self.waiting.append(error.text.at(shown(offer.path)))
                failures += 1
                if failures == FAILURES:
                    self.waiting.append(
                        Text(
                            f"接连 {FAILURES} 个文件取不来，这次不再取；下次运行接着取",
                            f"given up after {FAILURES} files in a row; the next run goes on from here",
                        )
                    )
                    self.failed += self.waiting[-2:]
                    return
            except SourceError as error:
                self.waiting.append(error.text)
                self.failed.append(error.text)
                return
            finally:
                on_file()
            if len(self.unsigned) >= PORTION:
                self._sign()

    def _wanted(self, listing: Listing, on_file: Callable[[], None]) -> Iterator[tuple[Offer, str]]:
        """Yield the offers that the archive may not have, each with the mark of the version that it has."""
        for offer in listing.offers:
            promised = self.known.get((offer.sha256 or "", offer.path))
            held = promised and self.archive.holds(promised.sha256)
            dated = offer.changed
            if promised and held and (dated is None or dated >= promised.received_at):
                on_file()
                continue
            seen = self.memory.seen.get(offer.path)
            # The memory counts for nothing where the archive does not confirm it.
            confirmed = (
                seen
                and (seen.sha256, offer.path) in self.known
                and self.archive.holds(seen.sha256, seen.size)
            )
            mark = seen.mark if seen and confirmed else ""
            if mark and mark == offer.mark:
                on_file()
                continue
            yield offer, mark

    def _is_too_large(self, offer: Offer) -> bool:
        return self.limit is not None and offer.size is not None and offer.size > self.limit

    def _take(self, offer: Offer, mark: str, following: Offer | None) -> None:
        """Archive one file; the ``following`` one is fetched meanwhile, where its source can."""
        path = offer.path
        if self.limit is not None and self._is_too_large(offer):
            raise too_large(self.limit, self.setting)
        self._settled(offer, offer.changed)
        delivery = patiently(lambda: offer.fetch(mark), self.sleep)
        if following is not None and not self._is_too_large(following):
            following.begin()
        if delivery is None:
            return
        self._settled(offer, delivery.changed)
        data = delivery.data
        with closing(BytesIO(data) if isinstance(data, bytes) else data) as content:
            digest = digest_of(content)
            if offer.sha256 not in (None, digest):
                promise = str(offer.sha256)
                raise NotTaken(
                    f"SHA-256 是 {digest[:12]}…，清单写的是 {promise[:12]}…；清单重新生成了吗？",
                    f"its SHA-256 is {digest[:12]}…, not {promise[:12]}… as the manifest"
                    " says; has the manifest been made anew?",
                )
            now = self.now()
            received = delivery.changed or offer.changed or now
            taken = now if received > now + CLOCKS_APART else None
            self._keep(Receipt(received, path, digest, taken), content, delivery.mark)

    def _keep(self, receipt: Receipt, content: BinaryIO, mark: str) -> None:
        self.archive.keep(content, later=True)
        before = self.known.get(receipt.key)
        if before is None or receipt.received_at < before.received_at:
            self.unsigned.append(receipt)
        if mark:
            size = content.seek(0, SEEK_END)
            self.memory.keep(receipt.path, Seen(mark=mark, size=size, sha256=receipt.sha256))

    def _sign(self) -> None:
        # Once only: where an original did not come to its place, its receipt must never be there.
        receipts, self.unsigned = self.unsigned, []
        self.archive.sign(receipts)
        self.known.update((receipt.key, receipt) for receipt in receipts)
        self.receipts += receipts

    def _settled(self, offer: Offer, changed: datetime | None) -> None:
        """Leave a file that may still be growing, unless a promised hash tells when it is whole."""
        if changed is None or offer.sha256 is not None:
            return
        if timedelta(0) <= self.now() - changed < self.settle:
            seconds = self.settle.total_seconds()
            raise NotYet(
                f"不到 {seconds:g} 秒前刚改过，可能还在写入；下次运行再看",
                f"changed less than {seconds:g} seconds ago and may still be"
                " being written; it is looked at again in the next run",
            )


def too_large(limit: int, setting: str = "file_bytes") -> NotTaken:
    """Return the refusal of a file of more than ``limit`` bytes, which is that ``setting``."""
    return NotTaken(
        f"大于 {limit / 2**20:g} MB，没有取；请分成几个文件，或调大 [limits] 中的 {setting}",
        f"is larger than {limit / 2**20:g} MB and was not fetched; have it split, or raise"
        f" {setting} under [limits]",
    )
