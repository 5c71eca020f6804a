"""Reasons that units gave for warnings, and what the office decides about them.

A unit writes into its answer why a figure is right as it stands; the next delivery brings it back
(:mod:`transforms.answers`). The office accepts or refuses it: a record of ``explanations.yaml``
(:mod:`expectations.acknowledged`), which lapses as every acknowledgement does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import yaml

from expectations.acknowledged import load_acknowledgements


@dataclass(frozen=True)
class GivenReason:
    """A unit's reason for one open warning; ``refused`` where the office has refused this very reason."""

    number: str
    region_code: str
    form: str
    year: int
    rule_id: str
    key: str
    figure: str | None
    problem: str
    problem_en: str
    reason: str
    refused: bool


def given_reasons(connection: duckdb.DuckDBPyConnection) -> list[GivenReason]:
    """Return the reasons that stand beside warnings without an acknowledgement, by unit, year and rule.

    Of several reasons for one warning the one received last counts. A reason whose figure has changed
    since is about another warning and is none of them.
    """
    rows = connection.execute(
        """
        SELECT w.number, w.region_code, w.form, w.year, w.rule_id, w.key, w.figure, w.problem_zh,
            w.problem_en, r.reason, w.refused IS NOT DISTINCT FROM r.reason
        FROM warning w JOIN (
            SELECT region_code, number, arg_max(reason, (received_at, sha256)) AS reason
            FROM reason GROUP BY ALL
        ) r USING (region_code, number)
        WHERE w.explained IS NULL
        -- What reading warns of on several sheets in the same words has one number, and one reason.
        QUALIFY row_number() OVER (
            PARTITION BY w.region_code, w.number ORDER BY w.sheet, w.cell) = 1
        ORDER BY w.region_code, w.year, w.rule_id, w.key
        """
    ).fetchall()
    return [GivenReason(*row) for row in rows]


def decide(
    file: Path, reasons: Sequence[GivenReason], *, accepted: bool, who: str, until: date
) -> None:
    """Write down in ``file`` that the office accepts ``reasons``, or refuses them.

    ``who`` is an office or a role; ``until`` the last day on which it holds.

    Raises:
        AcknowledgementError: the file cannot be read, or has an answer to one of the warnings.
        OSError: it cannot be written.
    """
    before = file.read_text("utf-8-sig") if file.exists() else ""
    records = [
        {
            "unit": one.region_code,
            "form": one.form,
            "year": one.year,
            "rule": one.rule_id,
            "key": one.key,
            **({} if one.figure is None else {"figure": one.figure}),
            "reason": one.reason,
            "who": who,
            "until": until,
            **({} if accepted else {"refused": True}),
        }
        for one in reasons
    ]
    text = yaml.safe_dump(records, allow_unicode=True, sort_keys=False, width=1_000)
    # What is not sound must not be left behind: it is looked at before it takes the file's place.
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.write_text(f"{before.rstrip()}\n{text}".lstrip(), "utf-8")
        load_acknowledgements(draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
