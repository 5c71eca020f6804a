"""Short spellings for what many forms share, so that a form module reads like the form itself."""

from __future__ import annotations

import polars as pl

from transforms.forms.model import Column, Kind, RowCheck, Rule


def code(
    header: str, *aliases: str, name: str = "institution_code", required: bool = True
) -> Column:
    """Return a ten-digit institution code."""
    return Column(
        name=name,
        header=header,
        aliases=aliases,
        kind=Kind.CODE,
        required=required,
        en="Ten-digit code of the institution",
        note_zh="10位数字",
    )


def text(name: str, header: str, en: str, *aliases: str, required: bool = True) -> Column:
    """Free text, such as a name."""
    return Column(
        name=name,
        header=header,
        aliases=aliases,
        kind=Kind.TEXT,
        required=required,
        en=en,
    )


def count(
    name: str,
    header: str,
    en: str,
    *aliases: str,
    required: bool = True,
    high: int | None = None,
) -> Column:
    """Return a whole number of people or things, zero or more."""
    return Column(
        name=name,
        header=header,
        aliases=aliases,
        kind=Kind.INT,
        required=required,
        en=en,
        high=high,
        note_zh="非负整数" if high is None else f"0至{high}的整数",
    )


def amount(name: str, header: str, unit: str | None, en: str, *, required: bool = True) -> Column:
    """Return an exact decimal number in ``unit``."""
    return Column(
        name=name,
        header=header,
        kind=Kind.NUMBER,
        required=required,
        unit=unit,
        en=en if unit is None else f"{en} ({_UNITS_EN[unit]})",
        note_zh="非负数" if unit is None else f"非负数, 单位: {unit}",
    )


def yes_no(name: str, header: str, en: str, *aliases: str, required: bool = False) -> Column:
    """Return a question answered by 是 or 否."""
    return Column(
        name=name,
        header=header,
        aliases=aliases,
        kind=Kind.BOOL,
        required=required,
        en=en,
        note_zh="是 或 否",
    )


def clock(name: str, header: str, en: str) -> Column:
    """Return a time of day."""
    return Column(name=name, header=header, kind=Kind.TIME, en=en, note_zh="时刻, 如 07:50")


def choice(name: str, header: str, en: str, *choices: str, aliases: tuple[str, ...] = ()) -> Column:
    """Return one of a few fixed words; always required."""
    return Column(
        name=name,
        header=header,
        aliases=aliases,
        kind=Kind.CHOICE,
        required=True,
        choices=choices,
        en=en,
        note_zh="从中选择: " + "、".join(choices),
    )


def part_of_whole(
    number: str, part: Column, whole: Column, reason_zh: str, reason_en: str
) -> RowCheck:
    """Return the error that a part is larger than its whole."""
    return RowCheck(
        rule=Rule(
            number=number,
            severity="error",
            zh=f"“{part.header}”({{value}})大于“{whole.header}”({{other}})",
            en=f"{part.name} ({{value}}) is larger than {whole.name} ({{other}})",
            remedy_zh="请核对这两个数, 部分不能大于总数。",
            remedy_en="Check both figures: a part cannot exceed its whole.",
            reason_zh=reason_zh,
            reason_en=reason_en,
            example=f"{part.header} 12, {whole.header} 10",
        ),
        columns=(part.name, whole.name),
        bad=pl.col(part.name) > pl.col(whole.name),
    )


_UNITS_EN = {"元/月": "yuan a month", "万元": "10,000 yuan"}
