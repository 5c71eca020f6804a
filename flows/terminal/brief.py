"""``jzedu brief``: the city on one page, written again from the publication that stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb

from flows.language import Words
from flows.permissions import hand_out
from flows.settings import Settings
from transforms.texts import Text
from warehouse.publication.reader.door import open_publication
from warehouse.publication.reader.pages import read_publication
from warehouse.publication.release import DATABASE
from warehouse.reference import load_reference
from warehouse.report.brief import LANGUAGES, Language, write_briefs
from warehouse.report.printing import Printing

_WORDS = Words(
    nothing_published=(
        "{place} 中还没有发布；请运行：jzedu nightly",
        "there is no publication in {place} yet; run: jzedu nightly",
    ),
    nothing_in_force=(
        "还没有报送在用，没有可写的内容；请运行：jzedu nightly",
        "no submission is in force yet, so that there is nothing to say; run: jzedu nightly",
    ),
    unreadable=(
        "{file} 读不出来；请运行 jzedu nightly，它会重新生成",
        "{file} cannot be read; run: jzedu nightly, which makes it anew",
    ),
    no_year=(
        "发布中没有 {year} 年；有 {first} 至 {last} 年",
        "the publication has no year {year}; it has {first} to {last}",
    ),
)


class BriefError(Exception):
    """There is nothing to write the page from; the message says what to do."""


@dataclass(frozen=True)
class Written:
    """The files that were written, and a sentence for each that could not be."""

    files: list[Path]
    problems: list[Text]


def write_brief(settings: Settings, year: int | None, language: str | None) -> Written:
    """Write the page about ``year`` (None: the year in focus) in ``language`` (None: in both).

    Raises:
        BriefError: there is no publication, nothing in it, or no such year.
    """
    file = settings.published / DATABASE
    if not file.exists():
        raise BriefError(_WORDS("nothing_published", place=settings.published))
    languages = LANGUAGES if language is None else (cast(Language, language),)
    try:
        with open_publication(file) as reader:
            if reader.is_empty:
                raise BriefError(_WORDS("nothing_in_force"))
            publication = read_publication(reader, load_reference(settings.home).folder)
    except duckdb.Error:
        raise BriefError(_WORDS("unreadable", file=file)) from None
    if year is not None and year not in publication.years:
        first, last = publication.years[0], publication.years[-1]
        raise BriefError(_WORDS("no_year", year=year, first=first, last=last))
    folder = settings.published / "brief"
    pages = write_briefs(
        publication, folder, year=year, languages=languages, office=settings.office
    )
    with Printing() as printing:
        printing.begin(pages)
        problems = printing.finish()
    hand_out(folder)
    printed = [page.with_suffix(".pdf") for page in pages]
    return Written([*pages, *(page for page in printed if page.exists())], problems)
