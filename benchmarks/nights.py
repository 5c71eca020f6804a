"""A first night and a night without news, step by step: `make bench`.

    python -m benchmarks.nights [--scale 1] [--years 2018-2022] [--units N | --regions FILE.csv]
        [--catalog CATALOG --data DATA] [--dask WORKERS] [--server]

Over the made-up city, or over so many made-up counties (`--units 100` is a province), or over the
units of a region list of one's own. With a catalogue and a place of data the warehouse is that lake, which
must be empty (docs/scale.md); what its PostgreSQL and its storage take is not counted. With workers of Dask these read;
what they and their scheduler take is counted apart (`dask.cpu`), and they read all of it once more for nobody
(`reading`): in a night they share the processors with the run. A run starts a Prefect server for itself; with
`--server` it finds one running, as beside `jzedu serve`, which is not counted. The last line is for comparing versions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Measured, Tree, measure
from benchmarks.regions import write_regions
from benchmarks.servers import JZEDU, ROOT, dask_cluster, environment, prefect_server
from flows.run import definitions_of
from flows.settings import load_settings
from warehouse.archive import Archive
from warehouse.ledger.cluster import ClusterReaders
from warehouse.ledger.portions import by_hash

#: What a run says of a step that is done: its name, how many there were of what, its seconds.
_STEP = re.compile(r"✓ (\w+)(?:, \d+)? ([\d.]+) s")


def run(env: Mapping[str, str], *command: str) -> Measured:
    """Run a command of jzedu; end with what it said where it fails."""
    measured = measure([*JZEDU, *command], env, ROOT)
    if measured.code:
        sys.exit(f"jzedu {command[0]} failed:\n{measured.output[-3000:]}")
    return measured


def steps_of(measured: Measured) -> dict[str, float]:
    """Return the seconds of each step that a run has told of."""
    return {name: float(seconds) for name, seconds in _STEP.findall(measured.output)}


def show(nights: dict[str, Measured], console: Console) -> list[str]:
    """Print what each night took; give it as key=value."""
    table = Table("", *nights, title="seconds")
    told = {night: steps_of(measured) for night, measured in nights.items()}
    for step in dict.fromkeys(step for steps in told.values() for step in steps):
        figures = (told[night].get(step) for night in nights)
        table.add_row(step, *("" if figure is None else f"{figure:.1f}" for figure in figures))
    table.add_section()
    taken = nights.values()
    rest = [m.wall - sum(steps.values()) for m, steps in zip(taken, told.values(), strict=True)]
    table.add_row("start and end", *(f"{seconds:.1f}" for seconds in rest))
    table.add_row("wall", *(f"{m.wall:.1f}" for m in taken))
    table.add_row("CPU", *(f"{m.cpu:.1f}" for m in taken))
    table.add_row("peak MB", *(f"{m.memory / 1e6:.0f}" for m in taken))
    console.print(table)
    return [
        fact
        for night, measured in nights.items()
        for fact in (
            f"{night}.wall={measured.wall:.2f}",
            f"{night}.cpu={measured.cpu:.2f}",
            f"{night}.mb={measured.memory / 1e6:.0f}",
            *(f"{night}.{step}={seconds}" for step, seconds in told[night].items()),
        )
    ]


def write_settings(home: Path, sections: Mapping[str, Mapping[str, str]]) -> None:
    """Write the settings of a home."""
    lines = [
        line
        for section, values in sections.items()
        for line in (f"[{section}]", *(f"{name} = {json.dumps(v)}" for name, v in values.items()))
    ]
    (home / "settings.toml").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def hand_in(arguments: argparse.Namespace, home: Path, env: Mapping[str, str]) -> int:
    """Write the region list and the made-up submissions into ``home``; give the number of workbooks."""
    reference = home / "reference"
    if arguments.units:
        write_regions(reference, arguments.units)
    elif arguments.regions:
        reference.mkdir(parents=True)
        shutil.copy(arguments.regions, reference / "regions.csv")
        towns = arguments.regions.with_name("townships.csv")
        if towns.exists():
            shutil.copy(towns, reference)
    options = ("--out", str(home / "inbox"), "--years", arguments.years)
    at = ("--home", str(home), "--init")
    run(env, "sample", *at, *options, "--scale", arguments.scale)
    return sum(1 for _ in (home / "inbox").rglob("*.xlsx"))


def read_all(home: Path) -> float:
    """Return the seconds that the cluster of the settings of ``home`` takes to read and check all of its archive."""
    settings = load_settings(home)
    definitions, archive = definitions_of(settings), Archive(settings.archive)
    readers, receipts = ClusterReaders(settings.engine.readers), by_hash(list(archive.receipts()))
    started = time.perf_counter()
    with definitions.in_use():
        for _ in readers.read(
            archive, definitions.reference, receipts, settings.limits, lambda: None
        ):
            pass
    return time.perf_counter() - started


def timed(arguments: argparse.Namespace, folder: Path, console: Console) -> list[str]:
    """Return what the nights of a home in ``folder`` took, and of how much, as key=value."""
    home, prefect = folder / "home", folder / "prefect"
    with console.status("writing the made-up submissions …"):
        workbooks = hand_in(arguments, home, environment(prefect))
    console.print(f"{workbooks} workbooks")
    with ExitStack() as stack:
        settings, cluster = {}, []
        if arguments.catalog:
            settings["warehouse"] = {"catalog": arguments.catalog, "data": arguments.data}
        if arguments.dask:
            address, pids = stack.enter_context(dask_cluster(arguments.dask, folder))
            settings["engine"] = {"readers": address}
            cluster = [stack.enter_context(Tree(pid, itself=True)) for pid in pids]
        write_settings(home, settings)
        api = stack.enter_context(prefect_server(folder / "server")) if arguments.server else None
        nights, before = {}, sum(tree.cpu() for tree in cluster)
        for night in ("first", "second"):
            with console.status(f"the {night} night …"):
                nights[night] = run(environment(prefect, api), "nightly", "--home", str(home))
        dask = [f"dask.cpu={sum(tree.cpu() for tree in cluster) - before:.2f}"] if cluster else []
        if cluster:
            with console.status("reading alone …"):
                seconds = read_all(home)
            console.print(f"read once more, and nothing else: {seconds:.1f} s")
            dask.append(f"reading={seconds:.2f}")
    return [
        f"workbooks={workbooks}",
        f"warehouse={'lake' if arguments.catalog else 'file'}",
        f"server={'running' if arguments.server else 'own'}",
        f"dask={arguments.dask}",
        *dask,
        *show(nights, console),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", default="1", help="times the institutions [1]")
    parser.add_argument("--years", default="2018-2022", help="[2018-2022]")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--units", type=int, help="so many made-up counties instead of the city")
    which.add_argument(
        "--regions", type=Path, help="a region list; townships.csv may lie beside it"
    )
    parser.add_argument("--catalog", help="ducklake:postgres:…, of an empty database")
    parser.add_argument("--data", help="s3://… or a folder")
    parser.add_argument("--dask", type=int, default=0, help="so many workers of Dask read")
    parser.add_argument("--server", action="store_true", help="a Prefect server is running")
    arguments = parser.parse_args()
    if (arguments.catalog is None) is not (arguments.data is None):
        parser.error("--catalog and --data belong together")
    console = Console(width=None if sys.stdout.isatty() else 100)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            facts = timed(arguments, Path(folder), console)
        print(
            "nights",
            f"scale={arguments.scale}",
            f"years={arguments.years}",
            f"units={arguments.units or (arguments.regions and arguments.regions.name) or 'city'}",
            f"cores={len(os.sched_getaffinity(0))}",
            f"load={os.getloadavg()[2]:.1f}",
            f"python={platform.python_version()}",
            *facts,
        )
    except KeyboardInterrupt:
        sys.exit("Stopped.")


if __name__ == "__main__":
    main()
