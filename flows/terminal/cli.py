"""The command line: ``jzedu``. Exit codes: 0 done, 1 the run failed, 2 bad usage.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from flows.environment import quiet
from transforms.importing import no_collecting

quiet()


#: What of its own a home may hold: one of them is enough for a folder to be one. Of the inbox, which may
#: be a mount that hangs, nothing is asked where another is there.
_OWN = (
    *("archive", "warehouse.duckdb", "published", "outbox", "releases"),
    *("definitions", "reference", "prefect", "settings.toml", "inbox"),
)


def _home(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        callback=_known_home,
        help="Folder of inbox, archive, warehouse and publication [default: JZEDU_HOME or ./data].",
    )(command)


def _init(command: Callable[..., Any]) -> Callable[..., Any]:
    """For commands that a home may begin with."""
    return click.option(
        "--init",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda context, _, given: context.meta.update({"init": given}),
        help="Make the folder of --home, where it is no home yet.",
    )(command)


def _known_home(context: click.Context, option: click.Parameter, home: Path | None) -> Path | None:
    """``home``, unless it is no home yet and nobody said that it is to be one: it is mistyped then."""
    import os

    if home is None or context.meta.get("init") or any((home / name).exists() for name in _OWN):
        return home
    named = os.environ.get("JZEDU_HOME")
    if named and Path(named).absolute() == home.absolute():
        return home
    begin = any(one.name == "init" for one in context.command.params)
    way = "; to begin a new one there, add --init" if begin else ""
    there = "holds nothing of jzedu" if home.is_dir() else "is not there"
    raise click.BadParameter(f"{home} {there}: is it mistyped{way}?", context, option)


class Years(click.ParamType[tuple[int, ...]]):
    """Years as people write them: ``2020``, ``2018-2022``, ``2018,2020``."""

    name = "years"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Return the years, sorted."""
        if isinstance(value, tuple):
            return value
        years: set[int] = set()
        for part in str(value).replace("，", ",").split(","):
            first, _, last = part.strip().replace("—", "-").partition("-")
            if not (first.isdecimal() and (last or first).isdecimal()):
                self.fail(
                    f"{value!r} names no years; write 2020, 2018-2022 or 2018,2020", param, ctx
                )
            start, end = int(first), int(last or first)
            if not 2000 <= start <= end <= 2100:
                self.fail(f"{part.strip()!r} is no span of years from 2000 to 2100", param, ctx)
            years.update(range(start, end + 1))
        return tuple(sorted(years))


def _codes(regions: str | None, home: Path | None) -> Any:
    """Return the reference regions, narrowed to ``regions`` (codes or names, separated by commas)."""
    import polars as pl

    from flows.settings import load_settings
    from warehouse.reference import load_reference

    reference = load_reference(load_settings(home).home)
    if regions is None:
        return reference
    codes = []
    for word in regions.replace("，", ",").split(","):
        code = reference.unit_of(word)
        if code is None:
            known = "、".join(reference.units["region_code"] + " " + reference.units["region_name"])
            raise click.BadParameter(f"no reporting unit {word.strip()!r}; there are {known}")
        codes.append(code)
    keep = pl.col("region_code").is_in(codes) | (pl.col("level") != "reporting_unit")
    return type(reference)(reference.folder, reference.regions.filter(keep), reference.townships)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="jzedu")
def cli() -> None:
    """Show a city, every night, whether its education plan is coming true."""


@cli.command()
@_home
@_init
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Inbox to write into; made if it is not there.",
)
@click.option("--years", type=Years(), default="2018-2022", show_default=True)
@click.option("--regions", metavar="CODES", help="Units, by code or name, separated by commas.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed gives the same files."
)
@click.option(
    "--scale",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="So many times the institutions of a unit.",
)
@click.option(
    "--mess",
    type=click.Choice(["none", "usual"]),
    default="none",
    show_default=True,
    help="Tidy workbooks, or what counties usually send.",
)
def sample(
    home: Path | None,
    out: Path,
    years: tuple[int, ...],
    regions: str | None,
    seed: int,
    scale: int,
    mess: Any,
) -> None:
    """Write made-up submissions of all forms into an inbox layout."""
    from flows.progress import Steps
    from transforms.sample import write_sample

    reference = _codes(regions, home)
    shown = Steps()
    with shown.step("sample") as advance:
        paths = write_sample(
            out,
            years,
            reference.regions,
            reference.townships,
            mess=mess,
            seed=seed,
            scale=scale,
            on_file=lambda _: advance(),
        )
    shown.say(f"{len(paths)} made-up files in {out}")


_accept_shrink = click.option(
    "--accept-shrink", is_flag=True, help="Publish even where a whole unit or form vanishes."
)


@cli.command()
@_home
@_init
@_accept_shrink
@click.option(
    "--profile", is_flag=True, help="Show where the time went: steps and processes, in time."
)
def nightly(home: Path | None, accept_shrink: bool, profile: bool) -> None:
    """Pull, clean, check, load, compute, judge and publish all new submissions."""
    with no_collecting():
        from flows.terminal.runner import run_nightly

    run_nightly(home, accept_shrink, profile)


@cli.command()
@_home
@click.option("--years", type=Years(), required=True, help="2020, 2018-2022 or 2018,2020.")
@click.option("--regions", metavar="CODES", help="Units, by code or name, separated by commas.")
@click.option("--forms", metavar="FORMS", help="Forms, by name or Chinese name, with commas.")
@click.option("--dry-run", is_flag=True, help="List what would change, and change nothing.")
@click.option(
    "--plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judge by this plan file; in a dry run only.",
)
@_accept_shrink
def backfill(
    home: Path | None,
    years: tuple[int, ...],
    regions: str | None,
    forms: str | None,
    dry_run: bool,
    plan: Path | None,
    accept_shrink: bool,
) -> None:
    """Take what the archive holds for some years through the whole way again."""
    from flows.terminal.runner import run_backfill
    from warehouse.ledger.store import Scope

    if plan is not None and not dry_run:
        raise click.UsageError(
            "--plan tries a plan out and needs --dry-run; "
            "the plan of publications is a setting (settings.toml: plan)"
        )
    chosen = _codes(regions, home).units["region_code"].to_list() if regions else []
    names = [form.name for form in _forms(forms)] if forms else []
    scope = Scope(years, tuple(chosen), tuple(names))
    run_backfill(home, scope, dry_run=dry_run, plan=plan, accept_shrink=accept_shrink)


@cli.command()
@_home
@click.option("--year", type=int, help="One year instead of the latest ones.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(home: Path | None, year: int | None, as_json: bool) -> None:
    """Who has handed in what, what was returned, when was the last publication."""
    from rich.console import Console

    from flows.settings import load_settings
    from flows.terminal.status import NoSuchYear, show_status
    from warehouse.publication.release import DATABASE

    settings = load_settings(home)
    database = settings.published / DATABASE
    if not database.exists():
        _fail(f"there is no publication in {settings.published} yet; run: jzedu nightly")
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        show_status(console, database, year, as_json)
    except NoSuchYear as error:
        raise click.UsageError(str(error)) from None


@cli.command()
@_home
@click.argument("indicator")
@click.argument("region")
@click.argument("year", type=int)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option(
    "--publication",
    metavar="ID",
    help="A past publication, by its id or how it begins [default: the latest].",
)
@click.option(
    "--rows",
    type=click.IntRange(0),
    metavar="N",
    help="Rows listed for each part [default: 20, but every large class and the like].",
)
def explain(
    home: Path | None,
    indicator: str,
    region: str,
    year: int,
    as_json: bool,
    publication: str | None,
    rows: int | None,
) -> None:
    """From a published figure to numerator, denominator, submissions, sheets and cells.

    INDICATOR is an id, a name or a clause (2.1), REGION a code or a name; a part of one is enough
    where it is unique.
    """
    from functools import partial

    from rich.console import Console

    import warehouse.lineage.figure
    from flows.lock import no_writer
    from flows.settings import load_settings
    from flows.terminal.lineage import json_of, publication_file, show_explanation
    from warehouse.indicators.definitions import load_catalogue
    from warehouse.lake import LakeFailed
    from warehouse.place import WarehouseLocked
    from warehouse.reference import load_reference

    settings = load_settings(home)
    try:
        with no_writer(settings.home, partial(click.echo, err=True)):
            explanation = warehouse.lineage.figure.explain(
                publication_file(settings.published, publication),
                settings.place,
                load_reference(settings.home),
                load_catalogue(),
                indicator,
                region,
                year,
                rows,
            )
    except warehouse.lineage.figure.CannotExplain as error:
        raise click.UsageError(str(error)) from None
    except (LakeFailed, WarehouseLocked) as error:
        _fail(str(error))
    if as_json:
        click.echo(json_of(explanation))
    else:
        show_explanation(Console(width=None if sys.stdout.isatty() else 160), explanation)


@cli.command()
@_home
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR"
)
@click.option(
    "--forms", metavar="FORMS", help="Forms, by name or Chinese name, separated by commas."
)
def template(home: Path | None, out: Path, forms: str | None) -> None:
    """Write blank workbooks to fill in, made from the form definitions."""
    from datetime import UTC, datetime

    from expectations.clauses import PlanError
    from flows.run import plan_of
    from flows.settings import load_settings
    from transforms.workbooks.templates import write_template

    reference = _codes(None, home)
    try:
        first_year = plan_of(load_settings(home)).begins
    except PlanError as error:
        _fail(str(error))
    this_year = datetime.now(UTC).year
    chosen = _forms(forms)
    out.mkdir(parents=True, exist_ok=True)
    for form in chosen:
        file = out / f"{form.zh}.xlsx"
        write_template(
            file,
            form,
            regions=list(reference.units.select("region_code", "region_name").iter_rows()),
            years=range(first_year, this_year + 1),
        )
        click.echo(str(file))


@cli.command()
@_home
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE…",
)
@click.option(
    "--unit",
    metavar="UNIT",
    help="The reporting unit, by code or name [default: a folder of the path].",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    default=Path("."),
    show_default=True,
    help="Where return sheets are written.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(
    home: Path | None, files: tuple[Path, ...], unit: str | None, out: Path, as_json: bool
) -> None:
    """Try files out: their findings, here and as return sheets; nothing is kept.

    Exit code 1 where a submission in them would be returned.
    """
    from rich.console import Console

    from flows.terminal.check import check_files, show_checked

    reference = _codes(None, home)
    code = None
    if unit is not None:
        code = reference.unit_of(unit)
        if code is None:
            raise click.BadParameter(f"no reporting unit {unit!r}", param_hint="--unit")
    console = Console(width=None if sys.stdout.isatty() else 120)
    say = (lambda _: None) if as_json else (lambda said: console.print(f"[dim]{said}[/]"))
    checked = check_files(list(files), home, code, out, say)
    if as_json:
        click.echo(json.dumps([one.as_record() for one in checked], ensure_ascii=False, indent=2))
    else:
        for one in checked:
            show_checked(console, one)
    sys.exit(0 if all(one.is_accepted for one in checked) else 1)


@cli.command()
@_home
@_init
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the server listens.")
@click.option("--port", type=click.IntRange(1, 65535), default=4200, show_default=True)
def serve(home: Path | None, host: str, port: int) -> None:
    """Run the schedule: Prefect server, the nightly deployment and the backfill deployment."""
    from rich.console import Console

    from flows.service.server import ServeError
    from flows.service.server import serve as run_server
    from flows.settings import load_settings

    console = Console()
    try:
        run_server(
            load_settings(home),
            host,
            port,
            lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
        )
    except ServeError as error:
        _fail(str(error))


@cli.command()
@_home
@click.option("--all", "everything", is_flag=True, help="Read every original of the archive.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor(home: Path | None, everything: bool, as_json: bool) -> None:
    """Tell what may be amiss on this machine, and what to do; exit code 1 on a failure."""
    from functools import partial

    from rich.console import Console

    from flows.settings import Settings
    from flows.sources.pull import probe
    from flows.terminal.doctor import diagnose, show_lines

    def probes(settings: Settings) -> list[Any]:
        return [(s.name, partial(probe, s, settings.home)) for s in settings.sources]

    sys.exit(0 if show_lines(Console(), diagnose(home, probes, everything), as_json) else 1)


@cli.command()
@_home
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
def report(home: Path | None, open_it: bool) -> None:
    """Say where the report for people stands, and open it."""
    from flows.settings import load_settings

    page = load_settings(home).published / "report" / "index.html"
    if not page.exists():
        _fail(f"there is no report in {page.parent} yet; run: jzedu nightly")
    click.echo(str(page))
    if open_it and click.launch(str(page)) != 0:
        _fail(f"no browser could be started; open {page} yourself")


def _forms(words: str | None) -> list[Any]:
    from transforms.forms import FORMS

    if words is None:
        return list(FORMS.values())
    by_word = {key: form for form in FORMS.values() for key in (form.name, form.zh)}
    found = []
    for word in words.replace("，", ",").split(","):
        if word.strip() not in by_word:
            raise click.BadParameter(f"no form {word.strip()!r}; there are {', '.join(FORMS)}")
        found.append(by_word[word.strip()])
    return found


def _fail(message: str) -> NoReturn:
    from transforms.names import SENTENCE, shown

    message = shown(message, SENTENCE)
    click.echo(f"jzedu: {message}", err=True)
    sys.exit(1)


def main() -> None:
    """Run the command line; what goes wrong is one sentence, never a traceback."""
    from flows.settings import SettingsError
    from warehouse.reference import ReferenceError

    try:
        cli(standalone_mode=True)
    except (SettingsError, ReferenceError) as error:
        _fail(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except Exception as error:
        # Imported by the commands that run steps, and not for the others.
        run = sys.modules.get("flows.run")
        if run is None or not isinstance(error, run.StepFailed):
            raise
        _fail(str(error))


if __name__ == "__main__":
    main()
