"""The command line: ``jzedu``. Exit codes: 0 done, 1 the run failed, 2 bad usage.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from flows.environment import quiet
from flows.interrupts import heard_at_once
from flows.language import Language, Words, language, said_by, speak, speaking, told
from flows.terminal.help import Group, install_click_words
from transforms.importing import no_collecting

if TYPE_CHECKING:
    from transforms.forms import Form
    from warehouse.reference import Reference

quiet()
install_click_words()

_WORDS = Words(
    not_there=("没有 {home}", "{home} is not there"),
    nothing_of_jzedu=("{home} 里没有 jzedu 的东西", "{home} holds nothing of jzedu"),
    mistyped=("{there}：是不是写错了{way}？", "{there}: is it mistyped{way}?"),
    begin=("；要在那里新建，请加 --init", "; to begin a new one there, add --init"),
    no_years=(
        "{value!r} 不是年份；请写 2020、2018-2022 或 2018,2020",
        "{value!r} names no years; write 2020, 2018-2022 or 2018,2020",
    ),
    no_span=(
        "{part!r} 不是 2000 至 2100 之间的年份",
        "{part!r} is no span of years from 2000 to 2100",
    ),
    no_unit=(
        "没有报送单位 {unit!r}；报送单位有：{known}",
        "no reporting unit {unit!r}; there are {known}",
    ),
    no_form=("没有报表 {form!r}；报表有：{known}", "no form {form!r}; there are {known}"),
    one_form=("一次只能写一张报表", "one form at a time"),
    made_up=("在 {out} 写出 {count} 个虚构文件", "{count} made-up files in {out}"),
    plan_in_dry_run=(
        "--plan 用来试算一份规划，须与 --dry-run 同用；发布用的规划写在设置里（settings.toml：plan）",
        "--plan tries a plan out and needs --dry-run; "
        "the plan of publications is a setting (settings.toml: plan)",
    ),
    folder_in_dry_run=(
        "--{name} 用来试算一个文件夹，须与 --dry-run 同用",
        "--{name} tries a folder out and needs --dry-run",
    ),
    open_for_alone=("--open-for 须与 --findings 同用", "--open-for goes with --findings"),
    findings_of_a_year=(
        "--findings 看的是所有年份；请去掉 --year",
        "--findings is about all years; leave --year out",
    ),
    nothing_published=(
        "{place} 中还没有发布；请运行：jzedu nightly",
        "there is no publication in {place} yet; run: jzedu nightly",
    ),
    which_publication=(
        "--publication 和 --as-of 都是说哪次发布，请只写一个",
        "--publication and --as-of both say which publication; give one",
    ),
    settled=(
        "认可 {accepted} 条，不认可 {refused} 条；下次运行（jzedu nightly）时告知单位",
        "{accepted} accepted, {refused} refused: told with the next run (jzedu nightly)",
    ),
    unit_and_year=("--unit 和 --year 须一起写", "--unit and --year go together"),
    no_report=(
        "{place} 中还没有报告；请运行：jzedu nightly",
        "there is no report in {place} yet; run: jzedu nightly",
    ),
    zip_inside=(
        "{file} 在发布文件夹里；请写别处的文件",
        "{file} lies in the publication; name a file elsewhere",
    ),
    no_browser=(
        "无法启动浏览器；请自行打开 {page}",
        "no browser could be started; open {page} yourself",
    ),
    no_pdf=(
        "没有 PDF：{problem}；用任何浏览器都可以打印该页",
        "no PDF: {problem}; any browser prints the page",
    ),
    write_a_reason=("请写理由", "write a reason"),
    reopen_and_reason=("--reopen 和 --reason 须一起写", "--reopen and --reason go together"),
    anyway_and_reopen=(
        "重新开放年份时不用写 --anyway",
        "--anyway says nothing about years that are opened again",
    ),
    would_be_sent=(
        "将发送 {count} 条；这次什么也没有发送",
        "{count} messages would be sent; nothing was",
    ),
    no_channel=(
        "没有发送的渠道：请设置 {urls}，或在 settings.toml 的 [notify] 中写 blocks"
        "（docs/运维手册.md）；加 --dry-run 只显示内容",
        "there is no channel to send by: set {urls}, or blocks under [notify] in settings.toml"
        " (docs/operations.md); --dry-run shows the messages",
    ),
    reminded=("已提醒 {count} 个单位", "{count} units were reminded"),
    out_is_template=(
        "--out 就是模板本身：请写到另一个文件",
        "--out is the template itself: write beside it",
    ),
    filled=(
        "{target}：{references} 处数字，填好 {filled} 处",
        "{target}: {filled} of {references} figures filled in",
    ),
    sound=(
        "{forms} 张报表、{indicators} 个指标、{plan} 的 {clauses} 项条款、{warnings} 条提示规则、"
        "{units} 个报送单位：全部正确",
        "{forms} forms, {indicators} indicators, {clauses} clauses of {plan},"
        " {warnings} warnings, {units} reporting units: all sound",
    ),
    no_record=(
        "没有叫 {name!r} 的定义；jzedu definitions list 列出全部",
        "nothing is called {name!r}; jzedu definitions list names all",
    ),
)


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
    way = _WORDS("begin") if begin else ""
    there = _WORDS("nothing_of_jzedu" if home.is_dir() else "not_there", home=home)
    raise click.BadParameter(_WORDS("mistyped", there=there, way=way), context, option)


def _heard(context: click.Context, _: click.Parameter, wanted: Language | None) -> None:
    """Speak the language that was asked for."""
    if wanted is not None:
        speak(wanted)


def _lang(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the language of what is said."""
    return click.option(
        "--lang",
        type=click.Choice(["zh", "en"]),
        is_eager=True,
        expose_value=False,
        callback=_heard,
        help=text,
    )


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
                self.fail(_WORDS("no_years", value=value), param, ctx)
            start, end = int(first), int(last or first)
            if not 2000 <= start <= end <= 2100:
                self.fail(_WORDS("no_span", part=part.strip()), param, ctx)
            years.update(range(start, end + 1))
        return tuple(sorted(years))


def _codes(regions: str | None, home: Path | None) -> Any:
    """Return the reference regions, narrowed to ``regions`` (codes or names, separated by commas)."""
    from dataclasses import replace

    import polars as pl

    reference = _defined(home).reference
    if regions is None:
        return reference
    codes = []
    for word in regions.replace("，", ",").split(","):
        codes.append(_code(reference, word))
    keep = pl.col("region_code").is_in(codes) | (pl.col("level") != "reporting_unit")
    return replace(reference, regions=reference.regions.filter(keep))


def _code(reference: Reference, word: str, hint: str | None = None) -> str:
    """Return the code of the reporting unit that ``word`` names."""
    code = reference.unit_of(word)
    if code is None:
        known = "、".join(reference.units["region_code"] + " " + reference.units["region_name"])
        raise click.BadParameter(_WORDS("no_unit", unit=word.strip(), known=known), param_hint=hint)
    return code


def _defined(home: Path | None) -> Any:
    """Return the definitions of the home, which are in use until the command ends."""
    from flows.run import definitions_of
    from flows.settings import load_settings

    definitions = definitions_of(load_settings(home))
    click.get_current_context().with_resource(definitions.in_use())
    return definitions


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@_lang("Language of all that is said [default: by the locale].")
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
@click.option(
    "--years",
    type=Years(),
    default="2018-2022",
    show_default=True,
    help="2020, 2018-2022 or 2018,2020.",
)
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
            expected=reference.expected,
            on_file=lambda _: advance(),
        )
    shown.say(_WORDS("made_up", count=len(paths), out=out))


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
    from flows.terminal.ahead import started_ahead

    with started_ahead(home) as ahead:
        with no_collecting():
            from flows.terminal.runner import run_nightly

        run_nightly(home, accept_shrink, profile, ahead)


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
@click.option(
    "--definitions",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Use this folder instead of the home's definitions/; in a dry run only.",
)
@click.option(
    "--reference",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Use this folder instead of the home's reference/; in a dry run only.",
)
@_accept_shrink
def backfill(
    home: Path | None,
    years: tuple[int, ...],
    regions: str | None,
    forms: str | None,
    dry_run: bool,
    plan: Path | None,
    definitions: Path | None,
    reference: Path | None,
    accept_shrink: bool,
) -> None:
    """Take what the archive holds for some years through the whole way again."""
    from flows.terminal.runner import run_backfill
    from warehouse.ledger.store import Scope

    if plan is not None and not dry_run:
        raise click.UsageError(_WORDS("plan_in_dry_run"))
    tried = {"definitions": definitions, "reference": reference}
    instead = {name: folder for name, folder in tried.items() if folder is not None}
    if instead and not dry_run:
        raise click.UsageError(_WORDS("folder_in_dry_run", name=next(iter(instead))))
    chosen = _codes(regions, home).units["region_code"].to_list() if regions else []
    names = [form.name for form in _forms(forms, home)] if forms else []
    scope = Scope(years, tuple(chosen), tuple(names))
    run_backfill(
        home,
        scope,
        dry_run=dry_run,
        plan=plan,
        instead=instead,
        accept_shrink=accept_shrink,
    )


@cli.command()
@_home
@click.option("--year", type=int, help="One year instead of the latest ones.")
@click.option(
    "--findings", is_flag=True, help="What has been open for long, and who answers quickly."
)
@click.option(
    "--open-for",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="With --findings: for more than so many days [default: 30].",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@_lang("Of what is said [default: Chinese where the locale is, else English].")
def status(
    home: Path | None,
    year: int | None,
    findings: bool,
    open_for: int | None,
    as_json: bool,
) -> None:
    """Who has handed in what, what was returned, what is late, when was the last publication."""
    from datetime import UTC

    from flows.settings import load_settings
    from flows.terminal.console import standard_output
    from flows.terminal.findings import show_findings
    from flows.terminal.status import LONG, NoSuchYear, show_status
    from warehouse.publication.release import DATABASE

    if open_for is not None and not findings:
        raise click.UsageError(_WORDS("open_for_alone"))
    if year is not None and findings:
        raise click.UsageError(_WORDS("findings_of_a_year"))
    settings = load_settings(home)
    _defined(home)
    database = settings.published / DATABASE
    if not database.exists():
        _fail(_WORDS("nothing_published", place=settings.published))
    console = standard_output(140)
    now = datetime.now(UTC).replace(tzinfo=None)
    if findings:
        days = LONG if open_for is None else open_for
        show_findings(console, database, days, now, as_json=as_json)
        return
    try:
        show_status(console, database, year, as_json, now)
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
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="As it was published at the end of that day, in China, instead of --publication.",
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
    as_of: datetime | None,
    rows: int | None,
) -> None:
    """From a published figure to numerator, denominator, submissions, sheets and cells.

    INDICATOR is an id, a name or a clause (2.1), REGION a code or a name; a part of one is enough
    where it is unique.
    """
    from functools import partial

    import warehouse.lineage.figure
    from flows.lock import no_writer
    from flows.settings import load_settings
    from flows.terminal.console import standard_output
    from flows.terminal.lineage import (
        json_of,
        publication_file,
        published_by,
        show_explanation,
    )
    from warehouse.lake import LakeFailed
    from warehouse.place import WarehouseLocked

    if publication is not None and as_of is not None:
        raise click.UsageError(_WORDS("which_publication"))
    settings, defined = load_settings(home), _defined(home)
    try:
        if as_of is not None:
            publication = published_by(settings.published, as_of.date())
        with no_writer(settings.home, partial(click.echo, err=True)):
            explanation = warehouse.lineage.figure.explain(
                publication_file(settings.published, publication),
                settings.place,
                defined.reference,
                defined.catalogue,
                indicator,
                region,
                year,
                rows,
            )
    except warehouse.lineage.figure.CannotExplain as error:
        raise click.UsageError(said_by(error)) from None
    except (LakeFailed, WarehouseLocked) as error:
        _fail(said_by(error))
    if as_json:
        click.echo(json_of(explanation))
    else:
        show_explanation(standard_output(160), explanation)


@cli.command()
@_home
@click.option("--accept", multiple=True, metavar="NUMBER", help="Accept the reason of this number.")
@click.option("--refuse", multiple=True, metavar="NUMBER", help="Refuse the reason of this number.")
@click.option("--who", default="教育局", show_default=True, help="Office or role, never a name.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day on which it holds [default: in a year].",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def reasons(
    home: Path | None,
    accept: tuple[str, ...],
    refuse: tuple[str, ...],
    who: str,
    until: datetime | None,
    as_json: bool,
) -> None:
    """List what units wrote for warnings; accept or refuse it.

    What is accepted is written into explanations.yaml and holds from the next run on, until the figure
    changes or the day has passed. What is refused is told in the unit's answer.
    """
    from datetime import UTC

    from expectations.acknowledged import AcknowledgementError
    from flows.settings import load_settings
    from flows.terminal import reasons as given_reasons
    from flows.terminal.console import standard_output
    from transforms.china import CHINA
    from warehouse.ledger.store import WarehouseOutdated
    from warehouse.place import WarehouseLocked

    settings = load_settings(home)
    last = (
        until.date()
        if until
        else datetime.now(UTC).astimezone(CHINA).date() + given_reasons.HOLDS_FOR
    )
    try:
        given = given_reasons.open_reasons(settings)
        for numbers, accepted in ((accept, True), (refuse, False)):
            if numbers:
                given_reasons.settle_reasons(
                    settings, given, numbers, accepted=accepted, who=who, until=last
                )
    except given_reasons.UnknownNumber as error:
        raise click.UsageError(str(error)) from None
    except (AcknowledgementError, WarehouseLocked, WarehouseOutdated) as error:
        _fail(said_by(error))
    decided = {number.upper() for number in (*accept, *refuse)}
    left = [one for one in given if one.number not in decided]
    if as_json:
        click.echo(json.dumps(given_reasons.as_records(left), ensure_ascii=False, indent=2))
        return
    if decided:
        click.echo(_WORDS("settled", accepted=len(accept), refused=len(refuse)))
    given_reasons.show_reasons(standard_output(160), left)


@cli.command()
@_home
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to write into; made if it is not there.",
)
@click.option(
    "--forms", metavar="FORMS", help="Forms, by name or Chinese name, separated by commas."
)
@click.option("--unit", metavar="UNIT", help="With --year: fill in what is known of this unit.")
@click.option("--year", type=int, metavar="N", help="With --unit: the year to be reported.")
def template(
    home: Path | None, out: Path, forms: str | None, unit: str | None, year: int | None
) -> None:
    """Write workbooks to fill in, made from the form definitions.

    With --unit and --year they begin with last year's institutions and figures, the townships and the
    plan's items.
    """
    from datetime import UTC

    from transforms.workbooks.templates import write_template

    defined = _defined(home)
    if (unit is None) != (year is None):
        raise click.UsageError(_WORDS("unit_and_year"))
    if unit is not None and year is not None:
        from flows.settings import load_settings
        from flows.terminal.template import write_known_templates
        from warehouse.ledger.store import WarehouseOutdated
        from warehouse.place import WarehouseLocked

        code = _code(defined.reference, unit, "--unit")
        try:
            for file in write_known_templates(
                load_settings(home), defined, out, _forms(forms, home), code, year
            ):
                click.echo(str(file))
        except (WarehouseLocked, WarehouseOutdated) as error:
            _fail(said_by(error))
        return
    this_year = datetime.now(UTC).year
    chosen = _forms(forms, home)
    out.mkdir(parents=True, exist_ok=True)
    for form in chosen:
        file = out / f"{form.zh}.xlsx"
        write_template(
            file,
            form,
            regions=list(defined.reference.units.select("region_code", "region_name").iter_rows()),
            years=range(defined.plan.begins, this_year + 1),
        )
        click.echo(str(file))


@cli.command(silent="zh")
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
@_lang("Language of what is printed [default: by the locale, Chinese where it says nothing].")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(
    home: Path | None,
    files: tuple[Path, ...],
    unit: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Try files out: their findings, here and as return sheets; nothing is kept.

    Exit code 1 where a submission in them would be returned.
    """
    from flows.terminal.check import check_files, show_checked
    from flows.terminal.console import standard_output

    reference = _codes(None, home)
    code = _code(reference, unit, "--unit") if unit is not None else None
    console = standard_output(120)
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
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=4200,
    show_default=True,
    help="On which port.",
)
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
        _fail(said_by(error))


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

    # What machines read is English, whoever asked for it.
    with speaking("en") if as_json else nullcontext():
        sound = show_lines(Console(), diagnose(home, probes, everything), as_json)
    sys.exit(0 if sound else 1)


@cli.command()
@_home
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@click.option(
    "--zip",
    "packed",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Pack it, with the city on one page, into one file to send.",
)
def report(home: Path | None, open_it: bool, packed: Path | None) -> None:
    """Say where the report for people stands, open it, or pack it into one file."""
    from flows.settings import load_settings
    from flows.terminal.packing import pack_report

    published = load_settings(home).published
    page = published / "report" / "index.html"
    if not page.exists():
        _fail(_WORDS("no_report", place=page.parent))
    if packed is not None:
        if packed.absolute().is_relative_to(published.absolute()):
            raise click.BadParameter(_WORDS("zip_inside", file=packed), param_hint="--zip")
        pack_report(published, packed)
        click.echo(str(packed))
    else:
        click.echo(str(page))
    if open_it and click.launch(str(page)) != 0:
        _fail(_WORDS("no_browser", page=page))


@cli.command()
@_home
@click.option("--year", type=int, help="Of which year [default: the year in focus].")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="In one language [default: both].")
def brief(home: Path | None, year: int | None, lang: str | None) -> None:
    """Write the city on one page again, as HTML and PDF, and say where it stands."""
    from flows.settings import load_settings
    from flows.terminal.brief import BriefError, write_brief

    try:
        written = write_brief(load_settings(home), year, lang)
    except BriefError as error:
        _fail(said_by(error))
    for file in written.files:
        click.echo(str(file))
    for problem in written.problems:
        click.echo(f"jzedu: {_WORDS('no_pdf', problem=told(problem))}", err=True)


_as_role = click.option(
    "--as",
    "decided_as",
    default="教育局",
    show_default=True,
    help="In which office or role it is decided, never a name.",
)


def _rule(
    home: Path | None, unit: str, form: str, year: int, reason: str | None, decided_as: str
) -> None:
    """Approve what was accepted of a unit's form and year, or return it for a reason."""
    from flows.settings import load_settings
    from flows.terminal.office import DecisionRefused, rule
    from warehouse.archive import ArchiveDamaged
    from warehouse.ledger.store import WarehouseOutdated
    from warehouse.place import WarehouseLocked

    defined = _defined(home)
    code, chosen = _unit_and_form(home, unit, form)
    try:
        said = rule(
            load_settings(home),
            defined.reference,
            code,
            chosen,
            year,
            approved=reason is None,
            reason=reason,
            decided_as=decided_as,
        )
    except (DecisionRefused, ArchiveDamaged, WarehouseLocked, WarehouseOutdated) as error:
        _fail(said_by(error))
    click.echo(said)


@cli.command()
@_home
@click.argument("unit")
@click.argument("form")
@click.argument("year", type=int)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a copy of the later workbook here, with the cells that differ marked.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def changes(
    home: Path | None, unit: str, form: str, year: int, out: Path | None, as_json: bool
) -> None:
    """Which cells differ between what was approved and what a unit has handed in since."""
    from datetime import UTC

    from flows.permissions import keep_private
    from flows.settings import load_settings
    from flows.terminal.changes import changes_of, show_changes, write_marked
    from flows.terminal.console import standard_output
    from flows.terminal.office import DecisionRefused
    from transforms.china import CHINA
    from warehouse.archive import ArchiveDamaged
    from warehouse.ledger.store import WarehouseOutdated
    from warehouse.place import WarehouseLocked

    settings, defined = load_settings(home), _defined(home)
    code, chosen = _unit_and_form(home, unit, form)
    (name,) = defined.reference.units.filter(region_code=code)["region_name"]
    console = standard_output(140)
    try:
        found = changes_of(settings, defined.reference, code, chosen, year)
        show_changes(console, found, as_json=as_json)
        if out is not None:
            keep_private()
            today = datetime.now(UTC).astimezone(CHINA).date()
            click.echo(write_marked(settings, found, name, chosen, year, out, today), err=as_json)
    except (DecisionRefused, ArchiveDamaged, WarehouseLocked, WarehouseOutdated) as error:
        _fail(said_by(error))
    except OSError as error:
        _fail(_with_place(error))


def _unit_and_form(home: Path | None, unit: str, form: str) -> tuple[str, Form]:
    """Return the code of the unit and the form that were named."""
    code = _code(_defined(home).reference, unit, "UNIT")
    chosen = _forms(form, home, "FORM")
    if len(chosen) != 1:
        raise click.BadParameter(_WORDS("one_form"), param_hint="FORM")
    return code, chosen[0]


def _given(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """``text`` without spaces around it, which must be more than spaces."""
    if text is not None and not text.strip():
        raise click.BadParameter(_WORDS("write_a_reason"), context, option)
    return text.strip() if text is not None else None


@cli.command()
@_home
@click.argument("unit")
@click.argument("form")
@click.argument("year", type=int)
@_as_role
def approve(home: Path | None, unit: str, form: str, year: int, decided_as: str) -> None:
    """Approve what a unit has handed in for FORM and YEAR: these bytes, until a new version comes.

    UNIT is a code, name or alias, FORM a name or its Chinese name.
    """
    _rule(home, unit, form, year, None, decided_as)


@cli.command("return")
@_home
@click.argument("unit")
@click.argument("form")
@click.argument("year", type=int)
@click.option(
    "--reason",
    required=True,
    metavar="TEXT",
    callback=_given,
    help="What is wrong; it stands in the return sheet.",
)
@_as_role
def return_submission(
    home: Path | None, unit: str, form: str, year: int, reason: str, decided_as: str
) -> None:
    """Return what was accepted of a unit's FORM and YEAR, for a reason that only a person can see.

    The version accepted before comes into force again, where there is one.
    """
    _rule(home, unit, form, year, reason, decided_as)


@cli.command()
@_home
@click.argument("name")
@click.option("--years", type=Years(), required=True, help="2020, 2018-2022 or 2018,2020.")
@click.option("--anyway", is_flag=True, help="Even where forms were returned and not corrected.")
@click.option("--reopen", is_flag=True, help="Open the years of the release NAME again.")
@click.option(
    "--reason", metavar="TEXT", callback=_given, help="With --reopen: why, for the record."
)
@_as_role
def release(
    home: Path | None,
    name: str,
    years: tuple[int, ...],
    anyway: bool,
    reopen: bool,
    reason: str | None,
    decided_as: str,
) -> None:
    """Declare the figures of some years final, publish that, and keep the publication as releases/NAME.

    What comes later for these years is kept and told, and comes into force only once they are open again.
    """
    from flows.settings import load_settings
    from flows.terminal import office
    from warehouse.archive import ArchiveDamaged

    if reopen != (reason is not None):
        raise click.UsageError(_WORDS("reopen_and_reason"))
    if reopen and anyway:
        raise click.UsageError(_WORDS("anyway_and_reopen"))
    settings = load_settings(home)
    _defined(home)
    try:
        if reopen and reason is not None:
            click.echo(office.reopen(settings, name, years, reason=reason, decided_as=decided_as))
            return
        said = office.declare_final(settings, name, years, anyway=anyway, decided_as=decided_as)
    except (office.DecisionRefused, ArchiveDamaged) as error:
        _fail(said_by(error))
    click.echo(said)
    with no_collecting():
        from flows.terminal.runner import run_nightly

    run_nightly(home)


@cli.command()
@_home
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
def remind(home: Path | None, dry_run: bool) -> None:
    """Tell each unit what it has not handed in, or has to correct, and the office whom it told.

    By the channels of notifications (settings.toml: [notify]); never the same twice.
    """
    from datetime import UTC

    from flows.after import reminders
    from flows.after.notify import URLS, has_channels
    from flows.settings import load_settings
    from transforms.china import CHINA

    settings, defined = load_settings(home), _defined(home)
    today = datetime.now(UTC).astimezone(CHINA).date()
    if dry_run:
        found = reminders.unsent(
            settings.archive, reminders.reminders(settings, defined.reference, today)
        )
        for one in found:
            notice = one.notice(settings.outbox)
            click.echo(f"{notice.title}\n{notice.text}\n")
        click.echo(_WORDS("would_be_sent", count=len(found)))
        return
    if not has_channels(settings.notify):
        _fail(_WORDS("no_channel", urls=URLS))
    sent, problems = reminders.remind(settings, today)
    click.echo(_WORDS("reminded", count=len(sent)))
    for problem in problems:
        click.echo(f"jzedu: {told(problem)}", err=True)
    sys.exit(1 if problems else 0)


@cli.command()
@_home
@click.option(
    "--template",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="An .xlsx in which cells name figures: {{ indicator region year }}.",
)
@click.option("--year", required=True, type=int, help="The year, where a cell names none.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it [default: the template's name with the year, in this folder].",
)
def export(home: Path | None, template: Path, year: int, out: Path | None) -> None:
    """Fill a workbook of the level above from the publication; exit code 1 where a cell cannot be filled."""
    from flows.settings import load_settings
    from flows.terminal.export import ExportFailed, write_export

    defined = _defined(home)
    target = out or Path(f"{template.stem}-{year}.xlsx")
    if target.exists() and target.samefile(template):
        raise click.UsageError(_WORDS("out_is_template"))
    try:
        filled, problems = write_export(
            load_settings(home).published, defined.reference, template, year, target
        )
    except (ExportFailed, OSError) as error:
        _fail(_with_place(error))
    for problem in problems:
        click.echo(f"jzedu: {problem}", err=True)
    done = filled.references - len(problems)
    click.echo(_WORDS("filled", target=target, filled=done, references=filled.references))
    sys.exit(1 if problems else 0)


@cli.group()
def definitions() -> None:
    """Check, list and show what is defined in a home, over what the package brings."""


@definitions.command("check")
@_home
def check_definitions(home: Path | None) -> None:
    """Tell whether they are whole and consistent, and run their examples; exit code 1 where not."""
    from flows.settings import load_settings
    from flows.terminal.definitions import failing_examples

    defined = _defined(home)
    problems = failing_examples(load_settings(home), defined)
    for problem in problems:
        click.echo(f"jzedu: {told(problem)}", err=True)
    if problems:
        sys.exit(1)
    click.echo(
        _WORDS(
            "sound",
            forms=len(defined.forms),
            indicators=len(defined.catalogue.indicators),
            clauses=len(defined.plan.clauses),
            plan=defined.plan.plan_version,
            warnings=len(defined.warnings),
            units=len(defined.reference.units),
        )
    )


@definitions.command("list")
@_home
def list_definitions(home: Path | None) -> None:
    """List every record with the file that it comes from."""
    from flows.settings import load_settings
    from flows.terminal.console import standard_output
    from flows.terminal.definitions import show_list

    _defined(home)
    show_list(standard_output(140), load_settings(home))


@definitions.command("show")
@_home
@click.argument("name", metavar="ID")
def show_definition(home: Path | None, name: str) -> None:
    """Show a record as it stands in its file: a form, an indicator, a clause, a parameter."""
    from flows.settings import load_settings
    from flows.terminal.console import standard_output
    from flows.terminal.definitions import show_record

    _defined(home)
    if not show_record(standard_output(140), load_settings(home), name):
        raise click.BadParameter(_WORDS("no_record", name=name))


def _forms(words: str | None, home: Path | None, hint: str | None = None) -> list[Any]:
    from transforms.forms import FORMS

    _defined(home)
    if words is None:
        return list(FORMS.values())
    by_word = {key: form for form in FORMS.values() for key in (form.name, form.zh)}
    found = []
    for word in words.replace("，", ",").split(","):
        if word.strip() not in by_word:
            known = (
                "、".join(f"{form.zh} {form.name}" for form in FORMS.values())
                if language() == "zh"
                else ", ".join(FORMS)
            )
            said = _WORDS("no_form", form=word.strip(), known=known)
            raise click.BadParameter(said, param_hint=hint)
        found.append(by_word[word.strip()])
    return found


def _with_place(error: Exception) -> str:
    """Return what an error says, one of the system with the file that it is about."""
    from transforms.texts import text_of

    file = getattr(error, "filename", None)
    return told(text_of(error).at(file) if file else text_of(error))


def _fail(message: str) -> NoReturn:
    from transforms.names import SENTENCE, shown

    message = shown(message, SENTENCE)
    click.echo(f"jzedu: {message}", err=True)
    sys.exit(1)


def main() -> None:
    """Run the command line; what goes wrong is one sentence, never a traceback."""
    from transforms.definitions import DefinitionError
    from transforms.texts import ToldInBoth

    try:
        with heard_at_once():
            cli(standalone_mode=True)
    except DefinitionError as error:
        for problem in error.problems[:-1]:
            click.echo(f"jzedu: {told(problem)}", err=True)
        _fail(told(error.problems[-1]))
    except (ToldInBoth, OSError) as error:
        _fail(_with_place(error))
    finally:
        speak(None)


if __name__ == "__main__":
    main()
