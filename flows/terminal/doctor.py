"""`jzedu doctor`: is this installation fit to run tonight, and where it is not, what to do.

Every check looks and changes nothing, but that damaged originals are noted for the next run to look
at; each gives lines of its own, so that one that finds trouble does not hide the others. A warning
bites one day; a failure keeps the next run from its work.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from platform import python_version
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape

from flows.after.metrics import last_success
from flows.after.notify import URLS
from flows.language import Words, said_by, told
from flows.lock import holder
from flows.run import definitions_of
from flows.service.client import healthy, next_night
from flows.service.state import API, last_serving, read_login
from flows.settings import THREADS, Settings, SettingsError, load_settings
from flows.sources.folder import FolderSource, Hangs
from flows.sources.model import SourceError
from transforms.china import ZONE_NAME
from transforms.definitions import DefinitionError
from transforms.texts import said_by_system
from warehouse.archive import Archive, ArchiveDamaged
from warehouse.decisions import Decisions, Kept
from warehouse.lake import Lake, LakeEmpty, LakeFailed
from warehouse.ledger.cluster import ClusterReaders
from warehouse.ledger.transfer import transfer_to
from warehouse.publication.official import faults_of
from warehouse.publication.public.earlier import EarlierEditions
from warehouse.publication.public.edition import FOLDER as PUBLIC
from warehouse.publication.public.edition import faults_of as public_faults
from warehouse.publication.reader import Issue, open_publication
from warehouse.publication.release import DATABASE
from warehouse.publication.standing import is_whole
from warehouse.report.printing import NAMES, browser
from warehouse.shelf import shelf_at
from warehouse.storage import PROBE, Bucket, StorageFailed
from warehouse.workers.pool import WorkersFailed

State = Literal["ok", "warn", "fail"]
#: A source by its name, and how to try it: None, or a sentence on why it cannot be reached.
Probe = tuple[str, Callable[[], str | None]]

_DAY = timedelta(days=1)
#: A run is late when this much more than a day has passed: it starts at a fixed hour and takes time.
_LATE = _DAY + timedelta(hours=2)
_SAMPLE = 20
#: So many missing originals are named one by one.
_NAMED = 10
_GIB = 1024**3
_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]"}


_WORDS = Words(
    correct_line=("请改正那一行，再运行。", "Correct that line and run again."),
    printed=("一页通的 PDF 由 {program} 打印", "the page about the city is printed by {program}"),
    no_browser=(
        "这里没有能把一页通做成 PDF 的浏览器",
        "there is no browser here that makes a PDF of the page about the city",
    ),
    install_browser=(
        "请安装 {names} 之一和中文字体，或用任何浏览器打印那个网页。",
        "Install one of {names}, with a Chinese font, or print the HTML page from any browser.",
    ),
    listed=("、", ", "),
    and_then=("；", "; "),
    package_missing=("缺少 {name}", "{name} is missing"),
    package_wrong=("{name} 是 {there}，应为 {needed}", "{name} is {there}, and has to be {needed}"),
    install=(
        "请按 requirements.lock 重新安装：make run 会做，或看 README.zh.md。",
        "Install again from requirements.lock: make run does, or see README.md.",
    ),
    correct_file=("请改正该文件，再运行。", "Correct that file and run again."),
    settings=("规划 {plan}，报送单位 {units} 个", "plan {plan}, {units} reporting units"),
    notify=("发往 {count} 处，事由 {on}", "to {count} places, on {on}"),
    notify_off=("没有开", "off"),
    made_by_first=(
        "第一次运行时会建立；--home 或 JZEDU_HOME 写对了吗？",
        "It is made by the first run; is --home or JZEDU_HOME what you meant?",
    ),
    not_there=("没有 {place}", "{place} is not there"),
    chown=(
        "请交给运行 jzedu 的用户：chown -R {user} …",
        "Give them to the user that runs jzedu: chown -R {user} …",
    ),
    shut=("不可写：{places}", "not writable: {places}"),
    open_to_all=("{place} 谁都可以改", "{place} can be changed by everybody"),
    mount=(
        "请挂载或新建；在此之前，每夜不用它照常运行，并说明。",
        "Mount it, or make it; each night goes on without it and says so.",
    ),
    goes_on=(
        "每夜不用它照常运行，并说明。",
        "Each night goes on without it and says so.",
    ),
    unmounted=("没有 {place}：挂载了吗？", "{place} is not there: is it mounted?"),
    chmod=(
        "请让 {user} 能读：chmod -R a+rX {place}",
        "Make them readable for {user}: chmod -R a+rX {place}",
    ),
    unreadable=(
        "有 {count} 项读不出来，第一项是 {first}",
        "{count} entries cannot be read, the first is {first}",
    ),
    for_home=("本处", "home"),
    for_temporary=("临时文件", "temporary files"),
    free=("{name}还剩 {free:.1f} GiB（{place}）", "{free:.1f} GiB free for {name} ({place})"),
    make_room=(
        "请腾出空间，或迁到更大的磁盘：docs/运维手册.md，迁移。",
        "Make room, or move to a larger disk: docs/operations.md, Move.",
    ),
    tzdata=(
        "请安装系统或 Python 的 tzdata。",
        "Install the package tzdata of the system, or of Python.",
    ),
    no_zone=("不认识时区 {zone}", "the time zone {zone} is unknown"),
    clock_back=(
        "现在是 {now:%Y-%m-%d %H:%M}（世界时），早于上次发布（{last:%Y-%m-%d %H:%M}）",
        "it is {now:%Y-%m-%d %H:%M} UTC, before the last publication ({last:%Y-%m-%d %H:%M})",
    ),
    set_clock=(
        "请校准时钟：timedatectl set-ntp true。期限和版本都按它算。",
        "Set the clock: timedatectl set-ntp true. Deadlines and versions go by it.",
    ),
    clock=(
        "{zone} {there:%Y-%m-%d %H:%M}，世界时 {now:%H:%M}",
        "{there:%Y-%m-%d %H:%M} in {zone}, {now:%H:%M} UTC",
    ),
    reachable=("连得上", "reachable"),
    others_go_on=(
        "其他来源照常；等它连得上，再接收那里的文件。",
        "Other sources go on; what is there is taken once it can be reached.",
    ),
    lake_empty=("{lake} 是空的", "{lake} is empty"),
    run=("请运行：jzedu nightly", "Run: jzedu nightly"),
    fails_until=(
        "在此之前每夜都会失败，但不丢失任何东西。",
        "Each night fails, and loses nothing, until then.",
    ),
    lake_storage=(
        "请确认它的存储在运行、从这里连得上：docs/scale.md。",
        "See that its storage is up and can be reached from here: docs/scale.md.",
    ),
    submissions=("{place} 中有报送 {count} 份", "{count} submissions in {place}"),
    no_archive=("还没有档案可读", "there is no archive yet for them to see"),
    workers=("{address} 的 {count} 个进程可以读取", "{count} workers of {address} can read"),
    not_yet=("还没有 {file}", "{file} is not there yet"),
    being_written=("此刻有一次运行正在写", "a run is writing to it at this moment"),
    rebuild=(
        "请把 {file} 移走，再运行 jzedu nightly：会从档案重建。",
        "Move {file} away and run jzedu nightly: it is rebuilt from the archive.",
    ),
    originals_missing=("缺 {count} 份原件", "{count} originals are missing"),
    permissions=("请检查权限和磁盘。", "See to its permissions and its disk."),
    restore_original=(
        "请从备份恢复：docs/运维手册.md，备份与恢复。收件夹或来源处还有的原件，{when}会重新接收。",
        "Restore it from the backup: docs/operations.md, Back up and restore. An original that still lies in the inbox or at its source is taken again by {when}.",
    ),
    next_night=("下一夜", "the next night"),
    some_night=("读到它的那一夜", "the night that comes upon it"),
    unsigned=(
        "有 {count} 份原件没有可信的收件记录",
        "{count} originals have no receipt that can be believed",
    ),
    receipts_restored=(
        "收件记录恢复后重新算数。",
        "They count again once their receipts are restored.",
    ),
    originals=(
        "{where}原件 {count} 份，其中 {read} 份已读出核对",
        "{count} originals{where}, {read} of them read and verified",
    ),
    restore=(
        "请从备份恢复：docs/运维手册.md，备份与恢复。",
        "Restore it from the backup: docs/operations.md, Back up and restore.",
    ),
    decisions=("决定 {count} 项，都是原来写下的", "{count} decisions, all as they were written"),
    and_releases=(
        "{found}；发布 {count} 次，每个文件都是原样",
        "{found}; {count} releases, every file of them as it was",
    ),
    in_bucket=("{place} 中的", " in {place}"),
    storage_away=(
        "在此之前每晚的运行都会失败，已有的发布不变：docs/scale.md。",
        "Each night fails, and the publication stands, until then: docs/scale.md.",
    ),
    anew=("请运行 jzedu nightly：会重新发布。", "Run jzedu nightly: it is published anew."),
    none_yet=("还没有", "there is none yet"),
    damaged=("{file} 损坏", "{file} is damaged"),
    published=("{last:%Y-%m-%d %H:%M}（世界时）", "of {last:%Y-%m-%d %H:%M} UTC"),
    looked=(
        "；{looked:%Y-%m-%d %H:%M} 查看时没有新的",
        "; nothing new at {looked:%Y-%m-%d %H:%M} UTC",
    ),
    serving=(
        "jzedu serve 在运行吗？上次运行失败了吗？现在运行：jzedu nightly",
        "Is jzedu serve running, and did the last run fail? Run now: jzedu nightly",
    ),
    no_run=("{found}：一天多没有运行", "{found}: no run for more than a day"),
    made_anew=("请运行 jzedu nightly：会重新生成。", "Run jzedu nightly: it is made anew."),
    missing_or_damaged=("{file} 不在或损坏", "{file} is missing or damaged"),
    of_another=(
        "它不是旁边那次发布的公开版",
        "it is of another publication than the one beside it",
    ),
    shows=("它显示了 {fault}", "it shows {fault}"),
    take_away=("请移走 {place}。{do}", "Take {place} away. {do}"),
    public_fine=(
        "是这次发布的公开版，没有少数人的人数",
        "of this publication, with no count of few people",
    ),
    uploaded=(
        "{place} 中是 {id} 这次发布，文件齐全",
        "{place} has the publication {id}, with all of its files",
    ),
    uploaded_none=("{place} 中还没有发布", "there is no publication at {place} yet"),
    uploaded_other=(
        "{place} 中的不是现有的发布 {id}，或缺文件",
        "{place} has not the publication that stands, {id}, or not all of its files",
    ),
    upload=("请运行 jzedu nightly：会送到那里。", "Run jzedu nightly: it is put there."),
    not_removed=(
        "旧的发布会留在那里：请允许这个密钥在那里删除。",
        "Earlier publications stay there: let this key delete there.",
    ),
    alone=(
        "在此之前不会自动运行；请运行 jzedu nightly。",
        "Until then no night runs by itself; run jzedu nightly.",
    ),
    left_behind=(
        "被杀掉的 jzedu serve 留下的服务还在 {url} 应答，但没有人执行它的运行",
        "a server that a killed jzedu serve left behind answers at {url}, and nobody carries out its runs",
    ),
    serve_again=(
        "请重新启动：jzedu serve，它会结束留下的。{alone}",
        "Start it again: jzedu serve; it ends what was left. {alone}",
    ),
    serve=("请启动：jzedu serve。{alone}", "Start it: jzedu serve. {alone}"),
    no_serve=("没有 jzedu serve 在 {home} 上工作", "no jzedu serve works on {home}"),
    no_answer=("{runner}，但它的服务没有应答{at}", "{runner}, but its server does not answer{at}"),
    at=("（{url}）", " at {url}"),
    server_log=(
        "几分钟后还没有起来：原因在 {file} 中。",
        "If it does not come up within minutes: {file} says why.",
    ),
    serves=("{runner}，在 {url} 为 {home} 服务", "{runner}, serves {home} at {url}"),
    start_named=(
        "请启动它，或取消 PREFECT_API_URL：运行不需要专门的服务。",
        "Start it, or unset PREFECT_API_URL: runs do without a server of their own.",
    ),
    named_silent=(
        "PREFECT_API_URL 所写的 {url} 没有 Prefect 服务应答",
        "no Prefect server answers at PREFECT_API_URL, {url}",
    ),
    named_answers=(
        "{url} 有 Prefect 服务应答；没有查看它的执行进程",
        "a Prefect server answers at {url}; its worker is not looked at",
    ),
    password=(
        "服务有密码时，请写在 PREFECT_API_AUTH_STRING 中。",
        "Where the server has a password, set PREFECT_API_AUTH_STRING to it.",
    ),
    no_schedule=("服务没有说出时间表：{error}", "the server does not tell its schedule: {error}"),
    paused=(
        "nightly 是不是在页面里暂停了？如果不是，请看服务的日志。",
        "Is the deployment nightly paused in the UI? If not, look into the server's log.",
    ),
    no_night=("没有安排任何一夜", "no night is planned"),
    next=(
        "下一次运行：{local:%Y-%m-%d %H:%M}（{zone}）",
        "the next night is {local:%Y-%m-%d %H:%M} in {zone}",
    ),
    source=("来源 {name}", "source {name}"),
)
#: The checks, as people who read Chinese call them.
_CHECKS = {
    "settings": "设置",
    "versions": "版本",
    "notifications": "通知",
    "paths": "文件夹",
    "inbox": "收件夹",
    "disk": "磁盘",
    "clock": "时钟",
    "warehouse": "库",
    "readers": "读取集群",
    "archive": "档案",
    "decisions": "决定",
    "releases": "定稿",
    "publication": "发布",
    "public edition": "公开版",
    "uploaded": "发布存放处",
    "printing": "打印",
    "service": "定时服务",
    "server": "Prefect 服务",
    "schedule": "时间表",
}


@dataclass(frozen=True)
class Line:
    """What one check found; ``do`` says what to do about it, empty where all is well."""

    check: str
    state: State
    found: str
    do: str = ""


def diagnose(
    home: Path | None,
    probes: Callable[[Settings], Iterable[Probe]],
    whole_archive: bool = False,
) -> list[Line]:
    """Return all checks on ``home``; ``probes`` gives the sources of its settings and how to try them.

    ``whole_archive``: read every original and not a sample of them.
    """
    lines = list(_versions())
    try:
        settings = load_settings(home)
    except SettingsError as error:
        return [*lines, Line("settings", "fail", said_by(error), _WORDS("correct_line"))]
    now = datetime.now(UTC)
    lines += _settings(settings)
    lines += _paths(settings)
    lines += _space(settings)
    lines += _clock(settings, now)
    lines += _sources(probes(settings))
    lines += _warehouse(settings)
    lines += _readers(settings)
    lines += _archive(settings, None if whole_archive else random.Random())
    lines += _decisions(settings)
    lines += _publication(settings, now)
    lines += _public(settings)
    lines += _uploaded(settings)
    lines += _printing()
    lines += _service(settings) if not os.environ.get(API) else _server(os.environ[API])
    return lines


def show_lines(console: Console, lines: Sequence[Line], as_json: bool) -> bool:
    """Print the lines, as text or as JSON; give whether nothing failed."""
    if as_json:
        text = json.dumps([asdict(line) for line in lines], ensure_ascii=False)
        console.file.write(text + "\n")
    else:
        names = [_name(line.check) for line in lines]
        width = max(map(cell_len, names))
        for line, name in zip(lines, names, strict=True):
            padded = escape(set_cell_size(name, width))
            console.print(f"{_MARKS[line.state]} [bold]{padded}[/]", end="  ")
            console.print(line.found, markup=False, highlight=False, soft_wrap=True)
            if line.do:
                console.print(
                    f"{'':<{width + 4}}{line.do}", markup=False, highlight=False, soft_wrap=True
                )
    return all(line.state != "fail" for line in lines)


def _name(check: str) -> str:
    """Return what a check is called; the words of a source follow its name."""
    if check.startswith("source "):
        return _WORDS("source", name=check.removeprefix("source "))
    return told((_CHECKS.get(check, check), check))


def _printing() -> Iterator[Line]:
    """Yield whether there is a browser that prints the page about the city."""
    if (program := browser()) is not None:
        yield Line("printing", "ok", _WORDS("printed", program=program))
        return
    yield Line(
        "printing",
        "warn",
        _WORDS("no_browser"),
        _WORDS("install_browser", names=_WORDS("listed").join(NAMES[:3])),
    )


def _versions() -> Iterator[Line]:
    """Yield whether what is installed is what this version was made for."""
    from packaging.requirements import Requirement

    wrong = []
    for text in requires("jzedu") or ():
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            there = version(needed.name)
        except PackageNotFoundError:
            wrong.append(_WORDS("package_missing", name=needed.name))
            continue
        if not needed.specifier.contains(there, prereleases=True):
            wrong.append(
                _WORDS("package_wrong", name=needed.name, there=there, needed=needed.specifier)
            )
    names = ("jzedu", "prefect", "great-expectations", "duckdb", "polars")
    mine = ", ".join(f"{name} {version(name)}" for name in names)
    if wrong:
        do = _WORDS("install")
        yield Line("versions", "fail", _WORDS("and_then").join(wrong), do)
    else:
        yield Line("versions", "ok", f"Python {python_version()}, {mine}")


def _settings(settings: Settings) -> Iterator[Line]:
    try:
        defined = definitions_of(settings)
    except DefinitionError as error:
        yield Line("settings", "fail", said_by(error), _WORDS("correct_file"))
        return
    plan, units = defined.plan.plan_version, len(defined.reference.units)
    yield Line("settings", "ok", _WORDS("settings", plan=plan, units=units))
    places = len(os.environ.get(URLS, "").split()) + len(settings.notify.blocks)
    where = (
        _WORDS("notify", count=places, on=_WORDS("listed").join(settings.notify.on))
        if places
        else _WORDS("notify_off")
    )
    yield Line("notifications", "ok", where)


def _paths(settings: Settings) -> Iterator[Line]:
    """Yield whether everything can be written that a run writes, and read that it reads."""
    if not settings.home.is_dir():
        do = _WORDS("made_by_first")
        yield Line("paths", "warn", _WORDS("not_there", place=settings.home), do)
        return
    folders = [settings.home, settings.archive_folder, settings.published, settings.outbox]
    shut = [folder for folder in folders if folder.exists() and not _writable(folder)]
    if shut:
        do = _WORDS("chown", user=_user())
        yield Line(
            "paths", "fail", _WORDS("shut", places=_WORDS("listed").join(map(str, shut))), do
        )
    elif settings.home.stat().st_mode & 0o002:
        do = f"chmod o-w {settings.home}"
        yield Line("paths", "warn", _WORDS("open_to_all", place=settings.home), do)
    else:
        yield Line("paths", "ok", str(settings.home))
    try:
        with contextlib.closing(FolderSource(settings.inbox)) as inbox:
            inbox.probe()
    except Hangs as error:
        yield Line("inbox", "fail", said_by(error), _WORDS("goes_on"))
        return
    except SourceError:
        pass  # said by what follows
    if not settings.inbox.is_dir() and settings.warehouse.exists():
        do = _WORDS("mount")
        yield Line("inbox", "fail", _WORDS("unmounted", place=settings.inbox), do)
    unreadable = [path for path in settings.inbox.rglob("*") if not os.access(path, os.R_OK)]
    if unreadable:
        do = _WORDS("chmod", user=_user(), place=settings.inbox)
        found = _WORDS("unreadable", count=len(unreadable), first=unreadable[0])
        yield Line("inbox", "warn", found, do)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return str(os.getuid())


def _space(settings: Settings) -> Iterator[Line]:
    """Yield whether a run has room: it writes a publication, and at worst the warehouse, anew."""
    files = (settings.warehouse, settings.published / DATABASE)
    anew = sum(file.stat().st_size for file in files if file.exists())
    places = {
        "for_home": _existing(settings.home),
        "for_temporary": Path(tempfile.gettempdir()),
    }
    for name, place in places.items():
        free = shutil.disk_usage(place).free
        found = _WORDS("free", free=free / _GIB, name=_WORDS(name), place=place)
        do = _WORDS("make_room")
        if free < 2 * anew + _GIB // 4:
            yield Line("disk", "fail", found, do)
        elif free < 5 * anew + 2 * _GIB:
            yield Line("disk", "warn", found, do)
        else:
            yield Line("disk", "ok", found)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _clock(settings: Settings, now: datetime) -> Iterator[Line]:
    """Yield whether the clock is plausible, and the zone known in which nights and deadlines are told."""
    try:
        there = now.astimezone(ZoneInfo(ZONE_NAME))
    except ZoneInfoNotFoundError:
        do = _WORDS("tzdata")
        yield Line("clock", "fail", _WORDS("no_zone", zone=ZONE_NAME), do)
        return
    last = None
    with contextlib.suppress(duckdb.Error):  # said by the check of the publication
        last = _published_at(settings)
    if last is not None and last > now + timedelta(minutes=5):
        found = _WORDS("clock_back", now=now, last=last)
        do = _WORDS("set_clock")
        yield Line("clock", "fail", found, do)
        return
    yield Line("clock", "ok", _WORDS("clock", there=there, zone=ZONE_NAME, now=now))


def _sources(probes: Iterable[Probe]) -> Iterator[Line]:
    for name, probe in probes:
        problem = probe()
        if problem is None:
            yield Line(f"source {name}", "ok", _WORDS("reachable"))
        else:
            do = _WORDS("others_go_on")
            yield Line(f"source {name}", "fail", problem, do)


def _lake(lake: Lake) -> Iterator[Line]:
    """Yield whether the lake can be read."""
    try:
        with contextlib.closing(lake.connect(read_only=True)) as connection:
            row = connection.execute("SELECT count(*) FROM submission").fetchone()
    except (LakeEmpty, duckdb.CatalogException):
        yield Line("warehouse", "warn", _WORDS("lake_empty", lake=told(lake.named)), _WORDS("run"))
    except LakeFailed as error:
        do = _WORDS("fails_until")
        yield Line("warehouse", "fail", said_by(error), do)
    except duckdb.Error as error:
        do = _WORDS("lake_storage")
        yield Line("warehouse", "fail", str(error).strip().splitlines()[0], do)
    else:
        count = row[0] if row else 0
        yield Line("warehouse", "ok", _WORDS("submissions", count=count, place=told(lake.named)))


def _readers(settings: Settings) -> Iterator[Line]:
    """Yield whether the cluster that reads files answers; nothing where this machine reads them."""
    address = settings.engine.readers
    if address == THREADS:
        return
    try:
        there = shelf_at(settings.archive).is_there()
    except StorageFailed:
        return  # said by the check of the archive
    if not there:
        yield Line("readers", "warn", _WORDS("no_archive"), _WORDS("run"))
        return
    try:
        readers = ClusterReaders(address, transfer=transfer_to(settings.place))
        workers = readers.workers(settings.archive)
    except (StorageFailed, WorkersFailed) as error:
        yield Line("readers", "fail", said_by(error), _WORDS("fails_until"))
    else:
        yield Line("readers", "ok", _WORDS("workers", count=workers, address=address))


def _warehouse(settings: Settings) -> Iterator[Line]:
    if isinstance(settings.place, Lake):
        yield from _lake(settings.place)
        return
    file = settings.warehouse
    if not file.exists():
        yield Line("warehouse", "warn", _WORDS("not_yet", file=file), _WORDS("run"))
        return
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            row = connection.execute("SELECT count(*) FROM submission").fetchone()
    except duckdb.Error as error:
        if "lock" in str(error):
            yield Line("warehouse", "ok", _WORDS("being_written"))
            return
        do = _WORDS("rebuild", file=file.name)
        yield Line("warehouse", "fail", str(error).strip().splitlines()[0], do)
        return
    yield Line(
        "warehouse", "ok", _WORDS("submissions", count=row[0] if row else 0, place=file.name)
    )


def _archive(settings: Settings, chance: random.Random | None) -> Iterator[Line]:
    """Yield whether receipts and originals are what they were: all, or with ``chance`` a sample."""
    archive = Archive(settings.archive, afresh=True)
    damage: list[str] = []
    try:
        if isinstance(settings.archive, Bucket):
            shelf_at(settings.archive).touch(PROBE)
        receipts = list(archive.receipts(lambda damaged: damage.append(said_by(damaged))))
        signed = {receipt.sha256 for receipt in receipts}
        read = sorted(signed)
        if chance is not None:
            missing = [sha256 for sha256 in read if not archive.holds(sha256)]
            damage += map(said_by, archive.damage(missing[:_NAMED]).values())
            damage += [_WORDS("originals_missing", count=len(missing))] * (len(missing) > _NAMED)
            there = [sha256 for sha256 in read if sha256 not in missing]
            read = chance.sample(there, min(_SAMPLE, len(there)))
        damage += map(said_by, archive.damage(read).values())
        unsigned = archive.originals() - signed
        noted = _noted(archive, read)
    except OSError as error:
        do = _WORDS("permissions")
        yield Line("archive", "fail", told(said_by_system(error).at(error.filename)), do)
        return
    except StorageFailed as error:
        yield Line("archive", "fail", said_by(error), _WORDS("storage_away"))
        return
    do = _WORDS("restore_original", when=_WORDS("next_night" if noted else "some_night"))
    for sentence in damage:
        yield Line("archive", "fail", sentence, do)
    if unsigned and damage:
        found = _WORDS("unsigned", count=len(unsigned))
        yield Line("archive", "warn", found, _WORDS("receipts_restored"))
    if not damage:
        in_bucket = isinstance(settings.archive, Bucket)
        where = _WORDS("in_bucket", place=settings.archive) if in_bucket else ""
        found = _WORDS("originals", where=where, count=len(signed), read=len(read))
        yield Line("archive", "ok", found)


def _decisions(settings: Settings) -> Iterator[Line]:
    """Yield whether the office's decisions and the releases are what they were."""
    do = _WORDS("restore")
    try:
        decisions = Decisions(settings.archive, afresh=True).all()
    except ArchiveDamaged as error:
        yield Line("decisions", "fail", said_by(error), do)
        return
    except StorageFailed:
        return  # said by the check of the archive
    faults = faults_of(settings.home, decisions)
    for fault in faults:
        yield Line("releases", "fail", told(fault), do)
    if decisions and not faults:
        found = _WORDS("decisions", count=len(decisions))
        if kept := sum(isinstance(one, Kept) for one in decisions):
            found = _WORDS("and_releases", found=found, count=kept)
        yield Line("decisions", "ok", found)


def _noted(archive: Archive, read: Iterable[str]) -> bool:
    """Have the next run look at what of ``read`` is damaged; give whether that could be noted."""
    try:
        archive.note(read)
    except (
        OSError,
        StorageFailed,
    ):  # a disk that cannot be written is said by the checks of paths and space
        return False
    return True


def _publication(settings: Settings, now: datetime) -> Iterator[Line]:
    """Yield whether the publication is of today: made, or looked at and found unchanged, within a day."""
    try:
        last = _published_at(settings)
    except duckdb.Error as error:
        do = _WORDS("anew")
        yield Line("publication", "fail", str(error).strip().splitlines()[0], do)
        return
    if last is None:
        yield Line("publication", "warn", _WORDS("none_yet"), _WORDS("run"))
        return
    if not is_whole(settings.published / DATABASE):
        found, do = _WORDS("damaged", file=DATABASE), _WORDS("anew")
        yield Line("publication", "fail", found, do)
        return
    run = last_success(settings.home)
    looked = max(last, datetime.fromtimestamp(run, UTC)) if run is not None else last
    found = _WORDS("published", last=last)
    if looked - last > timedelta(hours=1):
        found += _WORDS("looked", looked=looked)
    if now - looked > _LATE:
        do = _WORDS("serving")
        yield Line("publication", "warn", _WORDS("no_run", found=found), do)
    else:
        yield Line("publication", "ok", found)


def _public(settings: Settings) -> Iterator[Line]:
    """Yield whether the edition for the public is of this publication, and counts no few people."""
    file, do = settings.published / PUBLIC / DATABASE, _WORDS("made_anew")
    if not settings.public_edition or not (settings.published / DATABASE).exists():
        return
    if not is_whole(file):
        yield Line("public edition", "fail", _WORDS("missing_or_damaged", file=file), do)
        return
    try:
        with (
            open_publication(file) as reader,
            open_publication(settings.published / DATABASE) as all_of,
        ):
            made_of = reader.issue == all_of.issue
        definitions = definitions_of(settings)
        with definitions.in_use():
            faults = public_faults(file, definitions.catalogue)
        EarlierEditions(settings.archive, afresh=True).hidden()
    except ArchiveDamaged as error:
        yield Line("public edition", "fail", said_by(error), _WORDS("restore"))
        return
    except (duckdb.Error, DefinitionError):
        return  # said by the checks of the publication and of the settings
    if not made_of:
        yield Line("public edition", "fail", _WORDS("of_another"), do)
    for fault in faults:
        yield Line(
            "public edition",
            "fail",
            _WORDS("shows", fault=told(fault)),
            _WORDS("take_away", place=file.parent, do=do),
        )
    if made_of and not faults:
        yield Line("public edition", "ok", _WORDS("public_fine"))


def _uploaded(settings: Settings) -> Iterator[Line]:
    """Yield whether the publication that stands is in its bucket; nothing where the settings name none."""
    if (place := settings.upload_place) is None:
        return
    # As in a run, its library is imported by those alone who have a place there.
    from warehouse.publication.uploaded import UploadedPublication

    there = UploadedPublication(place)
    try:
        issue = _issue(settings)
    except duckdb.Error:
        return  # said by the check of the publication
    try:
        there.probe()
        some = there.current() is not None
        whole = issue is not None and there.holds(issue.publication_id)
    except StorageFailed as error:
        yield Line("uploaded", "fail", said_by(error), _WORDS("storage_away"))
        return
    try:
        there.remove_probe()
    except StorageFailed as error:
        yield Line("uploaded", "warn", said_by(error), _WORDS("not_removed"))
    if issue is None:
        yield Line("uploaded", "ok", _WORDS("reachable"))
    elif whole:
        yield Line("uploaded", "ok", _WORDS("uploaded", place=place, id=issue.publication_id))
    else:
        found = "uploaded_other" if some else "uploaded_none"
        told_of = _WORDS(found, place=place, id=issue.publication_id)
        yield Line("uploaded", "warn", told_of, _WORDS("upload"))


def _issue(settings: Settings) -> Issue | None:
    """Return the publication that stands, None for none."""
    file = settings.published / DATABASE
    if not file.exists():
        return None
    with open_publication(file) as reader:
        return reader.issue


def _published_at(settings: Settings) -> datetime | None:
    issue = _issue(settings)
    made = issue.published_at if issue else None
    return made.replace(tzinfo=UTC) if made is not None else None


def _service(settings: Settings) -> Iterator[Line]:
    """Yield whether a `jzedu serve` carries out the nights of this home, and its server answers and plans."""
    home = settings.home
    alone = _WORDS("alone")
    last, runner = last_serving(home), holder(home / "prefect")
    if runner is None:
        if last is not None and healthy(last.api):
            do = _WORDS("serve_again", alone=alone)
            yield Line("service", "fail", _WORDS("left_behind", url=last.url), do)
        else:
            do = _WORDS("serve", alone=alone)
            yield Line("service", "warn", _WORDS("no_serve", home=home), do)
        return
    if last is None or not healthy(last.api):
        at = _WORDS("at", url=last.url) if last is not None else ""
        do = _WORDS("server_log", file=home / "prefect" / "server.log")
        yield Line("service", "warn", _WORDS("no_answer", runner=runner, at=at), do)
        return
    yield Line("service", "ok", _WORDS("serves", runner=runner, home=home, url=last.url))
    yield from _schedule(last.api, read_login(home))


def _server(url: str) -> Iterator[Line]:
    """Yield whether the Prefect server that the environment names answers, and plans a night."""
    if not healthy(url):
        do = _WORDS("start_named")
        yield Line("server", "fail", _WORDS("named_silent", url=url), do)
        return
    yield Line("server", "ok", _WORDS("named_answers", url=url))
    yield from _schedule(url, None)


def _schedule(url: str, login: str | None) -> Iterator[Line]:
    """Yield when the next night comes, which somebody carries out."""
    try:
        night = next_night(url, login)
    except OSError as error:
        do = _WORDS("password")
        yield Line("schedule", "warn", _WORDS("no_schedule", error=error), do)
        return
    if night is None:
        do = _WORDS("paused")
        yield Line("schedule", "warn", _WORDS("no_night"), do)
    else:
        local = night.astimezone(ZoneInfo(ZONE_NAME))
        yield Line("schedule", "ok", _WORDS("next", local=local, zone=ZONE_NAME))
