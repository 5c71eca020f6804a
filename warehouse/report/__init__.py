"""The report that people look at: static pages that stand alone, made from a publication.

Why a package of its own: a page reads only the published tables (never the working warehouse), so
whoever has a publication can make its report again and gets the same pages. `data` reads the
tables, `figures` and `words` say how numbers and fixed words are shown, `charts` and `atlas` draw,
`site` puts the pages together, `dictionary` describes the tables themselves.
"""

from __future__ import annotations

from warehouse.report.dictionary import write_dictionary
from warehouse.report.site import write_report

__all__ = ["write_dictionary", "write_report"]
