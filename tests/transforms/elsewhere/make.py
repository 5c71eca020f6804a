"""Make the workbooks of this folder anew with programs that are not ours: LibreOffice and pandas.

    python make.py            (needs soffice, pandas, openpyxl, odfpy, lxml)

They are kept as files, so that the tests read what these programs really write wherever they run.
`odd.xlsx` is typed here with openpyxl as counties type; LibreOffice opens it, computes its formulas
and saves it in every format it can. pandas writes one of its forms as a school system would export it.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import tempfile
from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font

HERE = Path(__file__).parent

#: What LibreOffice is asked for. Delimited text is one sheet of the workbook: tab, quotes, encoding,
#: and last its number; as its cells are shown.
TEXT = "csv:Text - txt - csv (StarCalc):9,34,{},1,,0,false,true,false,false,false,{}"
LIBREOFFICE = {
    "libreoffice.xlsx": "xlsx:Calc MS Excel 2007 XML",
    "libreoffice.xls": "xls:MS Excel 97",
    "libreoffice.ods": "ods:calc8",
    "libreoffice_html.xls": "html:HTML (StarCalc)",
    "libreoffice_gb18030.csv": TEXT.format(85, 4),
    "libreoffice_utf16.tsv": TEXT.format(65535, 5),
}


def odd() -> openpyxl.Workbook:
    """A workbook of four forms and a cover, with a formula error in one cell."""
    book = openpyxl.Workbook()
    cover = book.active
    cover.title = "封面"
    cover["B3"], cover["B3"].font = "义县教育事业统计", Font(size=20, bold=True)
    cover["B5"] = "报出日期：2021年1月8日"

    primary = book.create_sheet("小学")
    primary.append(["义县2020—2021学年度班级学生数表"])
    primary.merge_cells("A1:G1")
    primary["A1"].alignment = Alignment(horizontal="center")
    primary.append([None, None, None, None, None, "单位：人"])
    primary.append(["学校\n代码", "学校名称", "其中", None, None, None, "备注"])
    primary.append([None, None, "学段", "年级", "班号", "班额", None])
    for cells in ("A3:A4", "B3:B4", "C3:F3", "G3:G4"):
        primary.merge_cells(cells)
    primary.append(["甲", "乙", 1, 2, 3, 4, 5])
    primary.append([2121270001, "实验小学", "小学", "一年级", "1班", "=20+22", "新建"])
    primary.append([None, None, "小学", "一年级", "2班", "５６", None])
    primary.append(["小计", None, None, None, None, "=SUM(F6:F7)", None])
    primary.append([])
    primary.append(["'2121270002", "城 关 小学", "小学", 6, "1班", "45人", None])
    primary.merge_cells("A6:A7")
    primary.merge_cells("B6:B7")
    primary.append(["合计", None, None, None, None, "=F8+F10"])
    primary.append(["填表人：教育股", None, None, "审核人：办公室"])
    primary["F7"].comment = Comment("已核实", "教育股")

    junior = book.create_sheet("初中")
    junior.sheet_state = "hidden"
    junior.append(["2020年"])
    junior.append(["学段", "班级", "学校标识码", "班级人数", "年级", "学校名称"])
    junior.append(["初中", "1班", 3121270001, 50, "七年级", "义县初级中学"])
    junior.append(["初中", "1班", 3121270001, 48, "初二", "义县初级中学"])

    money = book.create_sheet("经费")
    money.append(["教育经费表"])
    money.append(["年份", "学段", "一般公共预算教育支出（元）", "平均在校生数"])
    for stage, amount, pupils in (
        ("合计", "=SUM(C4:C8)", 8101),
        ("学前", 12345600, 1200),
        ("小学", 45678901.5, 3301),
        ("初中", 23456789, 1800),
        ("高中", 20000000, 1300),
        ("中职", 5000000, 500),
    ):
        money.append([2020, stage, amount, pupils])

    schools = book.create_sheet("学校")
    schools.append([None, "2020年中小学校基本情况表"])
    schools.append([])
    headers = [
        "学校标识码",
        "学校名称",
        "所在乡镇(街道)",
        "城乡类型",
        "学校类别",
        "举办者性质",
        "建校年份",
        "小学在校生数",
        "初中在校生数",
        "普通高中在校生数",
        "中职在校生数",
        "是否寄宿制",
        "寄宿生数",
        "统一到校时间",
        "上课时间",
        "晚自习结束时间",
        "开展课后服务",
    ]
    schools.append([None, *headers])
    day = [dt.time(7, 50), 8 / 24, "20点30分", "√"]
    schools.append(
        [
            None,
            "2121270001",
            "实验小学",
            "义州街道",
            "城区",
            "小学",
            "公办",
            1956,
            98,
            0,
            0,
            0,
            "否",
            "-",
            *day,
        ]
    )
    schools.append(
        [None, "3121270001", "义县初级中学", "义州街道", "城区", "初中", "公办", "1,960", 0, 98, 0, 0, "是", 30,
         "7：55", dt.time(8, 0), dt.time(21, 0), "×"]
    )  # fmt: skip
    for row in (4, 5):
        for column in "OPQ":
            schools[f"{column}{row}"].number_format = "h:mm"

    damaged = book.create_sheet("人口")
    damaged.append(["2020年学龄人口表"])
    damaged.append(["年龄", "人口数"])
    damaged.append([3, 1000])
    damaged.append([4, "=1000/0"])
    damaged.append([5, dt.date(2020, 9, 1)])
    return book


def by_libreoffice(source: Path, target: Path, wanted: str) -> None:
    """Have LibreOffice convert a file."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless",
             "--convert-to", wanted, "--outdir", folder, str(source)],
            check=True, capture_output=True,
        )  # fmt: skip
        (written,) = (path for path in Path(folder).iterdir() if path.is_file())
        target.write_bytes(written.read_bytes())


def by_pandas() -> None:
    """A kindergarten without a code makes numbers with .0 of all the others."""
    frame = pd.DataFrame(
        {
            "标识码": [1121270001, None],
            "机构名称": ["义县幼儿园", "小太阳幼儿园"],
            "乡镇街道": ["义州街道", "义州街道"],
            "城乡类型": ["城区", "城区"],
            "办园性质": ["公办", "民办"],
            "普惠性": [True, False],
            "办园许可": ["有", "无"],
            "小区配套园": ["否", "否"],
            "保教费(元/月)": [300.5, 1200],
            "在园人数": [210, 35],
            "其中3至5岁幼儿数": [190, None],
            "班数": [7, 2],
            "专任教师数": [14, 3],
        }
    )
    # An export has numbers and words only.
    frame["普惠性"] = frame["普惠性"].map({True: "是", False: "否"})
    frame.to_excel(HERE / "pandas2020年.xlsx", index=False)
    frame.to_excel(HERE / "pandas2020年.ods", index=False, engine="odf")
    frame.to_csv(HERE / "pandas2020年.csv", index=False, encoding="gb18030")
    page = '<meta charset="utf-8">' + frame.to_html(index=False, na_rep="")
    (HERE / "pandas2020年.xls").write_text(page, "utf-8")


def main() -> None:
    source = HERE / "odd.xlsx"
    odd().save(source)
    for name, wanted in LIBREOFFICE.items():
        by_libreoffice(source, HERE / name, wanted)
        print(name, file=sys.stderr)
    source.unlink()  # its formulas are not computed
    by_pandas()


if __name__ == "__main__":
    main()
