"""jzedu beside what a data engineer would otherwise build: `make bench-peers`.

The same made-up inbox is taken through each case, one after the other and in turns, so that what
else the machine does falls on all of them; every figure is the median of the rounds. After the runs
the figures of the peers are compared with the publication, value for value.

    python -m benchmarks.peers.run [--rounds 3] [--scale 1] [--years 2018-2022] [--units N] [--only CASE,…]

With so many made-up counties in place of the city (100 are a province) the peers do the same work. They know of one
region above the units alone, so that figures are compared for the city only.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

import openpyxl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.measure import Measured, Tree, measure
from benchmarks.peers.compare import figures_agree, verdicts_agree
from benchmarks.regions import write_regions
from benchmarks.servers import JZEDU, ROOT, Service, environment, prefect_server, serving

HERE = Path(__file__).parent
#: The region list of the city.
PACKAGED = ROOT / "transforms" / "reference"
#: Against this case the others are set.
BASE = "dbt"
#: Seconds after which the process of a run is surely gone: it ends a moment after the run has.
_AT_REST = 2
#: So many years the long history has, from the first year of the others on.
LONG = 8


@dataclass
class Bench:
    """What the cases share: a folder for all that is temporary, the inbox, the peers' Python."""

    folder: Path
    inbox: Path
    years: range
    scale: int
    peers: Path
    reference: Path = PACKAGED
    api: str | None = None
    homes: dict[str, Path] = field(default_factory=dict)

    def fresh(self, name: str) -> Path:
        """Return a new folder, in the place of the one that had its name."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def env(self, server: bool) -> dict[str, str]:
        """Return the environment of a run of jzedu."""
        return environment(self.api_home if server else self.own_home, self.api_of(server))

    @property
    def own_home(self) -> Path:
        """Where runs without a server have Prefect's database, which the first run on a machine makes."""
        folder = self.folder / "prefect"
        if not folder.exists():
            folder.mkdir()
            make = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
            must(measure(make, environment(folder), ROOT))
        return folder

    @property
    def api_home(self) -> Path:
        """Where the server that is running has its database."""
        return self.folder / "server"

    def api_of(self, server: bool) -> str | None:
        """Return the address of the running server, where one is wanted."""
        return self.api if server else None


Run = Callable[[Bench], Measured]


@dataclass(frozen=True)
class Case:
    """One way to the figures; ``server`` where it needs one running, ``asked`` where it is slow."""

    name: str
    what: str
    run: Run
    server: bool = False
    asked: bool = False


def must(measured: Measured) -> Measured:
    """Return what was measured of a command that went well.

    Raises:
        RuntimeError: it did not.
    """
    if measured.code:
        raise RuntimeError(f"exit code {measured.code}:\n{measured.output[-3000:]}")
    return measured


def nightly(bench: Bench, home: Path, server: bool) -> Measured:
    """Run a night over ``home`` as somebody at a terminal does."""
    return must(measure([*JZEDU, "nightly", "--home", home], bench.env(server), ROOT))


def new_home(bench: Bench, name: str, inbox: Path) -> Path:
    """Return a home that holds nothing but an inbox."""
    home = bench.fresh(name)
    shutil.copytree(
        inbox, home / "inbox"
    )  # with the times of the files, which are those of receipt
    if bench.reference != PACKAGED:
        shutil.copytree(bench.reference, home / "reference")
    bench.homes[name] = home
    return home


def first_night(name: str, server: bool) -> Run:
    def run(bench: Bench) -> Measured:
        return nightly(bench, new_home(bench, name, bench.inbox), server)

    return run


def ready(bench: Bench, name: str, inbox: Path, server: bool) -> Path:
    """Return the home ``name`` of this bench, with at least its first night behind it."""
    if name not in bench.homes:
        nightly(bench, new_home(bench, name, inbox), server)
    return bench.homes[name]


def change_a_cell(home: Path, year: int) -> None:
    """Let a county hand in its population anew, with one figure corrected."""
    (workbook, *_) = sorted((home / "inbox").glob(f"*县/{year}/学龄人口表.xlsx"))
    book = openpyxl.load_workbook(workbook)
    (sheet,) = book.worksheets
    (cell,) = (row[1] for row in sheet.iter_rows() if str(row[0].value) == "4")
    cell.value = int(str(cell.value)) + 1 + random.randrange(5)
    book.save(workbook)


def idle(name: str, server: bool) -> Run:
    def run(bench: Bench) -> Measured:
        return nightly(bench, ready(bench, name, bench.inbox, server), server)

    return run


def changed(bench: Bench) -> Measured:
    home = ready(bench, "with-server", bench.inbox, True)
    change_a_cell(home, bench.years[-1])
    return nightly(bench, home, True)


def changed_long(bench: Bench) -> Measured:
    """Change a cell of a home with a longer history, which is made once and takes a while."""
    inbox = bench.folder / "long"
    years = range(bench.years[0], bench.years[0] + LONG)
    if not inbox.exists():
        sample(bench, inbox, years)
    home = ready(bench, "long-home", inbox, True)
    change_a_cell(home, years[-1])
    return nightly(bench, home, True)


def changed_served(bench: Bench) -> Measured:
    """From the trigger of the deployment until another publication stands in its place.

    The service has been through one such run: it imports what its runs need while it waits for the first.
    """
    home = ready(bench, "alone", bench.inbox, False)
    with serving(home, bench.folder / "serve.log") as service:
        for _ in range(2):
            time.sleep(_AT_REST)
            change_a_cell(home, bench.years[-1])
            measured = _served(service, home)
    return measured


def _served(service: Service, home: Path) -> Measured:
    database = home / "published" / "indicators.duckdb"
    before = database.stat().st_ino
    with Tree(service.process.pid, itself=True) as tree:
        used, started = tree.cpu(), time.perf_counter()
        run = service.trigger()
        service.wait(lambda: database.stat().st_ino != before or service.process.poll() is not None)
        wall, cpu, peak = time.perf_counter() - started, tree.cpu() - used, tree.peak
    state = service.wait(lambda: service.ended(run))
    if state != "COMPLETED":
        raise RuntimeError(f"the run of jzedu serve is {state}")
    return Measured(wall, cpu, peak, 0)


def dbt(bench: Bench) -> Measured:
    """Load the inbox and build, in a new folder."""
    bench.homes["dbt"] = bench.fresh("dbt")
    return dbt_build(bench)


def dbt_again(bench: Bench) -> Measured:
    """Do it all again where it has been done once; dbt has kept what it knows of the project."""
    if "dbt" not in bench.homes:
        dbt(bench)
    return dbt_build(bench)


def dbt_build(bench: Bench) -> Measured:
    out = bench.homes["dbt"]
    command = (
        '"$PYTHON" "$LOAD" "$INBOX" "$REFERENCE" "$PEERS_DATABASE" && '
        '"$DBT" build --project-dir "$PROJECT" --profiles-dir "$PROJECT"'
        ' --target-path "$OUT/target" --log-path "$OUT/logs"'
    )
    env = {
        **os.environ,
        "PYTHON": str(bench.peers / "python"),
        "DBT": str(bench.peers / "dbt"),
        "LOAD": str(HERE / "load.py"),
        "INBOX": str(bench.inbox),
        "REFERENCE": str(bench.reference),
        "PROJECT": str(HERE / "dbt"),
        "OUT": str(out),
        "PEERS_DATABASE": str(out / "city.duckdb"),
        "DO_NOT_TRACK": "1",
    }
    return must(measure(["bash", "-c", command], env))


def script(name: str, out: str) -> Run:
    """Run a peer that is one script; ``out`` is the name of what it writes."""

    def run(bench: Bench) -> Measured:
        folder = bench.fresh(name)
        bench.homes[name] = folder
        command = [bench.peers / "python", HERE / f"{name}_city.py"]
        return must(
            measure([*command, bench.inbox, bench.reference, folder / out], dict(os.environ))
        )

    return run


CASES = (
    Case("dbt", "load, dbt build: models and tests, a new folder", dbt),
    Case("dbt-again", "the same on the next night, whatever has changed", dbt_again),
    Case("pandas", "pandas and openpyxl, no verdicts", script("pandas", "figures.csv")),
    Case("sql", "fastexcel and plain DuckDB SQL", script("sql", "city.duckdb")),
    Case("jzedu-first", "first night, no server", first_night("alone", False)),
    Case("jzedu-idle", "nothing new, no server", idle("alone", False)),
    Case("jzedu-first-server", "first night, server", first_night("with-server", True), True),
    Case("jzedu-changed-server", "one changed workbook, server", changed, True),
    Case("jzedu-idle-server", "nothing new, server", idle("with-server", True), True),
    Case("jzedu-serve", "one changed workbook, a run of jzedu serve", changed_served),
    Case(
        "jzedu-changed-server-8-years",
        f"one changed workbook, server, {LONG} years of history",
        changed_long,
        server=True,
        asked=True,
    ),
)


def sample(bench: Bench, out: Path, years: range) -> None:
    """Write the made-up submissions of the bench's units."""
    options = ["--out", str(out), "--years", f"{years[0]}-{years[-1]}", "--scale", str(bench.scale)]
    with tempfile.TemporaryDirectory() as nowhere:
        if bench.reference != PACKAGED:
            home = Path(nowhere) / "home"
            shutil.copytree(bench.reference, home / "reference")
            options += ["--home", str(home), "--init"]
        must(measure([*JZEDU, "sample", *options], environment(Path(nowhere)), ROOT))


def chosen(only: str | None) -> list[Case]:
    """Return the cases to run: those named, else all that are not slow."""
    if only is None:
        return [case for case in CASES if not case.asked]
    names = [name.strip() for name in only.split(",")]
    known = {case.name: case for case in CASES}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    return [case for case in CASES if case.name in names]


@contextmanager
def a_bench(arguments: argparse.Namespace, cases: list[Case], console: Console) -> Iterator[Bench]:
    """Yield a bench with its inbox and, where a case wants one, a Prefect server; all ends with it."""
    first, _, last = arguments.years.partition("-")
    years = range(int(first), int(last or first) + 1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-peers-")))
        bench = Bench(folder, folder / "inbox", years, arguments.scale, arguments.peers.absolute())
        if arguments.units:
            bench.reference = folder / "reference"
            write_regions(bench.reference, arguments.units)
        with console.status("writing the made-up inbox …"):
            sample(bench, bench.inbox, years)
        if any(case.server for case in cases):
            with console.status("starting a Prefect server …"):
                bench.api = stack.enter_context(prefect_server(bench.api_home))
        yield bench


def run_rounds(
    bench: Bench, cases: list[Case], rounds: int, console: Console
) -> dict[str, list[Measured]]:
    """Run every case in every round; give what each took."""
    took: dict[str, list[Measured]] = {case.name: [] for case in cases}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=rounds * len(cases))
        for number in range(rounds):
            for case in cases:
                progress.update(task, description=f"round {number + 1}: {case.name}")
                try:
                    measured = case.run(bench)
                except RuntimeError as error:
                    raise RuntimeError(f"{case.name}: {error}") from None
                took[case.name].append(measured)
                progress.advance(task)
                if not console.is_terminal:
                    console.print(f"round {number + 1} {case.name}: {measured.wall:.1f} s")
    return took


def show(cases: list[Case], took: dict[str, list[Measured]], console: Console) -> list[str]:
    """Print the table; give the figures as key=value."""
    table = Table("case", "what")
    for title in ("wall s", "CPU s", "peak MB", f"× {BASE}"):
        table.add_column(title, justify="right")
    facts = []
    base = median(m.wall for m in took[BASE]) if BASE in took else None
    for case in cases:
        runs = took[case.name]
        wall, cpu = median(m.wall for m in runs), median(m.cpu for m in runs)
        memory = median(m.memory for m in runs) / 1e6
        ratio = f"{wall / base:.2f}" if base else "–"
        table.add_row(case.name, case.what, f"{wall:.1f}", f"{cpu:.1f}", f"{memory:.0f}", ratio)
        facts += [
            f"{case.name}.wall={wall:.2f}",
            f"{case.name}.cpu={cpu:.2f}",
            f"{case.name}.mb={memory:.0f}",
        ]
    console.print(table)
    return facts


def compare(bench: Bench, console: Console) -> list[str]:
    """Print how many figures and verdicts of each peer are those of jzedu; give it as key=value."""
    first = next((bench.homes[n] for n in ("alone", "with-server") if n in bench.homes), None)
    if first is None or bench.reference != PACKAGED:
        return []
    # It may have been corrected since: its first publication is the one of the inbox.
    (publication, *_) = sorted((first / "published" / "history").glob("*/indicators.duckdb"))
    facts = []
    for name, file in (("dbt", "city.duckdb"), ("sql", "city.duckdb"), ("pandas", "figures.csv")):
        if name not in bench.homes:
            continue
        theirs = bench.homes[name] / file
        asked = [("values", figures_agree(publication, theirs))]
        if theirs.suffix != ".csv":
            asked.append(("verdicts", verdicts_agree(publication, theirs)))
        for what, agreement in asked:
            facts.append(f"{name}.{what}={agreement}")
            console.print(f"{name}: {agreement} {what} are those of jzedu {agreement.first}")
    return facts


def machine(bench: Bench) -> list[str]:
    """Return what the figures depend on, as key=value."""
    workbooks = sum(1 for _ in bench.inbox.rglob("*.xlsx"))
    packages = ("prefect", "duckdb", "polars", "fastexcel", "great-expectations")
    return [
        f"scale={bench.scale}",
        f"years={bench.years[0]}-{bench.years[-1]}",
        f"workbooks={workbooks}",
        f"cores={len(os.sched_getaffinity(0))}",
        f"load={os.getloadavg()[2]:.1f}",
        f"python={platform.python_version()}",
        *(f"{name}={version(name)}" for name in packages),
        *peer_versions(bench.peers),
    ]


def peer_versions(peers: Path) -> list[str]:
    """Return the versions of what the peers are made of, in their own environment."""
    code = (
        "from importlib.metadata import version as v\n"
        "print(*(f'peers.{n}={v(n)}' for n in ('dbt-core', 'dbt-duckdb', 'duckdb', 'fastexcel', "
        "'pandas', 'openpyxl')))"
    )
    return measure([peers / "python", "-c", code], dict(os.environ)).output.split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many [3]")
    parser.add_argument("--scale", type=int, default=1, help="times the institutions [1]")
    parser.add_argument("--years", default="2018-2022", help="[2018-2022]")
    parser.add_argument("--units", type=int, help="so many made-up counties instead of the city")
    parser.add_argument("--only", metavar="CASE,…", help=", ".join(case.name for case in CASES))
    parser.add_argument(
        "--peers",
        type=Path,
        default=ROOT / ".venv-peers" / "bin",
        help="where the peers' python and dbt are [.venv-peers/bin]",
    )
    arguments = parser.parse_args()
    cases = chosen(arguments.only)
    console = Console(width=None if sys.stdout.isatty() else 120)
    # A run that is told to end takes its server and its folders with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with a_bench(arguments, cases, console) as bench:
            took = run_rounds(bench, cases, arguments.rounds, console)
            facts = show(cases, took, console)
            agreed = compare(bench, console)
            units = f"units={arguments.units or 'city'}"
            about = [f"rounds={arguments.rounds}", units, *machine(bench)]
            print("peers", *about, *facts, *agreed)
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
