"""The made-up files: real workbooks, the same in every run, as messy as docs/contract.md, *Sheets*, allows."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import fields
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from random import Random

import fastexcel
import openpyxl
import polars as pl
import pytest

from transforms.forms import FORMS
from transforms.made_up import MADE_UP_LINE
from transforms.reading import read_file
from transforms.sample import Mess, SampleFile, deliveries, make_city, write_sample
from transforms.sample.city import units_of
from transforms.sample.delivery import handed_in
from transforms.sample.sheet import Cell, SampleSheet, fill_in
from transforms.sample.style import Style, draw_style
from transforms.sample.workbook import workbook_bytes
from transforms.submissions import Document, examine

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "transforms" / "reference"
SHANGHAI = timezone(timedelta(hours=8))
YEARS = range(2018, 2023)


@pytest.fixture(scope="module")
def regions() -> pl.DataFrame:
    return pl.read_csv(REFERENCE / "regions.csv", infer_schema=False)


@pytest.fixture(scope="module")
def townships() -> pl.DataFrame:
    frame = pl.read_csv(REFERENCE / "townships.csv", infer_schema=False)
    return frame.cast({"valid_from_year": pl.Int64, "valid_to_year": pl.Int64})


@pytest.fixture(scope="module")
def usual(regions: pl.DataFrame, townships: pl.DataFrame) -> list[SampleFile]:
    return list(deliveries(YEARS, regions, townships, mess="usual"))


def only(regions: pl.DataFrame, *codes: str) -> pl.DataFrame:
    return regions.filter(pl.col("region_code").is_in(codes))


@pytest.fixture(scope="module")
def usual_documents(usual: list[SampleFile]) -> list[Document]:
    """What is read of the files of two years."""
    return [
        document
        for delivery in usual
        if delivery.year in (2020, 2021)
        for document in read_file(
            delivery.data, str(delivery.path), sha256="0" * 64, region_code=delivery.region_code
        )
    ]


# The mark of what is made up


def test_every_usual_file_says_that_it_is_made_up_whatever_its_format(
    usual: list[SampleFile], usual_documents: list[Document]
) -> None:
    assert {".csv", ".tsv", ".xlsx", ".zip"} == {delivery.path.suffix for delivery in usual}
    assert {".csv", ".tsv", ".xlsx"} <= {Path(d.file_name).suffix for d in usual_documents}
    assert any(".zip/" in d.file_name for d in usual_documents)
    assert [d.file_name for d in usual_documents if not d.made_up] == []


def test_the_mark_does_not_disturb_reading(
    usual: list[SampleFile], usual_documents: list[Document]
) -> None:
    flawed = {delivery.path.name for delivery in usual if delivery.flaw}
    examined = examine([d for d in usual_documents if d.file_name not in flawed])
    assert examined.submissions["sample"].all()
    assert examined.findings.filter(pl.col("severity") == "error").is_empty()


def test_the_line_stands_above_every_sheet_and_in_print(
    tmp_path: Path, regions: pl.DataFrame, townships: pl.DataFrame
) -> None:
    unit = only(regions, "210727")
    for path in write_sample(tmp_path, [2020], unit, townships, mess="none"):
        for sheet in openpyxl.load_workbook(path).worksheets:
            assert sheet["A1"].value == MADE_UP_LINE
            assert sheet.oddHeader.center.text == MADE_UP_LINE


# Tidy files


def test_tidy_files_hold_the_city(
    tmp_path: Path, regions: pl.DataFrame, townships: pl.DataFrame
) -> None:
    unit = only(regions, "210727")
    seen: list[Path] = []
    paths = write_sample(tmp_path, [2020], unit, townships, on_file=seen.append)
    assert seen == paths
    city = make_city([2020], unit, townships)
    assert len(paths) == len(city) == 11
    for (name, _, _), frame in city.items():
        form = FORMS[name]
        path = tmp_path / "义县" / "2020" / f"{form.zh}.xlsx"
        width = len(form.columns)
        mark, *rows = [row[:width] for row in openpyxl.load_workbook(path).active.values]
        assert mark[0] == MADE_UP_LINE
        assert rows[0][0] == f"义县2020年{form.zh}"
        top = 1
        if name in ("finance", "salary"):
            assert rows[1][0] == "单位：万元"
            top = 2
        assert list(rows[top]) == [column.titled for column in form.columns]
        assert rows[-1][0] == "填表人：教育股"
        body = rows[top + 1 : -1]
        if len(body) > frame.height:
            assert body.pop()[0] == "合计"
        assert body == [
            tuple(
                {True: "是", False: "否"}[cell]
                if isinstance(cell, bool)
                else float(cell)
                if isinstance(cell, Decimal)
                else datetime.combine(cell, time())
                if isinstance(cell, date)
                else cell
                for cell in row
            )
            for row in frame.iter_rows()
        ]


def test_files_and_times_are_the_same_in_every_process(
    tmp_path: Path, regions: pl.DataFrame, townships: pl.DataFrame
) -> None:
    unit = only(regions, "210782", "210791")
    messes: tuple[Mess, ...] = ("none", "usual")
    for mess in messes:
        here = tmp_path / f"{mess}-here"
        write_sample(here, [2019, 2020], unit, townships, mess=mess)
        there = tmp_path / f"{mess}-there"
        program = f"""
from pathlib import Path
import polars as pl
from transforms.sample import write_sample
regions = pl.read_csv("transforms/reference/regions.csv", infer_schema=False)
towns = pl.read_csv("transforms/reference/townships.csv", infer_schema=False)
towns = towns.cast({{"valid_from_year": pl.Int64, "valid_to_year": pl.Int64}})
regions = regions.filter(pl.col("region_code").is_in(["210791", "210782"])).reverse()
write_sample(Path({str(there)!r}), [2019, 2020], regions, towns, mess={mess!r})
"""
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5", "TZ": "America/New_York"},
            check=True,
        )
        first, second = snapshot(here), snapshot(there)
        assert len(first) > 5
        assert first == second


def snapshot(folder: Path) -> dict[str, tuple[bytes, float]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime)
        for path in files
    }


def test_times_of_receipt(regions: pl.DataFrame, townships: pl.DataFrame) -> None:
    unit = only(regions, "210702", "210703", "210711", "210726", "210727")
    late = 0
    all_of_them = list(deliveries(YEARS, unit, townships))
    for delivery in all_of_them:
        day = delivery.received.astimezone(SHANGHAI).date()
        if delivery.forms[0] in ("finance", "salary"):
            first, due = date(delivery.year + 1, 2, 1), date(delivery.year + 1, 3, 31)
        else:
            first, due = date(delivery.year, 10, 1), date(delivery.year, 10, 31)
        assert first <= day <= due + timedelta(days=31)
        late += day > due
    assert 1 <= late <= len(all_of_them) * 0.1


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="1,048,576"):
        workbook_bytes([SampleSheet("表", [["1"]] * 1_048_577)])


# The usual mess


def test_every_expected_submission_comes_once(
    usual: list[SampleFile], regions: pl.DataFrame, townships: pl.DataFrame
) -> None:
    first_versions = Counter(
        (form, delivery.region_code, delivery.year)
        for delivery in usual
        if delivery.corrects is None
        for form in delivery.forms
    )
    assert set(first_versions.values()) == {1}
    missing = set(make_city(YEARS, regions, townships)) - set(first_versions)
    assert set(first_versions) <= set(make_city(YEARS, regions, townships))
    # In the newest year the form that comes last has not come from one or two units.
    assert 1 <= len(missing) <= 2
    assert {(form, year) for form, _, year in missing} == {("finance", max(YEARS))}
    assert len({delivery.path for delivery in usual}) == len(usual)


def test_a_year_alone_is_whole_and_the_newest_of_several_still_lacks_a_form(
    regions: pl.DataFrame, townships: pl.DataFrame
) -> None:
    units = units_of(regions, seed=1, scale=1)

    def forms(years: list[int]) -> set[tuple[str, str, int]]:
        return {key for unit in units for key, _ in handed_in(unit, years, townships)}

    alone, several = forms([2022]), forms([2021, 2022])
    assert len(alone) == 102
    assert alone - several == {("finance", "210726", 2022), ("finance", "210782", 2022)}
    assert len(several) == 2 * 102 - 2


def test_few_files_are_flawed_and_some_are_corrected(usual: list[SampleFile]) -> None:
    flawed = {delivery.path: delivery for delivery in usual if delivery.flaw}
    assert 0 < len(flawed) <= 0.03 * len(usual)
    assert len({delivery.flaw for delivery in flawed.values()}) == 3
    corrections = [delivery for delivery in usual if delivery.corrects]
    assert 0 < len(corrections) < len(flawed)
    for delivery in corrections:
        assert delivery.flaw is None and delivery.corrects is not None
        wrong = flawed[delivery.corrects]
        assert (wrong.forms, wrong.year, wrong.region_code) == (
            delivery.forms,
            delivery.year,
            delivery.region_code,
        )
        assert wrong.received < delivery.received


def test_flaws_are_what_they_say(usual: list[SampleFile]) -> None:
    for delivery in usual:
        if delivery.flaw is None:
            continue
        sheets = openpyxl.load_workbook(BytesIO(delivery.data)).worksheets
        rows = [row for sheet in sheets for row in sheet.values]
        form = FORMS[delivery.forms[0]]
        last = form.required[-1]
        texts = [str(cell).split("(")[0] for row in rows for cell in row if cell is not None]
        if delivery.flaw == "missing_column":
            assert not {last.header, *last.aliases} & set(texts)
        elif delivery.flaw == "bad_cell":
            assert "待核实" in texts
        else:
            # Without the first cell, which may be a running number.
            data = Counter(row[1:] for row in rows if len([c for c in row if c is not None]) > 2)
            assert 2 in data.values()


def test_every_file_opens(usual: list[SampleFile]) -> None:
    endings: Counter[str] = Counter()
    encodings = set()
    hidden = covers = several = 0
    for delivery in usual:
        endings[delivery.path.suffix] += 1
        if delivery.path.suffix == ".xlsx":
            book = fastexcel.read_excel(delivery.data)
            several += len(book.sheet_names) > 1
            covers += "封面" in book.sheet_names
            sheets = [book.load_sheet(name, header_row=None) for name in book.sheet_names]
            hidden += any(sheet.visible != "visible" for sheet in sheets)
            assert sheets[0].visible == "visible"
        elif delivery.path.suffix == ".zip":
            with zipfile.ZipFile(BytesIO(delivery.data), metadata_encoding="gbk") as archive:
                assert archive.testzip() is None
                for info in archive.infolist():
                    assert not info.flag_bits & 0x800, "a name in UTF-8 is no test of GBK"
                    assert Path(info.filename).stem in {form.zh for form in FORMS.values()}
                    fastexcel.read_excel(archive.read(info))
        else:
            bom = delivery.data.startswith(b"\xef\xbb\xbf")
            try:
                text = delivery.data.decode("utf-8-sig")
                encodings.add("bom" if bom else "utf-8")
            except UnicodeDecodeError:
                text = delivery.data.decode("gb18030")
                encodings.add("gb18030")
            assert "填表人" in text
    assert set(endings) == {".xlsx", ".csv", ".tsv", ".zip"}
    assert encodings == {"bom", "utf-8", "gb18030"}
    assert min(hidden, covers, several) > 0


def test_units_are_known_by_code_name_and_alias(
    usual: list[SampleFile], regions: pl.DataFrame
) -> None:
    known = {
        folder: row["region_code"]
        for row in regions.iter_rows(named=True)
        for folder in (
            row["region_code"],
            row["region_name"],
            *filter(None, (row["aliases"] or "").split("|")),
        )
    }
    for delivery in usual:
        assert known[delivery.path.parts[0]] == delivery.region_code
    of_one_unit = {d.path.parts[0] for d in usual if d.region_code == "210782"}
    assert len(of_one_unit) == 4


def test_every_liberty_is_taken() -> None:
    drawn = [draw_style(FORMS["school"], Random(i)) for i in range(400)]
    values = {
        field.name: {getattr(style, field.name) for style in drawn} for field in fields(Style)
    }
    for name, seen in values.items():
        assert len(seen) >= 2, name
    assert len(values["digits"]) == 5
    assert len(values["yes_no"]) >= 5
    assert len(values["times"]) == 6
    assert values["title"] == {"year", "school_year", "school_year_slash", "no_year"}
    calendar = {draw_style(FORMS["finance"], Random(i)).title for i in range(100)}
    assert calendar == {"year", "no_year"}


# What a style does to the cells of one row

KINDERGARTEN = pl.DataFrame(
    [
        (
            *("1121270001", "义州第一幼儿园", "义州街道", "镇区", "民办", True, True, True, False),
            *(Decimal(480), Decimal(500), 1234, None, 40, 61, None, 2012, None),
        )
    ],
    schema=FORMS["kindergarten"].schema,
    orient="row",
)
SCHOOL = pl.DataFrame(
    [
        (
            *("2121270001", "头台中心小学", "头台镇", "镇区", "小学", "公办", 1980, 620, 0, 0, 0),
            *(False, None, None, True, time(7, 50), time(8, 10), None),
            *(True, True, True, None, False, True),
        )
    ],
    schema=FORMS["school"].schema,
    orient="row",
)
FINANCE = pl.DataFrame(
    [("合计", Decimal("1000.55"), 12), ("小学", Decimal("1000.55"), 12)],
    schema=FORMS["finance"].schema,
    orient="row",
)


def cells(form: str, frame: pl.DataFrame, style: Style) -> dict[str, Cell]:
    """The first row of data by its headers."""
    sheet = fill_in(FORMS[form], frame, "义县", 2020, date(2020, 10, 9), style=style)
    keys = {FORMS[form].columns[0].header, "年份", "序号"}
    at = next(i for i, row in enumerate(sheet.rows) if row[0] in keys)
    return dict(zip([str(cell) for cell in sheet.rows[at]], sheet.rows[at + 1], strict=True))


@pytest.mark.parametrize(
    ("style", "header", "cell"),
    [
        (Style(), "在园幼儿数", 1234),
        (Style(digits="text"), "在园幼儿数", "1234"),
        (Style(digits="fullwidth"), "在园幼儿数", "１２３４"),
        (Style(digits="thousands"), "在园幼儿数", "1,234"),
        (Style(digits="with_unit"), "在园幼儿数", "1234人"),
        (Style(digits="with_unit"), "班数", 40),
        (Style(yes_no=("√", "×")), "是否普惠性", "√"),
        (Style(yes_no=(1, 0)), "小区配套治理完成", 0),
        (Style(blank="无"), "依托小学标识码", "无"),
        (Style(blank="—"), "其中3至5岁幼儿数", "—"),
        (Style(codes="number"), "机构标识码", 1121270001),
        (Style(codes="apostrophe"), "机构标识码", "'1121270001"),
        (Style(spaced=True), "幼儿园名称", "义州第一幼儿园 "),
        (Style(spaced=True), "所在乡镇", "义 州街道"),
        (Style(numbered=True), "序号", 1),
        (Style(title="no_year", year_column=True), "年份", 2020),
        (Style(money="yuan_header"), "保教费(元/月)", 480),
    ],
)
def test_kindergarten_cells(style: Style, header: str, cell: Cell) -> None:
    assert cells("kindergarten", KINDERGARTEN, style)[header] == cell


@pytest.mark.parametrize(
    ("style", "header", "cell"),
    [
        (Style(), "统一到校时间", time(7, 50)),
        (Style(times="plain"), "统一到校时间", "7:50"),
        (Style(times="wide"), "统一到校时间", "7：50"),
        (Style(times="words"), "上课时间", "8点10分"),
        (Style(times="seconds"), "统一到校时间", "07:50:00"),
        (Style(times="fraction"), "统一到校时间", 470 / 1440),
        (Style(blank="/"), "晚自习结束时间", "/"),
        # In a yes-or-no column 无 would be an answer.
        (Style(blank="无"), "接入教育云平台", None),
        (Style(digits="thousands"), "建校年份", 1980),
    ],
)
def test_school_cells(style: Style, header: str, cell: Cell) -> None:
    assert cells("school", SCHOOL, style)[header] == cell


@pytest.mark.parametrize(
    ("style", "header", "cell", "above"),
    [
        (Style(), "一般公共预算教育支出(万元)", 1000.55, ["单位：万元"]),
        (Style(money="yuan_header"), "一般公共预算教育支出(元)", 10_005_500, None),
        (Style(money="yuan_above"), "一般公共预算教育支出", 10_005_500, ["单位：元"]),
    ],
)
def test_money(style: Style, header: str, cell: Cell, above: list[Cell] | None) -> None:
    sheet = fill_in(FORMS["finance"], FINANCE, "义县", 2020, date(2021, 3, 9), style=style)
    assert cells("finance", FINANCE, style)[header] == cell
    lines = [row for row in sheet.rows if str(row[0]).startswith("单位")]
    assert lines == ([above] if above else [])
    assert [row[0] for row in sheet.rows].count("合计") == 1


def test_titles() -> None:
    def title(style: Style) -> Cell:
        return fill_in(FORMS["school"], SCHOOL, "义县", 2020, date(2020, 10, 9), style=style).rows[
            0
        ][0]

    assert title(Style()) == "义县2020年中小学校基本情况表"
    assert title(Style(title="school_year")) == "义县2020—2021学年中小学校基本情况表"
    assert title(Style(title="school_year_slash")) == "义县2020/2021学年度中小学校基本情况表"
    assert title(Style(title="no_year")) == "义县中小学校基本情况表"


def test_a_split_header_reads_downwards() -> None:
    style = Style(split_header=True, index_row=True)
    sheet = fill_in(
        FORMS["kindergarten"], KINDERGARTEN, "义县", 2020, date(2020, 10, 9), style=style
    )
    upper, lower = sheet.rows[1], sheet.rows[2]
    assert upper[5:8] == ["是否", None, "是否小区配套园"]
    assert lower[5:8] == ["普惠性", "取得办园许可", None]
    assert (1, 5, 1, 6) in sheet.merges
    assert (1, 0, 2, 0) in sheet.merges
    assert sheet.rows[3] == ["甲", "乙", *range(1, 17)]


def test_subtotals_stand_among_the_rows() -> None:
    frame = pl.concat([KINDERGARTEN] * 320)
    sheet = fill_in(
        FORMS["kindergarten"], frame, "义县", 2020, date(2020, 10, 9), style=Style(subtotals=True)
    )
    labels = [row[0] for row in sheet.rows]
    assert labels.count("小计") == 2
    assert labels.index("小计") == 152
    total = next(row for row in sheet.rows if row[0] == "合计")
    assert total[11] == 320 * 1234


def headers(style: Style) -> list[str]:
    sheet = fill_in(
        FORMS["kindergarten"],
        KINDERGARTEN,
        "义县",
        2020,
        date(2020, 10, 9),
        style=style,
        draws=Random(2),
    )
    return [str(cell) for cell in sheet.rows[1]]


def test_headers() -> None:
    tidy = headers(Style())
    assert tidy[:2] == ["机构标识码", "幼儿园名称"] and tidy[9] == "保教费(元/月)"
    assert headers(Style(remarks=True)) == [*tidy, "备注"]
    shuffled = headers(Style(shuffled=True))
    assert shuffled != tidy and sorted(shuffled) == sorted(tidy)
    renamed = headers(Style(aliases=True))
    assert renamed != tidy
    for header, column in zip(renamed, FORMS["kindergarten"].columns, strict=True):
        assert header in (column.titled, *column.aliases)
