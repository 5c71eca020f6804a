"""A publisher in a process of its own: stages and releases one publication after the other.

    press.py BASE PUBLISHED FIRST LAST    publications FIRST to LAST, each named when it is out
    press.py BASE PUBLISHED FIRST         the same for ever, until the process is killed
    press.py BASE PUBLISHED FIRST steps   one publication again and again, killed at its first
                                          operation on a file, at its second ... until it gets out

A publication is the tables and views of the file BASE with its number in all of them, through the
functions of :mod:`warehouse.publication.release` that a night uses.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
from watch import look

from warehouse.publication.filling import attach, detach, stage
from warehouse.publication.release import DATABASE, release
from warehouse.publication.tables import TABLES
from warehouse.publication.views import create_views

_FORK = multiprocessing.get_context("fork")


def publish(base: Path, published: Path, number: int) -> None:
    """Publish ``number``."""
    with duckdb.connect(config={"threads": 1}) as connection:
        file = stage(published)
        attach(connection, file)
        copies = "".join(
            f"CREATE TABLE publication.{table.name} AS FROM base.{table.name};" for table in TABLES
        )
        connection.execute(
            f"""
            ATTACH '{base}' AS base (READ_ONLY);
            BEGIN;
            {copies}
            DELETE FROM publication.publication;
            INSERT INTO publication.publication (publication_id) VALUES ('{number}');
            UPDATE publication.indicator_value SET reporting_units = {number};
            UPDATE publication.attainment SET gap = {number}, reporting_units = {number};
            DELETE FROM publication.finding;
            INSERT INTO publication.finding (cells) FROM range({number});
            COMMIT
            """
        )
        create_views(connection)
        detach(connection)
    page = file.with_name("report") / "index.html"
    page.parent.mkdir()
    page.write_text(str(number))
    release(file.parent, published, f"{number:08d}", keep=3)


def publish_until(base: Path, published: Path, number: int, fatal: int) -> None:
    """Publish ``number``, but die at the ``fatal``-th operation on a file or folder."""
    operations = itertools.count(1)

    def strike(event: str, _: object) -> None:
        on_files = event == "open" or event.startswith(("os.", "shutil."))
        if on_files and next(operations) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(strike)
    publish(base, published, number)


def read(file: Path) -> None:
    """Print what a reader sees."""
    with duckdb.connect(str(file), read_only=True, config={"threads": 1}) as connection:
        print("sees", look(connection), flush=True)


def aside(target: Callable[..., None], *arguments: object) -> int:
    """Run ``target`` in a fork; give its exit code, negative for a signal."""
    process = _FORK.Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def main(base: Path, published: Path, first: int, last: str | None) -> None:
    """See above."""
    if last == "steps":
        for fatal in itertools.count(1):
            code = aside(publish_until, base, published, first, fatal)
            print("killed" if code == -signal.SIGKILL else f"ended {code}", flush=True)
            aside(read, published / DATABASE)
            if code != -signal.SIGKILL:
                return
    for number in itertools.count(first) if last is None else range(first, int(last) + 1):
        publish(base, published, number)
        print(number, flush=True)


if __name__ == "__main__":
    _, base, published, first, *last = sys.argv
    main(Path(base), Path(published), int(first), last[0] if last else None)
