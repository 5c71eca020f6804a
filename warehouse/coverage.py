"""What has to be said beside a verdict: how much of what was asked stands behind it.

Units may not have reported, and schools may have left a question blank. Terminal, report and the
published views say so beside the verdict in the same words, which are made here, in SQL.
"""

from __future__ import annotations

from warehouse.sql import literal
from warehouse.wording import UNITS

#: What is asked, by the unit in which the way to the threshold is counted.
_ASKED_EN = {zh: text.en for zh, text in UNITS.items() if len(zh) > 1 and zh != "万元"}


def sentence(row: str) -> tuple[str, str]:
    """Return the SQL expressions of the Chinese and the English sentence for a row of attainment.

    ``row`` is the alias of the table. The expressions are NULL where every unit has reported and
    every answer is given.
    """
    units = f"{row}.expected_units > 1 AND {row}.reporting_units < {row}.expected_units"
    blank = f"{row}.answered < {row}.asked"
    silent = f"({row}.asked - {row}.answered)"
    nouns = " ".join(f"WHEN {literal(zh)} THEN {literal(f' {en}')}" for zh, en in _ASKED_EN.items())
    noun = f"CASE {row}.gap_unit {nouns} ELSE '' END"
    zh = f"""concat_ws('; ',
        CASE WHEN {units} THEN
            concat({row}.expected_units, '个单位中', {row}.reporting_units, '个报齐') END,
        CASE WHEN {blank} THEN concat({row}.asked, coalesce({row}.gap_unit, '项'), '中', {silent},
            coalesce({row}.gap_unit[1], '项'), '未填报') END,
        CASE WHEN {row}.status = 'insufficient' THEN '不足以判定' END)"""
    en = f"""concat_ws('; ',
        CASE WHEN {units} THEN concat({row}.reporting_units, ' of ', {row}.expected_units,
            ' units have reported') END,
        CASE WHEN {blank} THEN concat({silent}, ' of ', {row}.asked, {noun},
            ' left it blank') END,
        CASE WHEN {row}.status = 'insufficient' THEN 'too little to judge by' END)"""
    return f"nullif({zh}, '')", f"nullif({en}, '')"
