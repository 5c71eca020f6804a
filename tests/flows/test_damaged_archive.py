"""An archive with every kind of damage: what is told, what is healed, and that all else goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from expectations.engine import Engine
from flows import steps
from flows.run import Run
from flows.terminal.doctor import Line, diagnose
from tests.conftest import ByHand, Home, MakeHome, english
from transforms.forms import FORMS
from warehouse.archive import PARTS, Archive, ArchiveDamaged, Receipt, part_of
from warehouse.ledger.store import Scope

NOON = datetime(2020, 9, 1, 12)
UNITS = ("210702", "210703", "210711", "210726")
RATE = "preschool_gross_enrolment_rate"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def signed(archive: Archive, *names: str) -> tuple[Path, list[Receipt]]:
    """A round of receipts over files of these names, and its file."""
    before = set(archive.root.glob("receipts/*"))
    receipts = [Receipt(NOON, f"义县/{name}", archive.keep(name.encode())) for name in names]
    archive.sign(receipts)
    (file,) = set(archive.root.glob("receipts/*")) - before
    return file, receipts


def forge(archive: Archive, *lines: bytes) -> Path:
    """A round that nobody signed, under the name of its hash."""
    data = b"".join(line + b"\n" for line in lines)
    file = archive.root / "receipts" / f"{hashlib.sha256(data).hexdigest()}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def entry(**changes: Any) -> bytes:
    whole = {"path": "义县/一.csv", "received_at": "2020-09-01T12:00:00Z", "sha256": "a" * 64}
    return json.dumps({**whole, **changes}).encode()


# Receipts


def test_a_round_that_was_changed_is_not_believed_and_the_others_are(archive: Archive) -> None:
    changed, _ = signed(archive, "一", "二")
    _, whole = signed(archive, "三")
    changed.write_bytes(changed.read_bytes().replace(b"2020-09-01", b"2020-09-02"))
    told: list[ArchiveDamaged] = []
    assert list(archive.receipts(told.append)) == whole
    (damage,) = told
    assert f"{changed} was changed" in str(damage)
    assert "restore it" in str(damage)
    with pytest.raises(ArchiveDamaged, match="was changed"):
        list(archive.receipts())


@pytest.mark.parametrize(
    "line",
    [
        entry(sha256="../../etc/passwd"),
        entry(sha256="A" * 64),
        entry(sha256="a" * 63),
        entry(sha256="a" * 64 + "\n"),
        entry(sha256=None),
        entry(path=None),
        entry(path=7),
        entry(received_at="yesterday"),
        entry(received_at="10000-01-01T00:00:00Z"),
        entry(received_at="0001-01-01T00:00:00+23:00"),
        entry(received_at=None),
        entry(taken_at=7),
        b"{}",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"12" * 5000,
    ],
    ids=range(19),
)
def test_a_line_that_is_no_receipt_is_named_by_file_and_line(archive: Archive, line: bytes) -> None:
    """Also where the file is called by its hash, as whoever forges it can do."""
    file = forge(archive, entry(), line)
    told: list[ArchiveDamaged] = []
    assert list(archive.receipts(told.append)) == []
    assert [f"{file}, line 2, is no receipt" in str(damage) for damage in told] == [True]


def test_what_is_no_hash_never_becomes_a_path(archive: Archive, tmp_path: Path) -> None:
    secret = tmp_path / "etc" / "passwd"
    secret.parent.mkdir()
    secret.write_bytes(b"root")
    archive.keep(b"one")
    for name in ("../../etc/passwd", str(secret), "", ".", "receipts", "a" * 63):
        for look in (archive.read, archive.size, archive.verify, archive.holds):
            with pytest.raises(ArchiveDamaged, match="no SHA-256"):
                look(name)


def test_what_was_known_of_the_future_first_holds(archive: Archive) -> None:
    digest = archive.keep(b"one")
    future = datetime(2038, 1, 1)
    for taken in (datetime(2020, 9, 3), datetime(2020, 9, 2), datetime(2020, 9, 4)):
        archive.sign([Receipt(future, "义县/一.csv", digest, taken)])
    (receipt,) = archive.receipts()
    assert receipt.taken_at == datetime(2020, 9, 2)


# Originals


@pytest.mark.parametrize("harm", ["changed", "cut", "empty", "longer", "missing", "folder"])
def test_an_original_found_damaged_is_written_anew(archive: Archive, harm: str) -> None:
    digest = archive.keep(b"one")
    spoil(archive.root / digest[:2] / digest, harm)
    assert list(archive.damage([digest])) == [digest]
    assert not archive.holds(digest)
    assert archive.keep(b"one") == digest
    assert archive.read(digest) == b"one"
    assert archive.damage([digest]) == {}


def spoil(file: Path, harm: str) -> None:
    content = file.read_bytes()
    file.unlink()
    if harm == "folder":
        file.mkdir()
    elif harm != "missing":
        file.write_bytes(
            {
                "changed": bytes(byte ^ 1 for byte in content),
                "cut": content[:-1],
                "empty": b"",
                "longer": content + b"\n",
            }[harm]
        )


def test_every_original_is_looked_through_within_thirty_nights() -> None:
    originals = [hashlib.sha256(bytes([number])).hexdigest() for number in range(256)]
    nights = [part_of(originals, date(2020, 9, 1) + timedelta(n)) for n in range(PARTS)]
    assert sorted(name for night in nights for name in night) == sorted(originals)
    assert max(map(len, nights)) < len(originals) / 10


# Nights


@pytest.fixture(scope="module")
def city(make_home: MakeHome) -> Home:
    """Four units, each with a figure of its own and another for 2019, published; to be copied."""
    home = make_home()
    for number, unit in enumerate(UNITS, start=11):
        home.sheet(unit, "population", 2019, [{"age": 3, "population": number}])
    home.load()
    for number, unit in enumerate(UNITS, start=1):
        home.sheet(unit, "population", 2020, [{"age": 3, "population": number}])
        home.load()  # a round of its own
    home.night()
    return home


@pytest.fixture
def spoilt(city: Home, home: Home) -> Home:
    """A copy of :func:`city`, to be spoilt."""
    shutil.copytree(city.root, home.root, dirs_exist_ok=True)
    return home


def handed_in(home: Home, unit: str) -> Path:
    return home.settings.inbox / unit / f"{FORMS['population'].zh}2020年.csv"


def original(home: Home, unit: str) -> Path:
    digest = hashlib.sha256(handed_in(home, unit).read_bytes()).hexdigest()
    return home.settings.archive / digest[:2] / digest


def night(home: Home) -> list[str]:
    """A night; gives what it says of the archive."""
    with Run.open(home.settings) as run:
        steps.pull_inbox(run)
        steps.unread(run)
        told = list(english(run.damaged))
    home.night()
    return told


def doctor(home: Home, whole: bool = True) -> list[Line]:
    return [line for line in diagnose(home.root, lambda _: (), whole) if line.check == "archive"]


def rebuild(home: Home) -> None:
    home.settings.warehouse.unlink()


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_damaged_original_comes_back_from_the_inbox(spoilt: Home, harm: str) -> None:
    """Whatever part of the archive is the night's: all of it is read when all is read again."""
    spoil(original(spoilt, UNITS[0]), harm)
    assert [line.state for line in doctor(spoilt)] == ["fail"]
    rebuild(spoilt)
    assert night(spoilt) == []
    assert original(spoilt, UNITS[0]).read_bytes() == handed_in(spoilt, UNITS[0]).read_bytes()
    assert [line.state for line in doctor(spoilt)] == ["ok"]


def test_a_part_is_looked_through_and_healed_each_night(
    spoilt: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(original(spoilt, UNITS[0]), "changed")
    healed = []
    for number in range(PARTS):
        monkeypatch.setattr(steps, "_today", lambda number=number: date(2021, 1, 1 + number))
        with Run.open(spoilt.settings) as run:
            steps.pull_inbox(run)
        healed.append(
            Archive(spoilt.settings.archive).damage([original(spoilt, UNITS[0]).name]) == {}
        )
    assert healed[-1]
    assert not all(healed)


@pytest.mark.parametrize("looks", [True, False], ids=["all", "sample"])
def test_what_a_doctor_found_damaged_is_healed_by_the_very_next_night(
    spoilt: Home, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    not_its_turn(monkeypatch, original(spoilt, UNITS[0]).name)
    spoil(original(spoilt, UNITS[0]), "changed")
    pull_in(spoilt)
    assert Archive(spoilt.settings.archive).damage([original(spoilt, UNITS[0]).name])
    (line,) = doctor(spoilt, whole=looks)
    assert line.do.endswith("is taken again by the next night.")
    assert pull_in(spoilt) == []
    assert [line.state for line in doctor(spoilt)] == ["ok"]
    assert Archive(spoilt.settings.archive).noted() == set()


def test_what_cannot_be_healed_is_told_by_every_night_until_it_is_whole(
    city: Home, spoilt: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = original(spoilt, UNITS[0])
    not_its_turn(monkeypatch, lost.name)
    handed_in(spoilt, UNITS[0]).unlink()
    spoil(lost, "changed")
    assert pull_in(spoilt) == []
    doctor(spoilt)
    for _ in range(2):
        assert [str(lost) in told for told in pull_in(spoilt)] == [True]
    shutil.copyfile(original(city, UNITS[0]), lost)
    for _ in range(2):
        assert pull_in(spoilt) == []
        assert Archive(spoilt.settings.archive).noted() == set()


def test_a_note_that_names_no_original_or_cannot_be_made_harms_nothing(
    spoilt: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = spoilt.settings.archive
    for name in ("../../etc/passwd".replace("/", "-"), "", "A" * 64, "b" * 64):
        (archive / f".damaged-{name}").touch()
    assert pull_in(spoilt) == []
    assert Archive(archive).noted() == set()

    def refuse(self: Path) -> None:
        raise OSError(30, "Read-only file system", str(self))

    spoil(original(spoilt, UNITS[0]), "changed")
    monkeypatch.setattr(Path, "touch", refuse)
    (line,) = doctor(spoilt)
    assert (line.state, line.do.endswith("by the night that comes upon it.")) == ("fail", True)


def not_its_turn(monkeypatch: pytest.MonkeyPatch, sha256: str) -> None:
    """The coming nights look through another part of the archive than that of this original."""
    days = (date(2021, 1, number) for number in (1, 2))
    night = next(day for day in days if sha256 not in part_of([sha256], day))
    monkeypatch.setattr(steps, "_today", lambda: night)


def pull_in(home: Home) -> list[str]:
    """The first step of a night; gives what is told of the archive."""
    with Run.open(home.settings) as run:
        steps.pull_inbox(run)
        return list(english(run.damaged))


@pytest.mark.parametrize("harm", ["changed", "folder"])
def test_an_original_that_is_lost_is_told_and_a_rebuild_goes_on(
    city: Home, spoilt: Home, harm: str
) -> None:
    lost = original(spoilt, UNITS[0])
    spoil(lost, harm)
    handed_in(spoilt, UNITS[0]).unlink()
    rebuild(spoilt)
    told = night(spoilt)
    assert len(told) == 1
    assert str(lost) in told[0]
    assert f"handed in as {UNITS[0]}/" in told[0]
    assert [spoilt.value(RATE, unit, 2020)[1] for unit in UNITS] == [None, 2, 3, 4]
    # Nor does it keep the next nights at work.
    with Run.open(spoilt.settings) as run:
        steps.pull_inbox(run)
        assert steps.unread(run) == []
        assert not steps.must_publish(run)
    # From the backup, or handed in again, it counts.
    shutil.rmtree(lost, ignore_errors=True)
    shutil.copyfile(original(city, UNITS[0]), lost)
    assert night(spoilt) == []
    assert spoilt.rows() == city.rows()


def test_a_lost_original_costs_nothing_that_was_read_before(
    city: Home, spoilt: Home, by_hand: type[ByHand]
) -> None:
    lost = original(spoilt, UNITS[0])
    spoil(lost, "changed")
    with Run.open(spoilt.settings) as run:
        run.engine = cast(Engine, by_hand(run.plan, run.catalogue))
        loaded = steps.reload_deliveries(run, Scope((2020,)), lambda: None)
        spoilt.finish(run)
        assert loaded.deliveries == len(UNITS) - 1
        assert [str(lost) in told for told in english(run.damaged)] == [True]
    assert spoilt.rows() == city.rows()


def test_an_original_damaged_between_pulling_and_reading_is_told_and_the_rest_is_loaded(
    home: Home,
) -> None:
    for number, unit in enumerate(UNITS, start=1):
        home.sheet(unit, "population", 2020, [{"age": 3, "population": number}])
    with Run.open(home.settings) as run:
        steps.pull_inbox(run)
        spoil(original(home, UNITS[0]), "changed")
        loaded = steps.load_deliveries(run, steps.unread(run), lambda: None)
        assert (loaded.deliveries, loaded.accepted) == (3, 3)
        assert [str(original(home, UNITS[0])) in told for told in english(run.damaged)] == [True]
    assert night(home) == []
    assert [home.value(RATE, unit, 2020)[1] for unit in UNITS] == [1, 2, 3, 4]


def test_a_return_sheet_without_its_original_is_the_list_alone(home: Home) -> None:
    home.book(UNITS[0], {2020: {"population": [{"age": 3, "population": "三"}]}})
    home.night()
    (sheet,) = home.settings.outbox.rglob("*.xlsx")
    whole = sheet.stat().st_size
    sheet.unlink()
    (file,) = (p for p in home.settings.archive.rglob("*") if len(p.name) == 64)
    spoil(file, "changed")
    with Run.open(home.settings) as run:
        assert steps.send_returns(run) == [sheet]
    assert 0 < sheet.stat().st_size < whole


def rounds(home: Home) -> list[Path]:
    """All rounds; the first is the one that speaks of the first unit's file for 2020."""
    name = original(home, UNITS[0]).name.encode()
    files = sorted((home.settings.archive / "receipts").iterdir())
    return sorted(files, key=lambda file: name not in file.read_bytes())


def held(home: Home) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in (home.settings.archive / "receipts").iterdir()}


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_lost_round_is_signed_again_by_what_the_warehouse_knows(spoilt: Home, harm: str) -> None:
    """To the letter, so that nothing is left to tell of."""
    before = held(spoilt)
    first = rounds(spoilt)[0]
    shutil.rmtree(spoilt.settings.inbox)
    spoil(first, harm)
    assert night(spoilt) == []
    assert held(spoilt) == before


def test_without_a_warehouse_a_lost_round_comes_back_from_the_inbox(
    city: Home, spoilt: Home
) -> None:
    spoil(rounds(spoilt)[0], "changed")
    rebuild(spoilt)
    assert night(spoilt) == []
    assert spoilt.rows() == city.rows()


def test_a_round_that_nobody_can_make_up_for_is_told_and_the_rest_is_rebuilt(spoilt: Home) -> None:
    changed = rounds(spoilt)[0]
    spoil(changed, "changed")
    shutil.rmtree(spoilt.settings.inbox)
    rebuild(spoilt)
    told = night(spoilt)
    assert [str(changed) in sentence for sentence in told] == [True]
    values = [spoilt.value(RATE, unit, 2020)[1] for unit in UNITS]
    assert values.count(None) == 1
    found = doctor(spoilt)
    assert [line.state for line in found] == ["fail", "warn"]
    assert "1 originals have no receipt" in found[1].found


def test_a_forged_round_is_told_and_opens_nothing(spoilt: Home) -> None:
    file = forge(Archive(spoilt.settings.archive), entry(sha256="../../../../etc/passwd"))
    told = night(spoilt)
    assert [f"{file}, line 1, is no receipt" in sentence for sentence in told] == [True]
    assert [line.state for line in doctor(spoilt, whole=False)] == ["fail"]


def test_doctor_names_every_damage(spoilt: Home) -> None:
    harmed = [original(spoilt, unit) for unit in UNITS[:3]]
    for file, harm in zip(harmed, ("changed", "cut", "missing"), strict=True):
        spoil(file, harm)
    found = doctor(spoilt)
    assert {line.state for line in found} == {"fail"}
    for file in harmed:
        assert [str(file) in line.found for line in found].count(True) == 1
    assert all("backup" in line.do for line in found)
