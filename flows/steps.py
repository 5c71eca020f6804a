"""The steps of a run as plain functions: pull, load, check, return, compute, judge, publish.

Prefect's tasks (:mod:`flows.nightly`) call one of these each; tests and the benchmark call them
directly. A step that fails raises :class:`~flows.run.StepFailed`, which says which step it was and what to do.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Self, TypeVar

import duckdb
import polars as pl

from expectations.acknowledged import FILE as ACKNOWLEDGEMENTS
from expectations.acknowledged import load_acknowledgements, mark_acknowledged
from expectations.suites import suites_of
from expectations.turning import take_apart
from expectations.unchanged import keep_answers, suite
from expectations.verdicts import apart, judge, lay_out
from expectations.warnings import SUITE, TABLE, write_warnings
from flows.after.metrics import last_sources
from flows.permissions import hand_out
from flows.run import (
    RUN_AGAIN,
    THEN,
    NotUploaded,
    Opened,
    Run,
    StepFailed,
    named,
    still_there,
)
from flows.settings import Settings
from flows.sources.model import Pulled
from flows.sources.pull import pull_all
from flows.sources.settings import INBOX
from transforms.china import CHINA
from transforms.names import shown
from transforms.records import FINDING, KEPT_PART, KEPT_SHORTFALL, KEPT_TURNING
from transforms.texts import Text, joined, text_of
from warehouse.archive import Receipt, part_of
from warehouse.decisions import Decisions, keep_decisions
from warehouse.indicators import kept
from warehouse.indicators.compute import PARTS_TO_KEEP
from warehouse.indicators.compute import compute as compute_tables
from warehouse.ledger.future_dates import warn_of_future
from warehouse.ledger.ingest import Ingested, ingest, pending
from warehouse.ledger.not_open import warn_of_early
from warehouse.ledger.office import tell_decisions
from warehouse.ledger.schema import refresh
from warehouse.ledger.store import (
    Scope,
    forget,
    is_unpublished,
    known_deliveries,
    mark_published,
    originals_in,
    published_files,
)
from warehouse.ledger.told import tell_reading
from warehouse.outbox import write_returns
from warehouse.publication.compare import compare, is_comparable, says_the_same
from warehouse.publication.defined import defined
from warehouse.publication.filling import (
    SHORTFALLS_TO_KEEP,
    Imprint,
    attach,
    begin,
    detach,
    export,
    fill,
    record,
    stage,
)
from warehouse.publication.official import FOLDER as RELEASES
from warehouse.publication.official import keep_releases
from warehouse.publication.public.earlier import EarlierEditions
from warehouse.publication.public.edition import FOLDER as PUBLIC
from warehouse.publication.public.edition import write_public
from warehouse.publication.reader import open_publication
from warehouse.publication.release import DATABASE, keep_standing, release, release_folders
from warehouse.publication.revisions import Revision, beside, ids_given, list_revisions, standing_id
from warehouse.publication.shared import is_shared, share
from warehouse.publication.standing import files_of, is_complete, next_id, standing
from warehouse.sql import exact, give_up_temporary, literal
from warehouse.storage import StorageFailed

if TYPE_CHECKING:
    from warehouse.publication.uploaded import UploadedPublication

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: The published table ``section``.
SECTION = {"section": pl.Int64(), "name_zh": pl.String(), "name_en": pl.String()}

#: In a lake, where each transaction leaves a state that is kept for days, what is loaded in so many seconds is one.
#: A run that is killed reads that again.
_LOADED_TOGETHER = 60.0
#: So many damaged originals are named one by one.
_LOST_NAMED = 10


def pull_inbox(run: Run, on_file: Callable[[], None] = lambda: None) -> Pulled:
    """Archive what is new in the inbox and at the other sources.

    Before that a part of the archive is looked through, and what was found damaged before, so that what
    is damaged is taken again where the same bytes still lie; what is still damaged afterwards stands
    in ``run.damaged``, and is looked at by the next night too.
    """
    with named("pull"):
        settings, archive = run.settings, run.archive
        archive.sweep()
        _sign_again(run)
        receipts = list(archive.receipts(lambda _: None))
        waiting = {receipt.sha256 for receipt in pending(run.connection, archive, lambda _: None)}
        originals = {receipt.sha256 for receipt in receipts}
        looked_at = waiting.union(part_of(originals, _today()), archive.noted())
        found = archive.damage(looked_at)
        pulled = pull_all(
            settings.sources, settings.inbox, archive, settings.limits, settings.home, on_file
        )
        with suppress(
            OSError, StorageFailed
        ):  # what cannot be noted is told all the same, and found in its turn
            archive.note(looked_at)
        paths = {receipt.sha256: receipt.path for receipt in reversed(receipts)}
        lost = [sha256 for sha256 in sorted(originals) if not archive.holds(sha256)]
        for sha256 in lost[:_LOST_NAMED]:
            damage = found.get(sha256) or archive.damage([sha256])[sha256]
            path = shown(paths[sha256])
            run.tell_damage(
                Text(
                    f"{damage.text.zh}。它报来时是 {path}",
                    f"{damage.text.en}. It was handed in as {path}",
                )
            )
        if len(lost) > _LOST_NAMED:
            run.tell_damage(
                Text(
                    f"共有 {len(lost)} 份原件损坏：jzedu doctor --all",
                    f"{len(lost)} originals are damaged in all: jzedu doctor --all",
                )
            )
        return _with_an_emptied_inbox(settings, pulled)


def _with_an_emptied_inbox(settings: Settings, pulled: Pulled) -> Pulled:
    """Return ``pulled``, and that the inbox could not be read where nothing at all is left of its files.

    What is not mounted is often an empty folder.
    """
    held = next((one.found for one in last_sources(settings.home) if one.name == INBOX), 0)
    if not all(one.read for one in pulled.sources if one.name == INBOX):
        return pulled  # it is told already, and may be a mount that hangs
    if not held or not settings.inbox.is_dir() or any(settings.inbox.iterdir()):
        return pulled
    why = Text(
        f"{settings.inbox} 是空的，而上次看时有 {held} 个文件：挂载了吗？如果是有意清空，请在其中建一个单位的文件夹",
        f"{settings.inbox} is empty, and held {held} files when it was last looked at: is it mounted?"
        " If it was emptied on purpose, make the folder of a unit in it",
    )
    sources = (
        replace(one, read=False, found=held, left=1) if one.name == INBOX else one
        for one in pulled.sources
    )
    return replace(
        pulled,
        waiting=(why, *pulled.waiting),
        failed=(why, *pulled.failed),
        sources=tuple(sources),
    )


def _sign_again(run: Run) -> None:
    """Write the receipts anew that the warehouse knows of and the archive has lost.

    Where one round was damaged, that is the very file that it was.
    """
    kept = {receipt.key for receipt in run.archive.receipts(lambda _: None)}
    known = known_deliveries(run.connection)
    run.archive.sign(receipt for key, receipt in known.items() if key not in kept)


def unread(run: Run) -> list[Receipt]:
    """Return the archived deliveries that the warehouse has not read, and whose originals are there."""
    with named("pull"):
        return [
            receipt
            for receipt in pending(run.connection, run.archive, run.tell_damage)
            if run.archive.holds(receipt.sha256)
        ]


def must_publish(run: Run) -> bool:
    """Return whether the publication is missing, not complete, unfinished, or made by other definitions.

    Also where it is to be put into a bucket as well, and is not there.
    """
    with named("open"):
        files = published_files(run.connection)
        complete = is_complete(run.settings.published, files)
        if not complete or is_unpublished(run.connection, _stamp(run)):
            return True
        if (there := _uploads(run)) is None:
            return False
        try:
            with beside(run.connection, run.settings.published / DATABASE):
                stands = standing_id(run.connection)
        except duckdb.Error:
            return True  # it is damaged, and made anew
        return not there.holds(stands)


def look(run: Run) -> Opened:
    """Pull, and see whether there is anything to do."""
    started = perf_counter()
    pulled = pull_inbox(run)
    receipts = unread(run)
    has_news = bool(receipts) or must_publish(run)
    return Opened(run, pulled, receipts, has_news, perf_counter() - started)


def load_deliveries(run: Run, receipts: list[Receipt], on_file: Callable[[], None]) -> Ingested:
    """Read, check and load ``receipts``.

    Each portion is kept as soon as it is loaded: a run that is interrupted goes on behind it, and
    nothing is published before all are there.
    """
    with named("load"):
        run.loaded = _ingest(run, receipts, on_file, run.writing)
    for sentence in run.loaded.lost:
        run.tell_damage(sentence)
    return run.loaded


def unannounced(run: Run) -> set[str]:
    """Return the hashes of files that are loaded and that the publication that stands does not know.

    Those of this run, and of one that was killed before it published.
    """
    with named("load"), ExitStack() as stack:
        known = ""
        if (before := standing(run.settings.published)) is not None:
            stack.enter_context(beside(run.connection, before))
            known = " ANTI JOIN previous.submission USING (submission_id)"
        rows = run.connection.execute(f"SELECT sha256 FROM submission{known}").fetchall()
    return {sha256 for (sha256,) in rows}


def reload_deliveries(run: Run, scope: Scope, on_file: Callable[[], None]) -> Ingested:
    """Read again what the archive holds for ``scope``, in one transaction: all of it or nothing.

    What is half by new rules and half by old ones must never be published, not by the night after
    an interrupted run either. Deliveries that were never read are read whole, as the nightly run
    would. What cannot be read again, because its original is damaged, stays as it was.
    """
    with named("load"), run.writing():
        damage = run.archive.damage(originals_in(run.connection, scope))
        known = forget(run.connection, scope, damage)
        again = _ingest(run, known, on_file, nullcontext)
        unread_ones = pending(run.connection, run.archive, run.tell_damage)
        new = _ingest(run, unread_ones, on_file, nullcontext)
        run.loaded = Ingested(
            again.deliveries + new.deliveries,
            again.submissions + new.submissions,
            again.accepted + new.accepted,
            again.returned + new.returned,
        )
    for sentence in (*map(text_of, damage.values()), *again.lost, *new.lost):
        run.tell_damage(sentence)
    return run.loaded


def _ingest(
    run: Run,
    receipts: list[Receipt],
    on_file: Callable[[], None],
    kept: Callable[[], AbstractContextManager[None]],
) -> Ingested:
    return ingest(
        run.connection,
        run.archive,
        run.reference,
        receipts,
        limits=run.settings.limits,
        readers=run.readers,
        on_file=on_file,
        kept=kept,
        together=0 if run.fence is None else _LOADED_TOGETHER,
    )


def check_across(run: Run) -> int:
    """Compute the warnings across forms and years anew, over the submissions in force.

    Gives their number. Acknowledgements (``JZEDU_HOME/explanations.yaml``) are set beside them; those
    that have lapsed stand in ``run.lapsed``.
    """
    with Checking(run) as checking:
        return checking.check(run)


class Checking:
    """The step "check", which goes on beside other steps of ``run``: Great Expectations does most of it."""

    def __init__(self, run: Run) -> None:
        with named("check"), ExitStack() as stack:
            run.warm_up()
            self._acknowledgements = load_acknowledgements(run.settings.home / ACKNOWLEDGEMENTS)
            _bring_into_force(run)
            run.compute_apart()
            self._asked = suite(run.connection)
            self._database = stack.enter_context(run.for_the_engine())
            # A connection of its own: one may be used by one thread at a time.
            self._connection = stack.enter_context(run.another_connection())
            self._opened = stack.pop_all()

    def check(self, run: Run) -> int:
        """Do as :func:`check_across`."""
        with named("check"), self._opened:
            assert run.engine is not None
            # The engine is another process: there is time here for what comes last.
            threading.Thread(target=_ready_pages, name="pages", daemon=True).start()
            broken = run.engine.run(
                self._database,
                TABLE,
                {SUITE: self._asked.expectations},
            )[SUITE]
            used, today = self._connection, _today()
            with run.writing(used):
                keep_answers(used, self._asked, broken)
                found = write_warnings(used, broken) + warn_of_future(used)
                found += warn_of_early(used, today)
                tell_reading(used)
                found += tell_decisions(used, sign_off=run.settings.sign_off)
                run.lapsed = tuple(mark_acknowledged(used, self._acknowledgements, today))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def check_decisions(run: Run) -> int:
    """Do of :func:`check_across` what the office's decisions ask for; give the number of what is told."""
    with named("check"):
        _bring_into_force(run)
        with run.writing():
            return tell_decisions(run.connection, sign_off=run.settings.sign_off)


def _bring_into_force(run: Run) -> None:
    """Find out what is in force, by what was received and what the office has decided."""
    decisions = Decisions(run.settings.archive).all()
    with run.writing():
        keep_decisions(run.connection, decisions, run.plan.begins)
        refresh(run.connection, approved_only=run.settings.approved_only)


def warnings_of(run: Run, submission_ids: list[str]) -> pl.DataFrame:
    """Return the warnings across forms and years of some submissions, as findings.

    Without what reading has warned of, which stands beside them.
    """
    listed = ", ".join(literal(name) for name in submission_ids) or "NULL"
    rows = run.connection.execute(
        f"SELECT {FINDING.names} FROM warning"
        f" ANTI JOIN finding USING (submission_id, rule_id) WHERE submission_id IN ({listed})"
    ).fetchall()
    return pl.DataFrame(rows, schema=FINDING.schema, orient="row")


def _now() -> datetime:
    """Return the time (UTC, naive)."""
    return datetime.now(UTC).replace(tzinfo=None)


def _today() -> date:
    """Return the date in China, by which acknowledgements lapse."""
    return datetime.now(CHINA).date()


def compute_indicators(run: Run) -> int:
    """Compute all indicators of what is in force; give the number of checks to run."""
    with named("compute"):
        clauses = run.plan.clauses
        run.compute_apart()
        run.staged = stage(run.settings.published)
        compute_tables(
            run.connection,
            run.catalogue,
            run.reference,
            dict.fromkeys(c.indicator_id for c in clauses),
            dict.fromkeys(c.indicator_id for c in clauses if c.kind == "never_falls"),
            run.plan.begins,
        )
        run.give_back()  # the tables on the way to these are gone
        run.asked, run.idle = lay_out(run.connection, run.plan, run.catalogue)
    return len(run.asked)


def judge_clauses(run: Run) -> int:
    """Run the suites and write the verdicts; give their number.

    While Great Expectations asks, what it does not take the verdicts to know is made ready here.
    """
    with named("judge"), ThreadPoolExecutor(1) as pool:
        run.warm_up()
        engine, staged, connection = run.engine, run.staged, run.connection
        assert engine is not None and staged is not None
        asked = staged.with_name("asked.duckdb")
        with apart(connection, asked):
            still_there(asked)
            answer = pool.submit(engine.run, asked, "judgement", suites_of(run.asked))
            take_apart(connection, run.plan.clauses, run.catalogue)
            content = defined(run.catalogue, published_clauses(run), published_sections(run))
            attach(connection, staged, content)
            begin(connection, run.catalogue)
            broken = answer.result()
        run.give_back()
        judge(connection, broken)
        row = connection.execute("SELECT count(*) FROM attainment").fetchone()
    return int(row[0]) if row else 0


def publish(run: Run) -> Imprint | None:
    """Fill the staged publication and put it in the place of the last one.

    Gives None, and publishes nothing, where it would say the same as the one that stands.

    Raises:
        StepFailed: a whole unit or form would vanish, and ``run.accept_shrink`` does not allow it.
    """
    with named("publish"):
        assert run.engine is not None and run.staged is not None
        docs_written = run.engine.begin_docs(run.staged.with_name("data_docs"))
        staged = fill_publication(run)
        published, keep = run.settings.published, run.settings.keep_publications
        before = standing(published)
        same, previous_id, given = False, None, list[str]()
        if before is not None:
            with beside(run.connection, before):
                previous_id, given = standing_id(run.connection), ids_given(run.connection)
                if is_comparable(run.connection):
                    # One that is damaged in its place is made anew, whatever it said.
                    in_place = before == published / DATABASE
                    same = in_place and says_the_same(run.connection)
                    run.comparison = compare(run.connection)
        if run.comparison.vanished and not run.accept_shrink:
            raise StepFailed(
                "publish",
                joined(run.comparison.vanished),
                Text(
                    "请查明原因；如果本该如此，请加 --accept-shrink 再运行。",
                    "Find out why; if it is meant, run again with --accept-shrink.",
                ),
            )
        imprint = _imprint(run, given)
        if before is None:
            record(run.connection, imprint, None)
        elif not same:
            with beside(run.connection, before):
                record(run.connection, imprint, previous_id)
        _let_go(run)
        source = before if before is not None and same else staged
        with ThreadPoolExecutor(2) as pool:
            documented = pool.submit(docs_written)
            exported = pool.submit(export, source, staged.with_name("parquet"))
            write_edition(run, source, staged.parent)
            write_pages(run, source, staged.parent)
            exported.result()
            documented.result()
        hand_out(staged.parent)
        run.before_release()
        stands = previous_id if previous_id is not None and same else imprint.publication_id
        if previous_id is not None and before == published / DATABASE:
            keep_standing(published, previous_id, keep)
        if same:
            release_folders(staged.parent, published)
        else:
            release(staged.parent, published, imprint.publication_id, keep)
        hand_out(published)
        _after_release(run, stands)
    return None if same else imprint


#: Where a run has what the next one may take over.
_TO_KEEP = {
    KEPT_PART: PARTS_TO_KEEP,
    KEPT_SHORTFALL: SHORTFALLS_TO_KEEP,
    KEPT_TURNING: "could_turn",
}


def _let_go(run: Run) -> None:
    """Keep what the next run may take over, and give up the rest: the staged publication is written."""
    with run.writing():
        kept.keep(run.connection, _TO_KEEP)
    detach(run.connection)
    give_up_temporary(run.connection)
    run.give_back()


def _after_release(run: Run, stands: str) -> None:
    """Keep, share, upload and note the publication ``stands``, which is in its place.

    It is noted last: what was not done of all this is unfinished, and the next run does it.
    """
    published = run.settings.published
    decisions = Decisions(run.settings.archive)
    if keep_releases(run.settings.home, published, decisions, stands):
        hand_out(run.settings.home / RELEASES)
    failed = None
    if (there := _uploads(run)) is not None:
        try:
            there.put(published / DATABASE, stands, run.settings.keep_publications)
        except StorageFailed as error:
            failed = error
    with ExitStack() as stack:
        used = run.connection
        if run.fence is not None:
            stack.enter_context(beside(run.connection, published / DATABASE))
            # One of its own: views would find the run's temporary tables, which are called as published ones.
            used = stack.enter_context(run.another_connection())
        stack.enter_context(run.writing(used))
        if run.fence is not None and not is_shared(used):
            share(used)
        if failed is None:
            mark_published(used, _stamp(run), files_of(published))
    if failed is not None:
        raise NotUploaded("publish", failed.text, THEN) from failed
    run.tend(_now())


def write_edition(run: Run, source: Path, folder: Path) -> None:
    """Write the edition for the public of the publication in ``source``, where the settings ask for one.

    Where they ask no more, the one that stands goes with this publication: an empty folder takes its place.
    """
    public, standing_one = folder / PUBLIC, run.settings.published / PUBLIC
    if run.settings.public_edition:
        write_public(source, public, run.catalogue, EarlierEditions(run.settings.archive))
    elif standing_one.is_dir() and any(standing_one.iterdir()):
        public.mkdir()


def write_pages(run: Run, source: Path, folder: Path) -> None:
    """Write what people look at, made from the publication in ``source``, into ``folder``."""
    # Not before there is something to publish: most nights have nothing.
    from warehouse.publication.reader.pages import read_publication
    from warehouse.report import Printing, tables_ahead, write_briefs, write_report

    with open_publication(source) as reader, ExitStack() as stack:
        publication, printing, tables = None, None, None
        if not reader.is_empty:
            # Of a nation what DuckDB takes for them, and then the browser, are 300 MB: the one after the other.
            tables = stack.enter_context(tables_ahead(reader))
            publication = read_publication(reader, run.reference.folder)
            run.give_back()  # reading took what the pages have no use for
            # The browser takes as long as all other pages, and goes on beside them; not before: it takes 200 MB.
            printing = stack.enter_context(Printing())
            printing.begin(write_briefs(publication, folder / "brief", office=run.settings.office))
        published = run.settings.published
        write_report(
            *(reader, folder / "report", run.reference.folder, publication),
            last=published / "report",
            tables=tables,
        )
        for problem in printing.finish() if printing is not None else ():
            _log.info("the page about the city is not there as PDF: %s", problem.en)
    if (edition := folder / PUBLIC / DATABASE).is_file():
        with open_publication(edition) as reader:
            last = published / PUBLIC / "report"
            write_report(reader, edition.with_name("report"), run.reference.folder, last=last)


def _ready_pages() -> None:
    """Import and compile what pages are made from."""
    with suppress(Exception):  # whatever it is, writing the pages fails of it as well, and is told
        from warehouse.report import ready

        ready()


def _uploads(run: Run) -> UploadedPublication | None:
    """Return the publication as it is in a bucket; None where the settings name none."""
    place = run.settings.upload_place
    if place is None:
        return None
    # What the storage needs is imported by those alone who have a place there.
    from warehouse.publication.uploaded import UploadedPublication

    return UploadedPublication(place)


def fill_publication(run: Run) -> Path:
    """Write what is left to write of the staged publication, now that all is judged; give its file."""
    assert run.staged is not None
    run.take_over_warnings()
    fill(run.connection, run.catalogue, published_clauses(run))
    return run.staged


def _imprint(run: Run, given: list[str]) -> Imprint:
    now = _now()
    return Imprint(
        publication_id=next_id(now, run.settings.published, given),
        published_at=now,
        code_version=code_version(),
        plan_version=_plan_stamp(run),
    )


def changes(run: Run) -> list[Revision]:
    """Return what the staged publication would change in the one that stands; publishes nothing."""
    with named("compare"):
        fill_publication(run)
        before = standing(run.settings.published)
        if before is not None:
            with beside(run.connection, before):
                return list_revisions(run.connection)
        if (run.settings.published / DATABASE).exists():
            raise StepFailed(
                "compare",
                Text("现有的发布读不出来", "the publication that stands cannot be read"),
                Text(
                    "请运行 jzedu nightly：会重新发布。",
                    "Run jzedu nightly: it is published anew.",
                ),
            )
        return []


class Doing:
    """How the steps of a run are carried out: as they are, one after the other."""

    def do(self, name: str, step: Callable[[Run], T], run: Run) -> T:
        """Return what ``step`` gives, a function of this module that is told of as ``name``."""
        return step(run)

    def begin(self, name: str, step: Callable[[Run], T], run: Run) -> Callable[[], T]:
        """Begin ``step``, which may go on beside others; the result waits for its end, and raises what it raised."""
        given = self.do(name, step, run)
        return lambda: given


def evaluate(run: Run, doing: Doing | None = None) -> None:
    """Compute and judge all that is loaded, into a staged publication."""
    doing = doing or Doing()
    with named("compute"):
        _bring_into_force(run)
    doing.do("compute", compute_indicators, run)
    doing.do("judge", judge_clauses, run)


def finish(run: Run, doing: Doing | None = None) -> tuple[list[Path], Imprint | None]:
    """Go from loaded rows to return sheets and publication, which are given.

    The verdicts do not depend on the warnings, and are made beside them; so are the sheets, as soon as the
    warnings are there. Nothing is published before all are.
    """
    doing = doing or Doing()
    begun: list[Callable[[], object]] = []
    with Checking(run) as checking, Answering(run) as answering:
        try:
            begun.append(checked := doing.begin("check", checking.check, run))
            doing.do("compute", compute_indicators, run)
            begun.append(judged := doing.begin("judge", judge_clauses, run))
            checked()
            begun.append(sheets := doing.begin("return", answering.send, run))
            judged()
            run.before_release = sheets
            imprint = doing.do("publish", publish, run)
            return sheets(), imprint
        except BaseException:
            answering.stop()
            for ended in begun:
                with suppress(Exception):  # what stopped the run is told, and comes first
                    ended()
            raise


class Answering:
    """The step "return", which goes on beside other steps of ``run`` and can be told to stop."""

    def __init__(self, run: Run) -> None:
        # A connection of its own: one may be used by one thread at a time.
        self._connection = run.another_connection()
        self._stopped = threading.Event()

    def send(self, run: Run) -> list[Path]:
        """Bring the return sheets in the outbox up to date; give those that were written."""
        return send_returns(run, self._connection, self._go_on)

    def stop(self) -> None:
        """Have :meth:`send` end after the sheet in hand."""
        self._stopped.set()

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise StepFailed("return", Text("另一步失败了", "another step failed"), RUN_AGAIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def send_returns(
    run: Run,
    connection: duckdb.DuckDBPyConnection | None = None,
    on_file: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Bring the return sheets in the outbox up to date; give those that were written.

    ``connection`` is one to the run's warehouse that nobody else uses meanwhile; none for its own.
    """
    with named("return"):
        written = write_returns(
            connection or run.connection,
            run.archive,
            run.settings.outbox,
            limits=run.settings.limits,
            workers=run.workers,
            today=_today(),
            on_file=on_file,
            kept=run.writing,
        )
        hand_out(run.settings.outbox)
        return written


def published_clauses(run: Run) -> pl.DataFrame:
    """Return the rows of the published table ``clause``."""
    frame = pl.DataFrame(
        [
            {
                **clause.model_dump(exclude={"replaces", "coverage_floor", "targets", "judged_at"}),
                "threshold": None if clause.threshold is None else str(clause.threshold),
                "scope": run.catalogue.by_id[clause.indicator_id].scope,
            }
            for clause in run.plan.clauses
        ],
        schema_overrides={
            "threshold": pl.String,
            "comparator": pl.String,
            "due_year": pl.Int64,
            "effective_to": pl.Int64,
            "basis_zh": pl.String,
            "basis_en": pl.String,
            "source_en": pl.String,
        },
        infer_schema_length=None,
    )
    return exact(frame, threshold=pl.Decimal(18, 6))


def published_sections(run: Run) -> pl.DataFrame:
    """Return the rows of the published table ``section``."""
    return pl.DataFrame([section.model_dump() for section in run.plan.sections], schema=SECTION)


def code_version() -> str:
    """Return the version of this program."""
    return version("jzedu")


def _stamp(run: Run) -> str:
    """Return what a publication is made by: program, definitions, lists, acknowledgements, decisions, editions."""
    lists = hashlib.sha256(run.catalogue.model_dump_json().encode())
    files = [run.reference.folder / name for name in ("regions.csv", "townships.csv")]
    for file in (*files, run.settings.home / ACKNOWLEDGEMENTS):
        lists.update(file.read_bytes() if file.exists() else b"")
    settings = run.settings
    office = (Decisions(settings.archive).mark, settings.approved_only, settings.sign_off)
    decided = f" {office}" if any(office) else ""
    decided += " public" if settings.public_edition else ""
    return f"{code_version()} {_plan_stamp(run)} {lists.hexdigest()[:8]}{decided}"


def _plan_stamp(run: Run) -> str:
    """Return the plan's version with marks of its content and of the home's definitions, where there are any.

    So an edited plan is another one, and a figure says by which definitions it was made.
    """
    plan, mark = run.plan, run.definitions.mark
    content = hashlib.sha256(plan.model_dump_json().encode()).hexdigest()[:8]
    return f"{plan.plan_version}#{content}" + (f"+{mark}" if mark else "")
