"""`jzedu check`: a dry run over single files, for a county clerk or an engineer.

The files are read and checked as the nightly run would, without archive, database or Prefect.
Where there is a warehouse, the files are then loaded into a copy of it and the checks across forms
and years run there as well.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows import steps
from flows.rehearsal import rehearse
from flows.settings import Settings, load_settings
from transforms.gate import Document, Examined, examine
from transforms.names import SENTENCE, shown
from transforms.reading import read_file
from transforms.returns import write_return_sheet
from warehouse.archive import Archive, Receipt
from warehouse.reference import Reference, load_reference


def check_files(
    console: Console, files: list[Path], home: Path | None, unit: str | None, out: Path
) -> bool:
    """Show the findings of ``files`` and write their return sheets to ``out``.

    ``unit`` is the code of the reporting unit; without it a folder of each path that names one.
    Gives whether every submission would be accepted.
    """
    settings = load_settings(home)
    reference = load_reference(settings.home)
    receipts = []
    documents: list[Document] = []
    for file in files:
        data = file.read_bytes()
        code = unit or _unit_of(file, reference)
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC).replace(tzinfo=None)
        path = "/".join((code or "?", *file.absolute().parent.parts[-2:], file.name))
        digest = hashlib.sha256(data).hexdigest()
        receipts.append(Receipt(changed, path, digest))
        documents += read_file(data, path, sha256=digest, region_code=code, limits=settings.limits)
    examined = examine(documents, reference.unit_named)
    # A unit that is not known says nothing about the file: it is a dry run, not a delivery.
    findings = examined.findings.filter(pl.col("rule_id") != "FIL-E03")
    if settings.warehouse.exists() and all(receipt.folder != "?" for receipt in receipts):
        console.print("[dim]checking against the other forms and years …[/]")
        findings = pl.concat([findings, _across(settings, files, receipts, examined)])
    good = True
    for number, file in enumerate(files):
        mine = [i for i, d in enumerate(documents) if d.sha256 == receipts[number].sha256]
        submissions = examined.submissions.filter(pl.col("document").is_in(mine))
        found = findings.filter(
            pl.col("submission_id").is_in(submissions["submission_id"].to_list())
        )
        good &= _show(console, file, submissions, found)
        if found.height:
            sheet = out / f"{file.name}.退回.xlsx"
            data = file.read_bytes()
            write_return_sheet(
                sheet,
                found,
                file_name=file.name,
                original=data if data.startswith(b"PK\x03\x04") else None,
            )
            console.print(f"  return sheet: {shown(str(sheet))}", highlight=False, markup=False)
    return good


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
    settings: Settings, files: list[Path], receipts: list[Receipt], examined: Examined
) -> pl.DataFrame:
    """The warnings across forms and years that the files would get, as findings."""
    with rehearse(settings) as copy:
        # An archive of its own that begins with these files alone: nothing reaches the real one.
        (copy.home / "archive").unlink()
        archive = Archive(copy.archive)
        for file in files:
            archive.keep(file.read_bytes())
        with steps.Run.open(copy) as run:
            run.warm_up()
            steps.load_deliveries(run, receipts, lambda: None)
            steps.check_across(run)
            return steps.warnings_of(run, examined.submissions["submission_id"].to_list())


def _show(console: Console, file: Path, submissions: pl.DataFrame, findings: pl.DataFrame) -> bool:
    errors = findings.filter(pl.col("severity") == "error").height
    console.print(f"\n[bold]{escape(shown(str(file)))}[/]", highlight=False)
    for form, year, read, ignored in submissions.select(
        "form", "year", "rows_read", "rows_ignored"
    ).iter_rows():
        console.print(
            f"  {form or 'no form'} {year or 'no year'}: "
            f"{read} rows read, {read - ignored} of data, {ignored} ignored",
            highlight=False,
        )
    if findings.height:
        table = Table(header_style="bold")
        for header in ("", "规则", "工作表", "单元格", "说明", "数"):
            table.add_column(header, overflow="fold")
        order = findings.sort("severity", "sheet", "row", nulls_last=True)
        for severity, rule, sheet, cell, message, cells in order.select(
            "severity", "rule_id", "sheet", "cell", "message_zh", "cells"
        ).iter_rows():
            mark = "[red]✗[/]" if severity == "error" else "[yellow]![/]"
            name, said = escape(shown(sheet or "")), escape(shown(message, SENTENCE))
            table.add_row(mark, rule, name, cell or "", said, str(cells))
        console.print(table)
    verdict = "[red]would be returned[/]" if errors else "[green]would be accepted[/]"
    console.print(f"  {verdict}: {errors} errors, {findings.height - errors} warnings")
    return errors == 0
