"""安全与规范办学表: one row for each institution."""

from __future__ import annotations

from transforms.forms.columns import code, count, part_of_whole, text
from transforms.forms.model import Form

FOUND = count("hazards_found", "安全隐患排查数", "Safety hazards found")
FIXED = count("hazards_fixed", "安全隐患整改数", "Safety hazards put right")
REPORTED = count("bullying_reported", "欺凌事件数", "Bullying incidents reported")
HANDLED = count("bullying_handled", "欺凌事件处置数", "Bullying incidents dealt with")

SAFETY = Form(
    name="safety",
    code="SAF",
    zh="安全与规范办学表",
    en="Safety and conduct of schools",
    each_row_is_a="institution",
    row_zh="一所学校(机构)",
    key=("institution_code",),
    columns=(
        code("学校标识码", "标识码", "机构标识码"),
        text("institution_name", "学校名称", "Name of the institution", "机构名称"),
        FOUND,
        FIXED,
        REPORTED,
        HANDLED,
        count(
            "nonzero_start_cases",
            "非零起点教学查处件数",
            "Cases of not teaching from zero",
        ),
        count(
            "admission_violations",
            "违规招生查处件数",
            "Admission violations dealt with",
        ),
    ),
    row_checks=(
        part_of_whole(
            "E10",
            FIXED,
            FOUND,
            "整改的隐患是排查出的隐患的一部分。",
            "Hazards put right are some of those found.",
        ),
        part_of_whole(
            "E11",
            HANDLED,
            REPORTED,
            "处置的欺凌事件是欺凌事件的一部分。",
            "Incidents dealt with are some of those reported.",
        ),
    ),
)
