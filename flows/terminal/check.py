"""`jzedu check`: a dry run over single files, for a county clerk or an engineer.

The files are read and checked as the nightly run would, by workers within the same limits, without
database or Prefect, and out of an archive that is gone afterwards.
Where there is a warehouse, the files are then loaded into a copy of it and the checks across forms
and years run there as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows import steps
from flows.dry_run import rehearse
from flows.language import Words, language, told
from flows.run import Run, StepFailed, definitions_of, fork_server
from flows.settings import EngineSettings, Settings, load_settings
from transforms.checks.findings import with_messages
from transforms.forms import FORMS
from transforms.names import SENTENCE, shown
from transforms.submissions import Examined, examine
from transforms.texts import Text
from warehouse.archive import Archive, Receipt
from warehouse.ledger.ingest import Lost, read_deliveries
from warehouse.outbox import ReturnSheet, ending, write_sheets
from warehouse.place import is_there
from warehouse.reference import Reference
from warehouse.scratch import scratch
from warehouse.workers.pool import Workers

#: What is told of a submission and of a finding, as the publication names it.
_OF_SUBMISSION = (
    "submission_id",
    "region_code",
    "form",
    "year",
    "rows_read",
    "rows_loaded",
    "rows_returned",
    "rows_ignored",
)
_OF_FINDING = (
    "submission_id",
    "severity",
    "rule_id",
    "sheet",
    "cell",
    "row",
    "column_name",
    "value",
    "institution",
    "message_zh",
    "message_en",
    "cells",
)


@dataclass(frozen=True)
class Checked:
    """What a night would make of one file.

    ``submissions`` and ``findings`` are frames as the gate gives them, ``return_sheet`` the file that
    answers the findings, None where there are none.
    """

    file: Path
    submissions: pl.DataFrame
    findings: pl.DataFrame
    return_sheet: Path | None

    @property
    def is_accepted(self) -> bool:
        """Whether every submission in the file would be accepted."""
        return self.findings.filter(pl.col("severity") == "error").is_empty()

    def as_record(self) -> dict[str, object]:
        """Return all of it in the words of the publication, for JSON."""
        return {
            "file": str(self.file),
            "accepted": self.is_accepted,
            "submissions": self.submissions.select(_OF_SUBMISSION).to_dicts(),
            "findings": with_messages(self.findings).select(_OF_FINDING).to_dicts(),
            "return_sheet": str(self.return_sheet) if self.return_sheet else None,
        }


def check_files(
    files: list[Path],
    home: Path | None,
    unit: str | None,
    out: Path,
    say: Callable[[str], object] = lambda _: None,
) -> list[Checked]:
    """Check ``files`` and write their return sheets to ``out``; nothing else is kept.

    ``unit`` is the code of the reporting unit; without it a folder of each path that names one.
    ``say`` hears what is being done where it takes a while.

    Raises:
        StepFailed: a step of the check failed.
        DefinitionError: the home's definitions cannot be used.
    """
    settings = load_settings(home)
    defined = definitions_of(settings)
    with (
        defined.in_use(),
        scratch("check") as folder,
        fork_server() as forking,
        Workers(forking, settings.workers, settings.memory) as workers,
    ):
        reading = _Reading(folder, Archive(folder), defined.reference, settings, workers)
        return _check(files, unit, out, reading, say)


@dataclass(frozen=True)
class _Reading:
    """With what the files are read: an archive that begins empty, in ``folder``, and workers."""

    folder: Path
    archive: Archive
    reference: Reference
    settings: Settings
    workers: Workers


def _check(
    files: list[Path],
    unit: str | None,
    out: Path,
    reading: _Reading,
    say: Callable[[str], object],
) -> list[Checked]:
    archive, reference, settings = reading.archive, reading.reference, reading.settings
    receipts = []
    for file in files:
        code = unit or _unit_of(file, reference)
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC).replace(tzinfo=None)
        path = "/".join((code or "?", *file.absolute().parent.parts[-2:], file.name))
        with file.open("rb") as content:
            receipts.append(Receipt(changed, path, archive.keep(content)))
    read = read_deliveries(archive, reference, receipts, settings.limits, reading.workers)
    documents = []
    for delivery in read:
        if isinstance(delivery, Lost):
            raise StepFailed(
                "read",
                delivery.reason,
                Text("请检查临时文件夹所在的磁盘。", "Check the disk of the temporary folder."),
            )
        documents += delivery
    examined = examine(documents, reference.unit_named)
    # A unit that is not known says nothing about the file: it is a dry run, not a delivery.
    findings = examined.findings.filter(pl.col("rule_id") != "FIL-E03")
    if is_there(settings.place) and all(receipt.folder != "?" for receipt in receipts):
        say(_WORDS("across"))
        findings = pl.concat([findings, _across(settings, reading.folder, receipts, examined)])
    checked = []
    for number, file in enumerate(files):
        mine = [i for i, d in enumerate(documents) if d.sha256 == receipts[number].sha256]
        submissions = examined.submissions.filter(pl.col("document").is_in(mine))
        found = findings.filter(
            pl.col("submission_id").is_in(submissions["submission_id"].to_list())
        )
        answer = None
        if found.height:
            target = PurePosixPath(f"{file.name}{ending(found)}")
            sheet = ReturnSheet(
                target,
                mark="",
                sha256=receipts[number].sha256,
                name=file.name,
                entry=None,
                findings=found,
            )
            for _ in write_sheets(archive, out, [sheet], settings.limits, reading.workers):
                answer = out / target
        checked.append(Checked(file, submissions, found, answer))
    return checked


def _unit_of(file: Path, reference: Reference) -> str | None:
    return next(
        (
            code
            for part in reversed(file.absolute().parts[:-1])
            if (code := reference.unit_of(part))
        ),
        None,
    )


def _across(
    settings: Settings, folder: Path, receipts: list[Receipt], examined: Examined
) -> pl.DataFrame:
    """Return the warnings across forms and years that the files would get, as findings."""
    with rehearse(settings) as copy:
        # An archive of its own that begins with these files alone: nothing reaches the real one.
        apart = copy.model_copy(update={"bucket": None, "engine": EngineSettings()})
        apart.archive_folder.unlink(missing_ok=True)
        apart.archive_folder.symlink_to(folder)
        with Run.open(apart) as run:  # which no other machine sees
            run.warm_up()
            steps.load_deliveries(run, receipts, lambda: None)
            steps.check_across(run)
            return steps.warnings_of(run, examined.submissions["submission_id"].to_list())


#: What stands around the findings.
_WORDS = Words(
    no_form=("未识别报表", "no form"),
    no_year=("未识别年份", "no year"),
    rows=(
        "  {form} {year}: 读到{read}行, 其中数据{data}行, 忽略{ignored}行",
        "  {form} {year}: {read} rows read, {data} of data, {ignored} ignored",
    ),
    returned=("[red]将被退回[/]", "[red]would be returned[/]"),
    accepted=("[green]将被接收[/]", "[green]would be accepted[/]"),
    verdict=(
        "  {verdict}: 错误{errors}条, 提示{warnings}条",
        "  {verdict}: {errors} errors, {warnings} warnings",
    ),
    sheet=("  反馈表: {place}", "  return sheet: {place}"),
    across=("正在与其他报表和年度核对……", "checking against the other forms and years …"),
    rule=("规则", "rule"),
    table=("工作表", "sheet"),
    cell=("单元格", "cell"),
    institution=("机构", "institution"),
    what=("说明", "what"),
    cells=("数", "cells"),
)
_HEADERS = ("rule", "table", "cell", "institution", "what", "cells")


def show_checked(console: Console, checked: Checked) -> None:
    """Print what a night would make of one file, for a person."""
    findings = checked.findings
    errors = findings.filter(pl.col("severity") == "error").height
    console.print(f"\n[bold]{escape(shown(str(checked.file)))}[/]", highlight=False)
    for form, year, read, ignored in checked.submissions.select(
        "form", "year", "rows_read", "rows_ignored"
    ).iter_rows():
        line = _WORDS(
            "rows",
            form=told((FORMS[form].zh, FORMS[form].en)) if form else _WORDS("no_form"),
            year=year or _WORDS("no_year"),
            read=read,
            data=read - ignored,
            ignored=ignored,
        )
        console.print(line, highlight=False)
    if findings.height:
        table = Table("", header_style="bold")
        for header in _HEADERS:
            table.add_column(_WORDS(header), overflow="fold")
        order = with_messages(findings).sort("severity", "sheet", "row", nulls_last=True)
        said = f"message_{language()}"
        for severity, rule, sheet, cell, institution, message, cells in order.select(
            *("severity", "rule_id", "sheet", "cell", "institution", said, "cells")
        ).iter_rows():
            mark = "[red]✗[/]" if severity == "error" else "[yellow]![/]"
            name, whose = escape(shown(sheet or "")), escape(shown(institution or ""))
            text = escape(shown(message, SENTENCE))
            table.add_row(mark, rule, name, cell or "", whose, text, str(cells))
        console.print(table)
    verdict = _WORDS("returned" if errors else "accepted")
    console.print(
        _WORDS("verdict", verdict=verdict, errors=errors, warnings=findings.height - errors)
    )
    if checked.return_sheet is not None:
        place = shown(str(checked.return_sheet))
        console.print(_WORDS("sheet", place=place), highlight=False, markup=False)
