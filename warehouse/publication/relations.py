"""How the published tables and views join: what a BI tool would read from foreign keys.

DuckDB could enforce them, but a constraint is an index in the file, and the tables are written once
and never changed. So they stand here, for docs/bi/model.md and for whoever draws the model in a
BI tool; the tests hold real publications against them.
"""

from __future__ import annotations

from dataclasses import dataclass

#: What tells the rows of a table or view apart. Shortfalls, findings and revisions have no key:
#: each is one of several things that can be said of the same place.
KEYS: dict[str, tuple[str, ...]] = {
    "region": ("region_code",),
    "township_crosswalk": ("township_code", "township_name"),
    "code_list": ("column_name", "code"),
    "indicator": ("indicator_id",),
    "clause": ("clause_id",),
    "indicator_value": ("indicator_id", "region_code", "year"),
    "indicator_value_as_now": ("indicator_id", "region_code", "year"),
    "attainment": ("clause_id", "region_code", "year"),
    "year_on_year": ("clause_id", "region_code", "year"),
    "outlook": ("clause_id", "region_code", "year"),
    "places_ahead": ("region_code", "stage", "year", "for_year"),
    "submission": ("submission_id",),
    "submission_sheet": ("submission_id", "sheet"),
    "reporting": ("region_code", "form", "year"),
    "finding_history": ("finding_key",),
    "publication": ("publication_id",),
    "year_coverage": ("year",),
    "county_scorecard": ("region_code", "year"),
    "attainment_latest": ("clause_id", "region_code"),
    "plan_progress": ("clause_id", "year"),
    "trend": ("indicator_id", "region_code", "year"),
    "trend_as_now": ("indicator_id", "region_code", "year"),
    "dim_region": ("region_code",),
    "dim_year": ("year",),
    "dim_indicator": ("indicator_id",),
    "dim_clause": ("clause_id",),
    "dim_status": ("status",),
    "fact_indicator": ("indicator_id", "region_code", "year"),
    "fact_verdict": ("clause_id", "region_code", "year"),
}


@dataclass(frozen=True)
class Relation:
    """Every row of ``table`` names in ``columns`` one row of ``target``, by its key.

    ``optional``: the columns may be NULL. ``lasting`` is false where the row outlives what it
    names: a revision of years ago may speak of an indicator that is no longer published.
    """

    table: str
    columns: tuple[str, ...]
    target: str
    optional: bool = False
    lasting: bool = True


RELATIONS: tuple[Relation, ...] = (
    Relation("region", ("parent_code",), "region", optional=True),
    Relation("region", ("successor",), "region", optional=True),
    Relation("clause", ("indicator_id",), "indicator"),
    Relation("indicator_value", ("indicator_id",), "indicator"),
    Relation("indicator_value", ("region_code",), "region"),
    Relation("indicator_value_as_now", ("indicator_id", "region_code", "year"), "indicator_value"),
    Relation("indicator_value_as_now", ("indicator_id",), "indicator"),
    Relation("indicator_value_as_now", ("region_code",), "region"),
    Relation("attainment", ("clause_id",), "clause"),
    Relation("attainment", ("indicator_id", "region_code", "year"), "indicator_value"),
    Relation("attainment", ("indicator_id",), "indicator"),
    Relation("attainment", ("region_code",), "region"),
    Relation("year_on_year", ("clause_id", "region_code", "year"), "attainment"),
    Relation("year_on_year", ("clause_id",), "clause"),
    Relation("year_on_year", ("indicator_id",), "indicator"),
    Relation("year_on_year", ("region_code",), "region"),
    Relation("outlook", ("clause_id", "region_code", "year"), "attainment"),
    Relation("outlook", ("clause_id",), "clause"),
    Relation("outlook", ("region_code",), "region"),
    Relation("places_ahead", ("region_code",), "region"),
    Relation("shortfall", ("clause_id", "region_code", "year"), "attainment"),
    Relation("shortfall", ("clause_id",), "clause"),
    Relation("shortfall", ("region_code",), "region"),
    Relation("shortfall", ("submission_id",), "submission", optional=True),
    Relation("turning_institution", ("clause_id", "region_code", "year"), "attainment"),
    Relation("turning_institution", ("clause_id",), "clause"),
    Relation("turning_institution", ("region_code",), "region"),
    Relation("submission", ("region_code",), "region", optional=True),
    Relation("submission_sheet", ("submission_id",), "submission"),
    Relation("reporting", ("region_code",), "region"),
    Relation("finding", ("submission_id",), "submission"),
    Relation("finding", ("region_code",), "region", optional=True),
    Relation("finding_history", ("first_publication_id",), "publication"),
    Relation("finding_history", ("last_publication_id",), "publication"),
    Relation("finding_history", ("submission_id",), "submission", lasting=False),
    Relation("finding_history", ("region_code",), "region", optional=True, lasting=False),
    Relation("approval", ("submission_id",), "submission", lasting=False),
    Relation("approval", ("region_code",), "region", lasting=False),
    Relation("publication", ("previous_id",), "publication", optional=True),
    Relation("revision", ("publication_id",), "publication"),
    Relation("revision", ("indicator_id",), "indicator", lasting=False),
    Relation("revision", ("region_code",), "region", lasting=False),
    Relation("revision", ("clause_id",), "clause", optional=True, lasting=False),
    Relation("revision", ("submission_id",), "submission", optional=True, lasting=False),
    Relation("vintage", ("publication_id",), "publication"),
    Relation("vintage", ("indicator_id",), "indicator", lasting=False),
    Relation("vintage", ("region_code",), "region", lasting=False),
    Relation("vintage", ("clause_id",), "clause", optional=True, lasting=False),
    Relation("county_scorecard", ("region_code",), "region"),
    Relation("attainment_latest", ("clause_id",), "clause"),
    Relation("attainment_latest", ("indicator_id",), "indicator"),
    Relation("attainment_latest", ("region_code",), "region"),
    Relation("plan_progress", ("clause_id",), "clause"),
    Relation("plan_progress", ("indicator_id",), "indicator"),
    Relation("trend", ("indicator_id",), "indicator"),
    Relation("trend", ("region_code",), "region"),
    Relation("trend_as_now", ("indicator_id",), "indicator"),
    Relation("trend_as_now", ("region_code",), "region"),
    Relation("fact_indicator", ("indicator_id",), "dim_indicator"),
    Relation("fact_indicator", ("region_code",), "dim_region"),
    Relation("fact_indicator", ("year",), "dim_year"),
    Relation("fact_verdict", ("clause_id",), "dim_clause"),
    Relation("fact_verdict", ("indicator_id",), "dim_indicator"),
    Relation("fact_verdict", ("region_code",), "dim_region"),
    Relation("fact_verdict", ("year",), "dim_year"),
    Relation("fact_verdict", ("status",), "dim_status"),
)
