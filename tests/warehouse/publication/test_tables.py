"""What BI tools find: tables, columns, comments, shortfalls, revisions; and how it gets there."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.conftest import Home, MakeHome, Night
from warehouse.publication.filling import Imprint

#: The tables of docs/contract.md, *Tables*, with their columns and what kind of value they hold.
CONTRACT = {
    "region": "region_code:text region_name:text level:text parent_code:text kind:text",
    "indicator": "indicator_id:text name_zh:text name_en:text unit:text scale:int better:text"
    " section:int numerator_zh:text denominator_zh:text formula:text",
    "clause": "clause_id:text indicator_id:text section:int kind:text comparator:text"
    " threshold:exact due_year:int effective_from:int effective_to:int scope:text"
    " interpretation:bool statement_zh:text statement_en:text source:text",
    "indicator_value": "indicator_id:text region_code:text year:int numerator:exact"
    " denominator:exact value:real reporting_units:int expected_units:int",
    "attainment": "clause_id:text indicator_id:text region_code:text year:int value:real"
    " threshold:real status:text gap:real gap_quantity:exact gap_unit:text",
    "shortfall": "clause_id:text region_code:text year:int institution_code:text"
    " institution_name:text detail_zh:text value:text submission_id:text sheet:text row:int",
    "submission": "submission_id:text region_code:text form:text year:int file_name:text"
    " sha256:text received_at:time status:text rows_read:int rows_loaded:int rows_returned:int"
    " rows_ignored:int errors:int warnings:int",
    "reporting": "region_code:text form:text year:int expected:int received:int accepted:int"
    " on_time:int last_received_at:time",
    "finding": "submission_id:text region_code:text form:text year:int severity:text rule_id:text"
    " sheet:text cell:text row:int column_name:text value:text message_zh:text message_en:text"
    " cells:int",
    "finding_history": "finding_key:text submission_id:text region_code:text form:text year:int"
    " severity:text rule_id:text first_publication_id:text last_publication_id:text closed_by:text",
    "publication": "publication_id:text published_at:time previous_id:text code_version:text"
    " plan_version:text submissions:int changes:int sample:bool",
    "revision": "publication_id:text indicator_id:text region_code:text year:int old_value:real"
    " new_value:real old_status:text new_status:text submission_id:text",
}
TYPES = {
    "text": r"VARCHAR",
    "int": r"INTEGER|BIGINT",
    "real": r"DOUBLE",
    "exact": r"DECIMAL\(\d+,\d+\)",
    "bool": r"BOOLEAN",
    "time": r"TIMESTAMP",
}
COLUMNS = [
    (table, *column.split(":")) for table, columns in CONTRACT.items() for column in columns.split()
]

CITY, OWN, GUTA, LINGHE, TAIHE, HEISHAN = [
    "210700",
    "210701",
    "210702",
    "210703",
    "210711",
    "210726",
]
GOOD_SCHOOL: dict[str, object] = {
    "stage": "初中",
    "urban_rural": "乡村",
    "junior_students": 300,
    "boarding": True,
    "boarding_standard": True,
    "conditions_standard": True,
    "arrival_time": "07:50",
    "class_start_time": "08:00",
    "evening_end_time": "21:00",
    "supervisor_assigned": True,
    "digital_teaching": True,
}


def school(number: int, **change: object) -> dict[str, object]:
    return {
        **GOOD_SCHOOL,
        "institution_code": f"31210000{number:02d}",
        "institution_name": f"{number}中",
        **change,
    }


def kindergarten(number: int, **change: object) -> dict[str, object]:
    return {
        "institution_code": f"11210000{number:02d}",
        "institution_name": f"{number}幼",
        "children_enrolled": 40,
        **change,
    }


def school_class(number: int, students: int, **change: object) -> dict[str, object]:
    return {
        "institution_code": "2121000001",
        "institution_name": "一小",
        "stage": "小学",
        "grade": 3,
        "class_name": f"{number}班",
        "students": students,
        **change,
    }


SCHOOLS = [
    school(1),
    school(2, arrival_time="07:40"),
    school(3, class_start_time="07:59"),
    school(4, evening_end_time="21:30"),
    school(5, boarding_standard=False),
    school(6, conditions_standard=False),
    school(7, supervisor_assigned=False),
    school(8, stage="小学", founded_year=2020),
    # None of these is to blame for anything.
    school(9, stage="普通高中", arrival_time="06:30", conditions_standard=False),
    school(10, conditions_standard=False, urban_rural="城区", digital_teaching=False),
    school(11, arrival_time=None, supervisor_assigned=None, boarding=False, boarding_standard=None),
]
KINDERGARTENS = [
    kindergarten(1),
    kindergarten(2, licensed=False, institution_code=None),
    kindergarten(3, monthly_fee="900.50", fee_ceiling="900"),
    kindergarten(4, residential_quarter=True, residential_governed=False),
]
CLASSES = [school_class(1, 45), school_class(2, 58), school_class(3, 46)]
CENTRE = {"institution_code": "3621000001", "institution_name": "职教中心", "kind": "县级职教中心"}
COLLEGE = {"institution_code": "3621000002", "institution_name": "职校", "kind": "城区中职学校"}


@pytest.fixture(scope="module")
def published(make_home: MakeHome) -> Home:
    """One unit with everything wrong, one with everything right, one with 5 % large classes."""
    home = make_home()
    wrong = {"school": SCHOOLS, "kindergarten": KINDERGARTENS, "class": CLASSES}
    # The same in 2018, when nothing is due, and in 2019, when class sizes are not.
    home.book(GUTA, dict.fromkeys((2018, 2020), wrong) | {2019: {"class": CLASSES}})
    right = {"school": [school(21)], "kindergarten": [kindergarten(21)]}
    home.book(LINGHE, {2020: right, 2025: {"school": [school(21, digital_teaching=False)]}})
    home.sheet(TAIHE, "class", 2020, [school_class(n, 60 if n == 0 else 45) for n in range(20)])
    home.book(
        HEISHAN,
        {
            2020: {"kindergarten": [kindergarten(41, township="芳山镇", ownership="公办")]},
            2022: {"vocational": [{**CENTRE, "transformed": False}]},
        },
    )
    home.book(OWN, {2022: {"vocational": [{**COLLEGE, "layout_adjusted": False}]}})
    home.night()
    return home


@pytest.fixture(scope="module")
def described(published: Home) -> dict[tuple[str, str], tuple[str, str]]:
    """Types and comments of all columns."""
    rows = published.ask(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND NOT internal"
    )
    return {(table, column): (kind, comment) for table, column, kind, comment in rows}


@pytest.mark.parametrize(("table", "column", "kind"), COLUMNS)
def test_a_column_of_the_contract_is_there(
    described: dict[tuple[str, str], tuple[str, str]], table: str, column: str, kind: str
) -> None:
    assert re.fullmatch(TYPES[kind], described[table, column][0])


def test_every_table_and_column_has_a_comment_in_both_languages(
    published: Home, described: dict[tuple[str, str], tuple[str, str]]
) -> None:
    comments = {f"{table}.{column}": words for (table, column), (_, words) in described.items()}
    comments |= dict(
        published.ask("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main'")
    )
    assert set(CONTRACT) <= set(comments)
    for name, comment in comments.items():
        assert comment, name
        zh, _, en = comment.partition(" / ")
        assert re.search("[\u4e00-\u9fff]", zh), name
        assert re.search("[A-Za-z]{2}", en), name


def test_the_parquet_files_hold_the_same_rows(published: Home) -> None:
    folder = published.settings.published / "parquet"
    tables = {name for (name,) in published.ask("SELECT table_name FROM duckdb_tables()")}
    assert {file.stem for file in folder.iterdir()} == tables
    for table in tables:
        file = folder / f"{table}.parquet"
        query = "SELECT * FROM {} ORDER BY ALL"
        assert published.ask(query.format(f"'{file}'")) == published.ask(query.format(table))
    types = pl.read_parquet_schema(folder / "indicator_value.parquet")
    assert types["numerator"] == pl.Decimal(38, 6)


def test_keys_join(published: Home) -> None:
    for table, key, parent in (
        ("attainment", "clause_id", "clause"),
        ("attainment", "indicator_id", "indicator"),
        ("clause", "indicator_id", "indicator"),
        ("indicator_value", "region_code", "region"),
        ("shortfall", "submission_id", "submission"),
        ("finding", "submission_id", "submission"),
    ):
        assert (
            published.ask(
                f"SELECT DISTINCT {key} FROM {table} ANTI JOIN {parent} USING ({key}) "
                f"WHERE {key} IS NOT NULL"
            )
            == []
        ), f"{table}.{key}"
    assert published.ask("SELECT count(*) FROM indicator") == [(59,)]
    assert published.ask("SELECT count(*) FROM clause WHERE interpretation") == [(25,)]
    assert published.ask("SELECT count(*) FROM region") == [(11,)]


def shortfall(home: Home, unit: str, year: int) -> list[tuple[Any, ...]]:
    """clause, code, name, value, sheet, row; and the file by way of the submission."""
    return home.ask(
        "SELECT f.clause_id, institution_code, institution_name, value, sheet, row, file_name "
        "FROM shortfall f LEFT JOIN submission s USING (submission_id) "
        "WHERE f.region_code = ? AND f.year = ? "
        "ORDER BY string_split(f.clause_id, '.')::INTEGER[], row",
        unit,
        year,
    )


def test_what_is_to_blame_is_named_with_its_place(published: Home) -> None:
    # In the workbook the rows of 2018 stand first, under the header.
    place = {
        "school": 1 + len(SCHOOLS),
        "kindergarten": 1 + len(KINDERGARTENS),
        "class": 1 + len(CLASSES),
    }
    schools, gardens, classes = "中小学校基本情况表", "幼儿园基本情况表", "班级学生数表"
    first = place["class"]

    def at_school(clause: str, number: int, value: str | None) -> tuple[Any, ...]:
        row = place["school"] + number
        return (
            clause, f"31210000{number:02d}", f"{number}中", value, schools, row, "报送.xlsx",
        )  # fmt: skip

    def at_garden(clause: str, number: int, value: str | None) -> tuple[Any, ...]:
        code = None if number == 2 else f"11210000{number:02d}"
        row = place["kindergarten"] + number
        return (clause, code, f"{number}幼", value, gardens, row, "报送.xlsx")

    def in_class(clause: str, number: int, value: str) -> tuple[Any, ...]:
        return (clause, "2121000001", "一小", value, classes, first + number, "报送.xlsx")

    assert shortfall(published, GUTA, 2020) == [
        at_school("1.1", 2, "07:40"),
        at_school("1.2", 3, "07:59"),
        at_school("1.3", 4, "21:30"),
        at_school("2.5", 8, "2020"),
        at_garden("2.6", 2, "40"),
        at_garden("2.7", 3, "900.5"),
        at_garden("2.8", 4, None),
        in_class("2.9", 2, "58"),
        in_class("2.10", 2, "58"),
        in_class("2.10", 3, "46"),
        at_school("2.13", 5, None),
        at_school("2.14", 6, None),
        at_school("3.3", 7, None),
    ]


def test_details_are_chinese_and_say_the_figure(published: Home) -> None:
    details = dict(
        published.ask(
            "SELECT clause_id || coalesce(value, ''), detail_zh FROM shortfall "
            "WHERE region_code = ? AND year = 2020",
            GUTA,
        )
    )
    for key, words in {
        "1.107:40": ("07:40",),
        "1.207:59": ("07:59",),
        "1.321:30": ("21:30",),
        "2.52020": ("2020",),
        "2.640": ("40",),
        "2.7900.5": ("900.5", "900元"),
        "2.958": ("58", "小学", "3", "2班"),
        "2.8": ("小区配套园",),
        "2.13": ("寄宿",),
        "2.14": ("办学条件",),
        "3.3": ("督学",),
    }.items():
        for word in words:
            assert word in details[key]


def test_missing_townships_have_no_institution(published: Home) -> None:
    found = shortfall(published, HEISHAN, 2020)
    assert [row[0] for row in found] == ["2.4"] * 18  # of nineteen
    assert {row[1:3] + row[4:] for row in found} == {(None, None, None, None, None)}
    names = {row[3] for row in found}
    assert "段家乡" in names
    assert "芳山镇" not in names
    assert "黑山街道" not in names


def test_only_what_is_not_met_has_a_shortfall(published: Home) -> None:
    assert (
        published.ask(
            "SELECT DISTINCT f.clause_id, f.region_code, f.year FROM shortfall f "
            "JOIN attainment a USING (clause_id, region_code, year) WHERE a.status <> 'not_met'"
        )
        == []
    )
    # 2018 is before the plan, in 2019 class sizes are not due.
    assert shortfall(published, GUTA, 2018) == []
    assert shortfall(published, GUTA, 2019) == []
    assert published.status("2.9", GUTA, 2019) in {"on_track", "off_track"}
    assert published.status("1.1", GUTA, 2018) == "monitored"
    # One large class of twenty is 5 %: met, and nobody is to blame.
    assert published.status("2.9", TAIHE, 2020) == "met"
    assert shortfall(published, TAIHE, 2020) == []
    assert shortfall(published, LINGHE, 2020) == []
    # A few units of ten say nothing of the city.
    assert published.status("2.9", CITY, 2020) == "insufficient"
    assert shortfall(published, CITY, 2020) == []


def test_the_later_clauses_name_theirs_too(published: Home) -> None:
    (centre,) = shortfall(published, HEISHAN, 2022)
    assert centre[:4] == ("2.16", "3621000001", "职教中心", None)
    (college,) = shortfall(published, OWN, 2022)
    assert college[:4] == ("2.17", "3621000002", "职校", None)
    assert [row[:3] for row in shortfall(published, LINGHE, 2025)] == [
        ("5.1", "3121000021", "21中")
    ]


def test_every_submission_closes_its_accounts(published: Home) -> None:
    assert published.ask(
        "SELECT count(*) FROM submission WHERE rows_read <> rows_loaded + rows_returned"
        " + rows_ignored OR rows_read = 0"
    ) == [(0,)]
    # The header stands above the first of the years in its sheet.
    assert published.ask(
        "SELECT year, rows_read, rows_loaded, rows_ignored FROM submission "
        "WHERE region_code = ? AND form = 'class' ORDER BY year",
        GUTA,
    ) == [(2018, 4, 3, 1), (2019, 3, 3, 0), (2020, 3, 3, 0)]


# One class more, two nights.

_READER = """
import sys
import duckdb

query = "SELECT value FROM indicator_value WHERE indicator_id = 'large_class_share' " \\
    "AND region_code = '210702' AND year = 2020"
with duckdb.connect(sys.argv[1], read_only=True) as open_all_the_time:
    for line in sys.stdin:
        print(open_all_the_time.execute(query).fetchone()[0], flush=True)
"""


def classes(changed: int) -> list[dict[str, object]]:
    """Twenty classes: one of 60, one of ``changed``, the others of 40."""
    return [school_class(n, {0: 60, 1: changed}.get(n, 40)) for n in range(20)]


class Nights:
    """Three nights: as handed in, one class of 55 corrected to 56, nothing new.

    ``seen`` is what a reader read before and after the second night, who never let go of the file.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self.nights: list[Night] = []
        self.rows: list[dict[str, set[tuple[Any, ...]]]] = []
        self.seen: list[float] = []

    @property
    def imprints(self) -> list[Imprint]:
        """The publications that were made."""
        return [night.imprint for night in self.nights if night.imprint is not None]

    def night(self) -> None:
        self.nights.append(self.home.night())
        tables = ("indicator_value", "attainment", "shortfall")
        self.rows.append({name: set(self.home.ask(f"FROM {name}")) for name in tables})


@pytest.fixture(scope="module")
def corrected(make_home: MakeHome) -> Nights:
    home = make_home()
    run = Nights(home)
    home.sheet(GUTA, "class", 2020, classes(55), received="2020-09-01 00:00:00")
    home.sheet(LINGHE, "class", 2020, [school_class(n, 40) for n in range(20)])
    run.night()
    inode = home.publication.stat().st_ino
    with subprocess.Popen(
        [sys.executable, "-c", _READER, str(home.publication)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        first = reader.stdout.readline()
        home.sheet(GUTA, "class", 2020, classes(56), received="2020-09-02 00:00:00")
        run.night()
        second, _ = reader.communicate("\n")
    run.seen = [float(first), float(second)]
    assert home.publication.stat().st_ino != inode
    run.night()
    return run


def test_a_reader_that_holds_it_open_keeps_the_old_one(corrected: Nights) -> None:
    assert corrected.seen == [5.0, 5.0]
    assert corrected.home.value("large_class_share", GUTA, 2020)[2] == 10.0


def test_one_pupil_more_moves_the_share_and_nothing_else(corrected: Nights) -> None:
    before, after = (rows["indicator_value"] for rows in corrected.rows[:2])
    share = "large_class_share"
    assert before - after == {
        (share, GUTA, 2020, 1, 20, 5.0, 1, 1, None, None),
        (share, CITY, 2020, 1, 40, 2.5, 2, 10, None, None),
    }
    assert after - before == {
        (share, GUTA, 2020, 2, 20, 10.0, 1, 1, None, None),
        (share, CITY, 2020, 2, 40, 5.0, 2, 10, None, None),
    }


def test_one_pupil_more_moves_the_verdict_and_nothing_else(corrected: Nights) -> None:
    before, after = (rows["attainment"] for rows in corrected.rows[:2])
    key = ("2.9", "large_class_share")
    assert before - after == {
        (*key, GUTA, 2020, 5.0, 5.0, "met", 0.0, 0, "个班", 1, 1, None, None),
        (*key, CITY, 2020, 2.5, 5.0, "insufficient", 0.0, 0, "个班", 2, 10, None, None),
    }
    assert after - before == {
        (*key, GUTA, 2020, 10.0, 5.0, "not_met", 5.0, 1, "个班", 1, 1, None, None),
        (*key, CITY, 2020, 5.0, 5.0, "insufficient", 0.0, 0, "个班", 2, 10, None, None),
    }


def test_one_pupil_more_names_the_classes(corrected: Nights) -> None:
    before, after = (
        {row[0] + row[7] for row in rows["shortfall"] if row[1] == GUTA}
        for rows in corrected.rows[:2]
    )
    # The class in question is too large for 2.10 either way.
    assert before == {"2.1060", "2.1055"}
    assert after == {"2.1060", "2.1056", "2.960", "2.956"}


def test_the_correction_is_a_revision_with_its_cause(corrected: Nights) -> None:
    home, (_, second) = corrected.home, corrected.imprints
    ((cause,),) = home.ask(
        "SELECT submission_id FROM submission WHERE region_code = ? AND status = 'accepted'", GUTA
    )
    share, run = "large_class_share", second.publication_id
    assert home.ask("FROM revision ORDER BY region_code") == [
        (run, share, CITY, 2020, 2.5, 5.0, "insufficient", "insufficient", cause, "2.9"),
        (run, share, GUTA, 2020, 5.0, 10.0, "met", "not_met", cause, "2.9"),
    ]


def test_publications_follow_each_other(corrected: Nights) -> None:
    first, second = corrected.imprints
    assert corrected.home.ask(
        "SELECT publication_id, previous_id, submissions, changes FROM publication "
        "ORDER BY published_at"
    ) == [
        (first.publication_id, None, 2, 0),
        (second.publication_id, first.publication_id, 2, 2),
    ]
    assert corrected.home.ask("SELECT DISTINCT code_version, plan_version FROM publication") == [
        (first.code_version, first.plan_version)
    ]
    assert first.plan_version.startswith("jinzhou-2019-2025/2")


def test_a_night_without_news_publishes_nothing_new(corrected: Nights) -> None:
    assert corrected.nights[2].imprint is None
    assert corrected.rows[2] == corrected.rows[1]


def test_nothing_half_is_left_beside_the_publication(corrected: Nights) -> None:
    names = {path.name for path in corrected.home.settings.published.iterdir()}
    assert {"indicators.duckdb", "parquet"} <= names
    assert not [name for name in names if name.startswith(".") or name.endswith(".wal")]


def test_a_verdict_that_changes_alone_is_a_revision_too(home: Home) -> None:
    def finance(year: int, amount: str, received: str) -> None:
        rows = [
            {"stage": "合计", "budget_expenditure": amount, "students_average": 10},
            {"stage": "小学", "budget_expenditure": amount, "students_average": 10},
        ]
        home.sheet(GUTA, "finance", year, rows, received=received)

    finance(2019, "100", "2020-01-01 00:00:00")
    finance(2020, "105", "2021-01-01 00:00:00")
    home.night()
    assert home.status("3.1", GUTA, 2020) == "met"
    finance(2019, "110", "2021-02-01 00:00:00")
    home.night()
    ((cause,),) = home.ask(
        "SELECT submission_id FROM submission WHERE year = 2019 AND status = 'accepted'"
    )
    assert home.ask(
        "SELECT year, old_value, new_value, old_status, new_status, submission_id FROM revision "
        "WHERE indicator_id = 'budget_education_expenditure' AND region_code = ? ORDER BY year",
        GUTA,
    ) == [
        (2019, 100.0, 110.0, "no_data", "no_data", cause),
        (2020, 105.0, 105.0, "met", "not_met", cause),
    ]


def test_a_file_of_version_one_can_be_read_by_any_driver(published: Home) -> None:
    with duckdb.connect(str(published.publication), read_only=True) as connection:
        tags = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE NOT internal"
        ).fetchall()
    assert "v1.0" in str(tags)
