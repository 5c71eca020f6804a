"""The indicators by pandas and openpyxl: `python pandas_city.py INBOX REFERENCE OUT.csv`.

The script that is there before anybody builds anything: one workbook after the other, a group-by for
each indicator, a CSV file. It computes the figures and judges nothing.
"""

from __future__ import annotations

import csv
import sys
from datetime import time
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
SEEDS = HERE / "dbt" / "seeds"
UNIT_YEAR = ["region_code", "year"]
KEY = ["indicator_id", *UNIT_YEAR]
PARTS = ["numerator", "denominator"]

Frame = pd.DataFrame


def read_inbox(inbox: Path, units: pd.DataFrame) -> dict[str, Frame]:
    """Return all rows of every form, with region code and year."""
    sheets: dict[str, tuple[str, dict[str, str]]] = {}
    with (HERE / "columns.csv").open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            sheets.setdefault(line["sheet"], (line["form"], {}))[1][line["header"]] = line[
                "column_name"
            ]
    codes = dict(zip(units["region_name"], units["region_code"], strict=True))
    found: dict[str, list[Frame]] = {}
    for path in sorted(inbox.glob("*/*/*.xlsx")):
        form, columns = sheets[path.stem]
        cells = pd.read_excel(path, header=None, dtype=object, engine="openpyxl")
        headers = cells.map(lambda cell: str(cell).split("(")[0])
        number = next(i for i in cells.index[:10] if set(columns) <= set(headers.loc[i]))
        rows = cells.loc[number + 1 :].rename(columns=headers.loc[number].map(columns))
        rows = rows[list(columns.values())]
        first = rows.iloc[:, 0].fillna("").astype(str)
        rows = rows[~first.str.startswith("填表人") & ((first != "合计") | (form == "finance"))]
        unit, year = path.parts[-3:-1]
        found.setdefault(form, []).append(rows.assign(region_code=codes[unit], year=int(year)))
    return {form: pd.concat(frames, ignore_index=True) for form, frames in found.items()}


def typed(frame: Frame) -> Frame:
    """Give the columns their types: yes and no, times of day as minutes, figures as numbers."""
    words = {"是": True, "否": False}
    for name in frame.columns.difference(UNIT_YEAR):
        given = frame[name].dropna()
        if given.empty or given.isin(words).all():
            frame[name] = frame[name].map(words).astype("boolean")
        elif given.map(lambda cell: isinstance(cell, time)).all():
            frame[name] = frame[name].map(minutes, na_action="ignore").astype("Float64")
        elif given.map(lambda cell: isinstance(cell, (int, float))).all():
            frame[name] = pd.to_numeric(frame[name]).astype("Float64")
    return frame


def minutes(cell: time) -> int:
    """Return the minutes since midnight."""
    return cell.hour * 60 + cell.minute


class Figures:
    """Numerator and denominator of every indicator, for the units and years that have them."""

    def __init__(self) -> None:
        self.found: list[Frame] = []

    def ratio(self, indicator: str, top: pd.Series, bottom: pd.Series | None) -> None:
        """Take numerator and denominator, each by unit and year."""
        parts = {"numerator": top} if bottom is None else {"numerator": top, "denominator": bottom}
        frame = pd.DataFrame({name: part.astype("float64") for name, part in parts.items()})
        self.found.append(frame.reset_index().assign(indicator_id=indicator))

    def total(self, indicator: str, top: pd.Series) -> None:
        """Take a count or a sum."""
        self.ratio(indicator, top, None)

    def share(self, indicator: str, rows: Frame, test: pd.Series, among: pd.Series) -> None:
        """Take the share of the rows ``among`` that pass ``test``."""
        self.ratio(indicator, count(rows, among & test), count(rows, among))

    def answers(self, indicator: str, rows: Frame, test: pd.Series, among: pd.Series) -> None:
        """Take the same of those that have answered."""
        self.share(indicator, rows, test, among & test.notna())


def count(rows: Frame, mask: pd.Series) -> pd.Series:
    """Return how many rows of each unit and year ``mask`` holds for; 0 where none."""
    return mask.fillna(False).astype(int).groupby([rows["region_code"], rows["year"]]).sum()


def add(rows: Frame, column: str, mask: pd.Series | None = None) -> pd.Series:
    """Return the sums of a column by unit and year, over the rows for which ``mask`` holds."""
    values = rows[column] if mask is None else rows[column].where(mask.fillna(False))
    return values.groupby([rows["region_code"], rows["year"]]).sum()


def unit_figures(forms: dict[str, Frame], townships: Frame) -> Frame:
    """Return all figures of all units."""
    figures = Figures()
    of_schools(figures, forms["school"], forms["kindergarten"])
    of_kindergartens(figures, forms["kindergarten"], townships)
    of_enrolment(figures, forms)
    of_people_and_money(figures, forms)
    of_the_rest(figures, forms)
    return pd.concat(figures.found, ignore_index=True)


def of_schools(figures: Figures, school: Frame, kindergarten: Frame) -> None:
    """Add what is asked of schools."""
    everyone = pd.Series(True, index=school.index)
    stage, primary = school["stage"], school["primary_students"]
    basic = stage.isin(["小学", "初中", "九年一贯制学校", "十二年一贯制学校", "完全中学"])
    boarding, evening = school["boarding"], school["evening_end_time"]
    starts = school["class_start_time"]
    new = school["founded_year"].between(2019, school["year"])
    early, late = (primary > 0) & (starts >= 500), (primary == 0) & (starts >= 480)
    national = (early | late).where(starts.notna())
    yes_no = {
        "mental_health_teacher_share": "mental_health_teacher",
        "responsible_supervisor_share": "supervisor_assigned",
        "digital_teaching_coverage": "digital_teaching",
        "cloud_platform_share": "cloud_platform",
        "party_organisation_share": "party_organisation",
    }
    for indicator, column in yes_no.items():
        figures.answers(indicator, school, school[column], everyone)
    figures.answers("arrival_compliance_share", school, school["arrival_time"] >= 470, basic)
    figures.answers("lesson_start_compliance_share", school, starts >= 480, basic)
    upper = basic | (stage == "普通高中")
    figures.answers("lesson_start_national_share", school, national, upper)
    figures.answers("after_school_service_share", school, school["after_school_service"], basic)
    figures.share(
        "junior_evening_study_compliance_share",
        school,
        evening <= 21 * 60,
        boarding & (school["junior_students"] > 0) & evening.notna(),
    )
    most = stage.isin(["九年一贯制学校", "十二年一贯制学校"]).map({True: 2500, False: 2000})
    pupils = primary + school["junior_students"]
    figures.share("oversized_school_share", school, pupils > most, basic)
    figures.answers("boarding_conditions_share", school, school["boarding_standard"], boarding)
    rural = basic & school["urban_rural"].isin(["镇区", "乡村"])
    figures.answers("rural_basic_conditions_share", school, school["conditions_standard"], rural)
    private = school["ownership"] == "民办"
    figures.ratio(
        "private_vocational_student_share",
        add(school, "vocational_students", private),
        add(school, "vocational_students"),
    )
    figures.total("new_compulsory_schools", count(school, basic & new))
    leaning = kindergarten[[*UNIT_YEAR, "attached_primary_code"]].dropna().drop_duplicates()
    leaning = leaning.rename(columns={"attached_primary_code": "institution_code"})
    both = school.merge(kindergarten[UNIT_YEAR].drop_duplicates())
    both = both.merge(leaning.assign(has=True), how="left")
    new = both["stage"].isin(["小学", "九年一贯制学校"])
    new &= both["founded_year"].between(2019, both["year"]).fillna(False)
    figures.share("new_primary_with_kindergarten_share", both, both["has"].notna(), new)


def of_kindergartens(figures: Figures, kindergarten: Frame, townships: Frame) -> None:
    """Add what is asked of kindergartens."""
    public, private = kindergarten["ownership"] == "公办", kindergarten["ownership"] == "民办"
    licensed, enrolled = kindergarten["licensed"], add(kindergarten, "children_enrolled")
    for indicator, mask in (
        ("public_kindergarten_enrolment_share", public),
        ("inclusive_kindergarten_enrolment_share", kindergarten["inclusive"]),
    ):
        figures.ratio(indicator, add(kindergarten, "children_enrolled", mask), enrolled)
    figures.total("unlicensed_kindergartens", count(kindergarten, ~licensed))
    dear = private & (kindergarten["monthly_fee"] > kindergarten["fee_ceiling"])
    figures.total("kindergartens_over_fee_ceiling", count(kindergarten, dear))
    figures.answers(
        "residential_kindergartens_governed_share",
        kindergarten,
        kindergarten["residential_governed"],
        kindergarten["residential_quarter"],
    )
    supervised = kindergarten["supervisor_assigned"]
    figures.answers("kindergarten_supervisor_share", kindergarten, supervised, licensed)
    new = public & licensed & kindergarten["founded_year"].between(2019, kindergarten["year"])
    opened = (count(kindergarten, new) > 0).astype(int)
    figures.ratio("new_public_kindergarten_share", opened, enrolled * 0 + 1)
    towns = townships[townships["kind"].isin(["镇", "乡", "民族乡"])]
    towns = towns.rename(columns={"county_code": "region_code", "township_name": "township"})
    listed = kindergarten[UNIT_YEAR].drop_duplicates().merge(towns, on="region_code")
    first, last = (listed[f"valid_{end}_year"].fillna(listed["year"]) for end in ("from", "to"))
    listed = listed[listed["year"].between(first, last)].reset_index(drop=True)
    covered = kindergarten.loc[public & licensed, [*UNIT_YEAR, "township"]].drop_duplicates()
    listed = listed.merge(covered.assign(covered=True), how="left")
    everyone = pd.Series(True, index=listed.index)
    test = listed["covered"].notna()
    figures.share("township_public_kindergarten_coverage", listed, test, everyone)


def of_enrolment(figures: Figures, forms: dict[str, Frame]) -> None:
    """Add classes, and what is enrolled of the population."""
    classes, population, school = forms["class"], forms["population"], forms["school"]
    stage, pupils = classes["stage"], classes["students"]
    basic = stage.isin(["小学", "初中"])
    figures.share("large_class_share", classes, pupils >= 56, basic)
    figures.share("primary_class_within_45_share", classes, pupils <= 45, stage == "小学")
    figures.share("junior_class_within_50_share", classes, pupils <= 50, stage == "初中")
    junior, grade = stage == "初中", classes["grade"]
    seventh = add(classes, "students", junior & (grade == 7)).reset_index()
    seventh = seventh.assign(year=seventh["year"] + 2).set_index(UNIT_YEAR)["students"]
    ninth = add(classes, "students", junior & (grade == 9))
    figures.ratio("junior_retention_rate", ninth, seventh.reindex(ninth.index))
    age = population["age"]
    figures.ratio(
        "preschool_gross_enrolment_rate",
        add(forms["kindergarten"], "children_enrolled"),
        add(population, "population", age.between(3, 5)),
    )
    figures.ratio(
        "senior_secondary_gross_enrolment_rate",
        add(school, "senior_students") + add(school, "vocational_students"),
        add(population, "population", age.between(15, 17)),
    )


def of_people_and_money(figures: Figures, forms: dict[str, Frame]) -> None:
    """Add teachers, pay and spending."""
    teacher, salary = forms["teacher"], forms["salary"]
    whole = forms["finance"][forms["finance"]["stage"] == "合计"]
    spent = add(whole, "budget_expenditure")
    figures.total("budget_education_expenditure", spent)
    figures.ratio("budget_expenditure_per_pupil", spent, add(whole, "students_average"))
    figures.ratio("teacher_pay_ratio", *pay_parts(salary))
    asked_heads = teacher[teacher["heads_eligible"].notna()]
    asked_backbone = teacher[teacher["backbone_rotated"].notna()]
    for indicator, rows, top, bottom in (
        ("rural_subsidy_coverage", salary, "subsidy_paid", "subsidy_due"),
        ("head_teacher_allowance_coverage", salary, "allowance_paid", "head_teachers"),
        ("teacher_rotation_rate", teacher, "rotated", "eligible_rotation"),
        ("outside_training_share", teacher, "trained_outside", "full_time_teachers"),
        ("dual_qualified_teacher_share", teacher, "dual_qualified", "professional_teachers"),
        ("head_rotation_rate", asked_heads, "heads_rotated", "heads_eligible"),
        (
            "backbone_rotation_to_weak_share",
            asked_backbone,
            "backbone_rotated_weak",
            "backbone_rotated",
        ),
    ):
        figures.ratio(indicator, add(rows, top), add(rows, bottom))
    for indicator in ("paid_tutoring_cases", "misconduct_cases"):
        figures.total(indicator, add(teacher, indicator))


def pay_parts(salary: Frame) -> tuple[pd.Series, pd.Series]:
    """Return the ratio of the two averages as one fraction."""
    return (
        add(salary, "teacher_pay_total") * add(salary, "civil_servants"),
        add(salary, "civil_pay_total") * add(salary, "teachers"),
    )


def of_the_rest(figures: Figures, forms: dict[str, Frame]) -> None:
    """Add vocational education, special groups, safety and milestones."""
    vocational, special = forms["vocational"], forms["special_group"]
    safety, milestone = forms["safety"], forms["milestone"]
    in_city = vocational["kind"] == "城区中职学校"
    figures.answers(
        "city_vocational_layout_share",
        vocational,
        vocational["layout_adjusted"] & vocational["integrated"],
        in_city,
    )
    figures.total("school_enterprise_partnerships", add(vocational, "partnerships"))
    # A form that names no centre counts as one that is not transformed.
    centre = vocational["kind"] == "县级职教中心"
    answered = centre & vocational["transformed"].notna()
    figures.ratio(
        "vocational_centres_transformed_share",
        count(vocational, centre & vocational["transformed"]),
        count(vocational, answered) + (count(vocational, centre) == 0).astype(int),
    )
    for indicator, rows, top, bottom in (
        ("industry_matched_programme_share", vocational, "programmes_matched", "programmes"),
        ("disabled_children_enrolment_rate", special, "disabled_enrolled", "disabled_school_age"),
        ("student_aid_coverage", special, "aid_received", "aid_eligible"),
        ("migrant_public_school_share", special, "migrant_in_public", "migrant_children"),
        ("left_behind_cared_share", special, "left_behind_cared", "left_behind"),
        ("safety_hazards_fixed_share", safety, "hazards_fixed", "hazards_found"),
        ("bullying_handled_share", safety, "bullying_handled", "bullying_reported"),
    ):
        figures.ratio(indicator, add(rows, top), add(rows, bottom))
    figures.total("dropouts", add(special, "dropouts"))
    for indicator in ("nonzero_start_cases", "admission_violations"):
        figures.total(indicator, add(safety, indicator))
    for indicator, item in (
        ("provincial_rank", "省内综合排名"),
        ("exchange_projects", "对外交流项目"),
        ("paju_exchange_projects", "坡州市交流项目"),
    ):
        rows = milestone[(milestone["item"] == item) & milestone["quantity"].notna()]
        figures.total(indicator, add(rows, "quantity"))
    begun = milestone["status"].isin(["进行中", "已完成"])
    for indicator, items in (
        ("burden_monitoring_started_share", ["学业负担监测机制"]),
        ("county_managed_hiring_started_share", ["县管校聘改革", "局管校聘改革"]),
    ):
        asked = milestone["item"].isin(items)
        rows = milestone[asked]
        done = (count(rows, begun[asked]) > 0).astype(int)
        figures.ratio(indicator, done, done * 0 + 1)


def regional(units: Frame, forms: dict[str, Frame], figures: Frame, townships: Frame) -> Frame:
    """Return the figures of every unit in scope and of the city, which is made of all that reported."""
    indicators = pd.read_csv(SEEDS / "indicators.csv")
    needed = pd.read_csv(SEEDS / "indicator_forms.csv")
    excused = pd.read_csv(SEEDS / "not_expected.csv", dtype=str).assign(excused=True)
    reported = pd.concat(
        rows[UNIT_YEAR].drop_duplicates().assign(form=form) for form, rows in forms.items()
    ).assign(reported=True)
    with_towns = set(townships.loc[townships["kind"].isin(["镇", "乡", "民族乡"]), "county_code"])
    kinds = {"counties": {"市辖区", "县", "县级市"}, "rank": {"市直"}}
    state = indicators.merge(units[["region_code", "parent_code", "kind"]], how="cross")
    scope = state["scope"].where(state["indicator_id"] != "provincial_rank", "rank")
    for name, members in kinds.items():
        state = state[(scope != name) | state["kind"].isin(members)]
        scope = scope[state.index]
    state = state[(scope != "townships") | state["region_code"].isin(with_towns)]
    state = state.merge(reported[["year"]].drop_duplicates(), how="cross")
    parts = state[["indicator_id", *UNIT_YEAR]].merge(needed)
    parts = parts.merge(excused, how="left").assign(
        form_year=lambda rows: rows["year"] - rows["years_before"]
    )
    parts = parts[parts["excused"].isna()].merge(
        reported.rename(columns={"year": "form_year"}), how="left"
    )
    there = parts["reported"].notna().groupby([parts[name] for name in KEY]).all()
    state = state.merge(there.rename("known").reset_index(), how="left")
    state = state.merge(figures.assign(found=True), how="left")
    known = state[state["known"].eq(True) & state["found"].eq(True)]
    sums = known.groupby(["indicator_id", "parent_code", "year"])[PARTS].sum(min_count=1)
    every = state[["indicator_id", "parent_code", "year"]].drop_duplicates()
    city = every.merge(sums.reset_index(), how="left")
    city = city.rename(columns={"parent_code": "region_code"})
    # The ratio of the city's pay is made of its sums.
    salary = forms["salary"].merge(units[["region_code", "parent_code"]])
    pay = pay_parts(salary.assign(region_code=salary["parent_code"]))
    for part, values in zip(PARTS, pay, strict=True):
        rows = city["indicator_id"] == "teacher_pay_ratio"
        at = pd.MultiIndex.from_frame(city.loc[rows, UNIT_YEAR])
        city.loc[rows, part] = values.reindex(at).astype("float64").to_numpy()
    own = state.loc[state["scope"] != "city", [*KEY, *PARTS]]
    values = pd.concat([own, city[[*KEY, *PARTS]]]).merge(indicators)
    share = values["scale"] * values["numerator"] / values["denominator"].replace(0, float("nan"))
    return values[[*KEY, *PARTS]].assign(
        value=share.where(values["is_share"], values["numerator"]).to_numpy()
    )


def main() -> None:
    inbox, reference, out = map(Path, sys.argv[1:4])
    regions = pd.read_csv(reference / "regions.csv", dtype=str)
    townships = pd.read_csv(
        reference / "townships.csv", dtype={"county_code": str, "township_code": str}
    )
    units = regions[regions["level"] == "reporting_unit"]
    forms = {form: typed(rows) for form, rows in read_inbox(inbox, units).items()}
    figures = unit_figures(forms, townships)
    regional(units, forms, figures, townships).to_csv(out, index=False)


if __name__ == "__main__":
    main()
