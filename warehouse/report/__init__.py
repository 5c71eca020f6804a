"""The report that people look at: static pages that stand alone, made from a publication.

Why a package of its own: a page reads only the published tables (never the working warehouse), so
whoever has a publication can make its report again and gets the same pages. `rows` and `words` say
how figures and fixed words are shown, `fields` in which order clauses stand, `headline` what a clause's
page says first and `duties` a unit's, `places` what it will need, `handed_in` how units report, `charts`, `atlas` and `grades` draw,
`site` puts the pages together, `dictionary` describes the tables themselves, `brief` is the city
on one page and `printing` makes a PDF of it.
"""

from __future__ import annotations

from warehouse.report.brief import write_briefs
from warehouse.report.dictionary import tables_ahead, write_dictionary
from warehouse.report.pages import ready
from warehouse.report.printing import Printing
from warehouse.report.site import write_report

__all__ = ["Printing", "ready", "tables_ahead", "write_briefs", "write_dictionary", "write_report"]
