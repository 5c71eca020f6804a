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
from rich.console import Console
from rich.markup import escape

from flows.after.metrics import last_success
from flows.after.notify import URLS
from flows.lock import holder
from flows.run import definitions_of
from flows.service.client import healthy, next_night
from flows.service.state import API, last_serving, read_login
from flows.settings import THREADS, Settings, SettingsError, load_settings
from flows.sources.folder import FolderSource, Hangs
from flows.sources.model import SourceError
from transforms.china import ZONE_NAME
from transforms.definitions import DefinitionError
from warehouse.archive import Archive, ArchiveDamaged
from warehouse.decisions import Decisions, Kept
from warehouse.lake import Lake, LakeEmpty, LakeFailed
from warehouse.ledger.cluster import ClusterReaders
from warehouse.publication.official import faults_of
from warehouse.publication.public.earlier import EarlierEditions
from warehouse.publication.public.edition import FOLDER as PUBLIC
from warehouse.publication.public.edition import faults_of as public_faults
from warehouse.publication.reader import open_publication
from warehouse.publication.release import DATABASE
from warehouse.publication.standing import is_whole
from warehouse.report.printing import NAMES, browser
from warehouse.shelf import shelf_at
from warehouse.storage import Bucket, StorageFailed
from warehouse.workers.pool import WorkersFailed

State = Literal["ok", "warn", "fail"]
#: A source by its name, and how to try it: None, or a sentence on why it cannot be reached.
Probe = tuple[str, Callable[[], str | None]]

_DAY = timedelta(days=1)
#: A run is late when this much more than a day has passed: it starts at a fixed hour and takes time.
_LATE = _DAY + timedelta(hours=2)
_SAMPLE = 20
_RESTORE = "Restore it from the backup: docs/operations.md, Back up and restore."
#: So many missing originals are named one by one.
_NAMED = 10
_GIB = 1024**3
#: Tells that the keys to a bucket may write there: a file that holds nothing, and stays.
_PROBE = ".probe"
_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]"}


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
        return [*lines, Line("settings", "fail", str(error), "Correct that line and run again.")]
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
    lines += _printing()
    lines += _service(settings) if not os.environ.get(API) else _server(os.environ[API])
    return lines


def show_lines(console: Console, lines: Sequence[Line], as_json: bool) -> bool:
    """Print the lines, as text or as JSON; give whether nothing failed."""
    if as_json:
        text = json.dumps([asdict(line) for line in lines], ensure_ascii=False)
        console.file.write(text + "\n")
    else:
        width = max(len(line.check) for line in lines)
        for line in lines:
            name = escape(f"{line.check:<{width}}")
            console.print(f"{_MARKS[line.state]} [bold]{name}[/]", end="  ")
            console.print(line.found, markup=False, highlight=False, soft_wrap=True)
            if line.do:
                console.print(
                    f"{'':<{width + 4}}{line.do}", markup=False, highlight=False, soft_wrap=True
                )
    return all(line.state != "fail" for line in lines)


def _printing() -> Iterator[Line]:
    """Yield whether there is a browser that prints the page about the city."""
    if (program := browser()) is not None:
        yield Line("printing", "ok", f"the page about the city is printed by {program}")
        return
    yield Line(
        "printing",
        "warn",
        "there is no browser here that makes a PDF of the page about the city",
        f"Install one of {', '.join(NAMES[:3])}, with a Chinese font, or print the HTML page from any browser.",
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
            wrong.append(f"{needed.name} is missing")
            continue
        if not needed.specifier.contains(there, prereleases=True):
            wrong.append(f"{needed.name} is {there}, and has to be {needed.specifier}")
    names = ("jzedu", "prefect", "great-expectations", "duckdb", "polars")
    mine = ", ".join(f"{name} {version(name)}" for name in names)
    if wrong:
        do = "Install again from requirements.lock: make run does, or see README.md."
        yield Line("versions", "fail", "; ".join(wrong), do)
    else:
        yield Line("versions", "ok", f"Python {python_version()}, {mine}")


def _settings(settings: Settings) -> Iterator[Line]:
    try:
        defined = definitions_of(settings)
    except DefinitionError as error:
        yield Line("settings", "fail", str(error), "Correct that file and run again.")
        return
    plan, units = defined.plan.plan_version, len(defined.reference.units)
    yield Line("settings", "ok", f"plan {plan}, {units} reporting units")
    told = len(os.environ.get(URLS, "").split()) + len(settings.notify.blocks)
    where = f"to {told} places, on {', '.join(settings.notify.on)}" if told else "off"
    yield Line("notifications", "ok", where)


def _paths(settings: Settings) -> Iterator[Line]:
    """Yield whether everything can be written that a run writes, and read that it reads."""
    if not settings.home.is_dir():
        do = "It is made by the first run; is --home or JZEDU_HOME what you meant?"
        yield Line("paths", "warn", f"{settings.home} is not there", do)
        return
    folders = [settings.home, settings.archive_folder, settings.published, settings.outbox]
    shut = [folder for folder in folders if folder.exists() and not _writable(folder)]
    if shut:
        do = f"Give them to the user that runs jzedu: chown -R {_user()} …"
        yield Line("paths", "fail", f"not writable: {', '.join(map(str, shut))}", do)
    elif settings.home.stat().st_mode & 0o002:
        do = f"chmod o-w {settings.home}"
        yield Line("paths", "warn", f"{settings.home} can be changed by everybody", do)
    else:
        yield Line("paths", "ok", str(settings.home))
    try:
        with contextlib.closing(FolderSource(settings.inbox)) as inbox:
            inbox.probe()
    except Hangs as error:
        yield Line("inbox", "fail", str(error), "Each night goes on without it and says so.")
        return
    except SourceError:
        pass  # said by what follows
    if not settings.inbox.is_dir() and settings.warehouse.exists():
        do = "Mount it, or make it; each night goes on without it and says so."
        yield Line("inbox", "fail", f"{settings.inbox} is not there: is it mounted?", do)
    unreadable = [path for path in settings.inbox.rglob("*") if not os.access(path, os.R_OK)]
    if unreadable:
        do = f"Make them readable for {_user()}: chmod -R a+rX {settings.inbox}"
        found = f"{len(unreadable)} entries cannot be read, the first is {unreadable[0]}"
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
    places = {"home": _existing(settings.home), "temporary files": Path(tempfile.gettempdir())}
    for name, place in places.items():
        free = shutil.disk_usage(place).free
        found = f"{free / _GIB:.1f} GiB free for {name} ({place})"
        do = "Make room, or move to a larger disk: docs/operations.md, Move."
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
        do = "Install the package tzdata of the system, or of Python."
        yield Line("clock", "fail", f"the time zone {ZONE_NAME} is unknown", do)
        return
    last = None
    with contextlib.suppress(duckdb.Error):  # said by the check of the publication
        last = _published_at(settings)
    if last is not None and last > now + timedelta(minutes=5):
        found = (
            f"it is {now:%Y-%m-%d %H:%M} UTC, before the last publication ({last:%Y-%m-%d %H:%M})"
        )
        do = "Set the clock: timedatectl set-ntp true. Deadlines and versions go by it."
        yield Line("clock", "fail", found, do)
        return
    yield Line("clock", "ok", f"{there:%Y-%m-%d %H:%M} in {ZONE_NAME}, {now:%H:%M} UTC")


def _sources(probes: Iterable[Probe]) -> Iterator[Line]:
    for name, probe in probes:
        problem = probe()
        if problem is None:
            yield Line(f"source {name}", "ok", "reachable")
        else:
            do = "Other sources go on; what is there is taken once it can be reached."
            yield Line(f"source {name}", "fail", problem, do)


def _lake(lake: Lake) -> Iterator[Line]:
    """Yield whether the lake can be read."""
    try:
        with contextlib.closing(lake.connect(read_only=True)) as connection:
            row = connection.execute("SELECT count(*) FROM submission").fetchone()
    except (LakeEmpty, duckdb.CatalogException):
        yield Line("warehouse", "warn", f"{lake} is empty", "Run: jzedu nightly")
    except LakeFailed as error:
        do = "Each night fails, and loses nothing, until then."
        yield Line("warehouse", "fail", str(error), do)
    except duckdb.Error as error:
        do = "See that its storage is up and can be reached from here: docs/scale.md."
        yield Line("warehouse", "fail", str(error).strip().splitlines()[0], do)
    else:
        yield Line("warehouse", "ok", f"{row[0] if row else 0} submissions in {lake}")


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
        yield Line(
            "readers", "warn", "there is no archive yet for them to see", "Run: jzedu nightly"
        )
        return
    try:
        workers = ClusterReaders(address).workers(settings.archive)
    except WorkersFailed as error:
        yield Line(
            "readers", "fail", str(error), "Each night fails, and loses nothing, until then."
        )
    else:
        yield Line("readers", "ok", f"{workers} workers of {address} can read")


def _warehouse(settings: Settings) -> Iterator[Line]:
    if isinstance(settings.place, Lake):
        yield from _lake(settings.place)
        return
    file = settings.warehouse
    if not file.exists():
        yield Line("warehouse", "warn", f"{file} is not there yet", "Run: jzedu nightly")
        return
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            row = connection.execute("SELECT count(*) FROM submission").fetchone()
    except duckdb.Error as error:
        if "lock" in str(error):
            yield Line("warehouse", "ok", "a run is writing to it at this moment")
            return
        do = f"Move {file.name} away and run jzedu nightly: it is rebuilt from the archive."
        yield Line("warehouse", "fail", str(error).strip().splitlines()[0], do)
        return
    yield Line("warehouse", "ok", f"{row[0] if row else 0} submissions in {file.name}")


def _archive(settings: Settings, chance: random.Random | None) -> Iterator[Line]:
    """Yield whether receipts and originals are what they were: all, or with ``chance`` a sample."""
    archive = Archive(settings.archive, afresh=True)
    damage: list[str] = []
    try:
        if isinstance(settings.archive, Bucket):
            shelf_at(settings.archive).touch(_PROBE)
        receipts = list(archive.receipts(lambda damaged: damage.append(str(damaged))))
        signed = {receipt.sha256 for receipt in receipts}
        read = sorted(signed)
        if chance is not None:
            missing = [sha256 for sha256 in read if not archive.holds(sha256)]
            damage += map(str, archive.damage(missing[:_NAMED]).values())
            damage += [f"{len(missing)} originals are missing"] * (len(missing) > _NAMED)
            there = [sha256 for sha256 in read if sha256 not in missing]
            read = chance.sample(there, min(_SAMPLE, len(there)))
        damage += map(str, archive.damage(read).values())
        unsigned = archive.originals() - signed
        noted = _noted(archive, read)
    except OSError as error:
        do = "See to its permissions and its disk."
        yield Line("archive", "fail", f"{error.filename}: {error.strerror}", do)
        return
    except StorageFailed as error:
        do = "Each night fails, and the publication stands, until then: docs/scale.md."
        yield Line("archive", "fail", str(error), do)
        return
    taken_again = "the next night" if noted else "the night that comes upon it"
    do = (
        "Restore it from the backup: docs/operations.md, Back up and restore. An original that still"
        f" lies in the inbox or at its source is taken again by {taken_again}."
    )
    for sentence in damage:
        yield Line("archive", "fail", sentence, do)
    if unsigned and damage:
        found = f"{len(unsigned)} originals have no receipt that can be believed"
        yield Line("archive", "warn", found, "They count again once their receipts are restored.")
    if not damage:
        where = f" in {settings.archive}" if isinstance(settings.archive, Bucket) else ""
        found = f"{len(signed)} originals{where}, {len(read)} of them read and verified"
        yield Line("archive", "ok", found)


def _decisions(settings: Settings) -> Iterator[Line]:
    """Yield whether the office's decisions and the releases are what they were."""
    try:
        decisions = Decisions(settings.archive, afresh=True).all()
    except ArchiveDamaged as error:
        yield Line("decisions", "fail", str(error), _RESTORE)
        return
    except StorageFailed:
        return  # said by the check of the archive
    faults = faults_of(settings.home, decisions)
    for fault in faults:
        yield Line("releases", "fail", fault, _RESTORE)
    if decisions and not faults:
        found = f"{len(decisions)} decisions, all as they were written"
        if kept := sum(isinstance(one, Kept) for one in decisions):
            found += f"; {kept} releases, every file of them as it was"
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
        do = "Run jzedu nightly: it is published anew."
        yield Line("publication", "fail", str(error).strip().splitlines()[0], do)
        return
    if last is None:
        yield Line("publication", "warn", "there is none yet", "Run: jzedu nightly")
        return
    if not is_whole(settings.published / DATABASE):
        found, do = f"{DATABASE} is damaged", "Run jzedu nightly: it is published anew."
        yield Line("publication", "fail", found, do)
        return
    run = last_success(settings.home)
    looked = max(last, datetime.fromtimestamp(run, UTC)) if run is not None else last
    found = f"of {last:%Y-%m-%d %H:%M} UTC"
    if looked - last > timedelta(hours=1):
        found += f"; nothing new at {looked:%Y-%m-%d %H:%M} UTC"
    if now - looked > _LATE:
        do = "Is jzedu serve running, and did the last run fail? Run now: jzedu nightly"
        yield Line("publication", "warn", f"{found}: no run for more than a day", do)
    else:
        yield Line("publication", "ok", found)


def _public(settings: Settings) -> Iterator[Line]:
    """Yield whether the edition for the public is of this publication, and counts no few people."""
    file, do = settings.published / PUBLIC / DATABASE, "Run jzedu nightly: it is made anew."
    if not settings.public_edition or not (settings.published / DATABASE).exists():
        return
    if not is_whole(file):
        yield Line("public edition", "fail", f"{file} is missing or damaged", do)
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
        yield Line("public edition", "fail", str(error), _RESTORE)
        return
    except (duckdb.Error, DefinitionError):
        return  # said by the checks of the publication and of the settings
    if not made_of:
        yield Line(
            "public edition", "fail", "it is of another publication than the one beside it", do
        )
    for fault in faults:
        yield Line("public edition", "fail", f"it shows {fault}", f"Take {file.parent} away. {do}")
    if made_of and not faults:
        yield Line("public edition", "ok", "of this publication, with no count of few people")


def _published_at(settings: Settings) -> datetime | None:
    file = settings.published / DATABASE
    if not file.exists():
        return None
    with open_publication(file) as reader:
        made = reader.issue.published_at if reader.issue else None
    return made.replace(tzinfo=UTC) if made is not None else None


def _service(settings: Settings) -> Iterator[Line]:
    """Yield whether a `jzedu serve` carries out the nights of this home, and its server answers and plans."""
    home = settings.home
    alone = "Until then no night runs by itself; run jzedu nightly."
    last, runner = last_serving(home), holder(home / "prefect")
    if runner is None:
        if last is not None and healthy(last.api):
            found = f"a server that a killed jzedu serve left behind answers at {last.url}, and "
            do = f"Start it again: jzedu serve; it ends what was left. {alone}"
            yield Line("service", "fail", f"{found}nobody carries out its runs", do)
        else:
            do = f"Start it: jzedu serve. {alone}"
            yield Line("service", "warn", f"no jzedu serve works on {home}", do)
        return
    if last is None or not healthy(last.api):
        at = f" at {last.url}" if last is not None else ""
        do = f"If it does not come up within minutes: {home / 'prefect' / 'server.log'} says why."
        yield Line("service", "warn", f"{runner}, but its server does not answer{at}", do)
        return
    yield Line("service", "ok", f"{runner}, serves {home} at {last.url}")
    yield from _schedule(last.api, read_login(home))


def _server(url: str) -> Iterator[Line]:
    """Yield whether the Prefect server that the environment names answers, and plans a night."""
    if not healthy(url):
        do = "Start it, or unset PREFECT_API_URL: runs do without a server of their own."
        yield Line("server", "fail", f"no Prefect server answers at PREFECT_API_URL, {url}", do)
        return
    yield Line("server", "ok", f"a Prefect server answers at {url}; its worker is not looked at")
    yield from _schedule(url, None)


def _schedule(url: str, login: str | None) -> Iterator[Line]:
    """Yield when the next night comes, which somebody carries out."""
    try:
        night = next_night(url, login)
    except OSError as error:
        do = "Where the server has a password, set PREFECT_API_AUTH_STRING to it."
        yield Line("schedule", "warn", f"the server does not tell its schedule: {error}", do)
        return
    if night is None:
        do = "Is the deployment nightly paused in the UI? If not, look into the server's log."
        yield Line("schedule", "warn", "no night is planned", do)
    else:
        local = night.astimezone(ZoneInfo(ZONE_NAME))
        yield Line("schedule", "ok", f"the next night is {local:%Y-%m-%d %H:%M} in {ZONE_NAME}")
