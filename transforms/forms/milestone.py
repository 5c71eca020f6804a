"""改革事项进展表: one row for each item of reform."""

from __future__ import annotations

from transforms.forms.columns import amount, choice, text
from transforms.forms.model import Column, Form, Kind

MILESTONE = Form(
    name="milestone",
    code="MIL",
    zh="改革事项进展表",
    en="Progress of reforms",
    each_row_is_a="reform item",
    row_zh="一个事项",
    key=("item",),
    columns=(
        text("item", "事项", "Item of reform"),
        choice("status", "状态", "State of the item", "未启动", "进行中", "已完成"),
        Column(
            name="date",
            header="日期",
            kind=Kind.DATE,
            en="Date of the state",
            note_zh="日期, 如 2020-09-01",
        ),
        text("document", "文号", "Number of the document", required=False),
        amount("quantity", "数量", None, "Quantity that the item asks for", required=False),
    ),
)
