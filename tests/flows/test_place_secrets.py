"""Secrets of the warehouse and the archive in a Prefect Secret block: whole, each place's own, and shown by nothing.

That a real block is read is seen to in ``sources/test_settings.py``.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from flows.blocks import BlockFailed
from flows.settings import load_settings
from flows.terminal.doctor import diagnose
from warehouse.lake import Lake, LakeFailed
from warehouse.ledger.transfer import OverStorage, transfer_to
from warehouse.storage import Bucket, Secrets, StorageFailed, environment_with

SETTINGS = """
[warehouse]
catalog = "ducklake:postgres:dbname=jzedu host=127.0.0.1 port=1"
data = "s3://jzedu/warehouse"
secret_block = "lake-{home}"

[archive]
place = "s3://jzedu/archive"
secret_block = "archive-{home}"
"""
BLOCKS: dict[str, object] = {
    "lake": {"access_key": "A", "secret_key": "hush-lake", "password": "hush-database"},
    "archive": {"access_key": "B", "secret_key": "hush-archive", "endpoint": "https://storage"},
}


class Asked(list[str]):
    """The blocks that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = dict(BLOCKS)

    def __call__(self, block: str, home: Path) -> Any:
        self.append(block)
        kind = block.partition("-")[0]
        if kind not in self.blocks:
            raise BlockFailed(f"{block} 读不出来", f"{block} cannot be read")
        return self.blocks[kind]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Blocks, without Prefect."""
    asked = Asked()
    monkeypatch.setattr("flows.places.value_from_elsewhere", asked)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of another place")
    return asked


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose places have blocks of their own, known to no other test."""
    (tmp_path / "settings.toml").write_text(SETTINGS.format(home=tmp_path.name))
    return tmp_path


def places(home: Path) -> tuple[Lake, Bucket]:
    settings = load_settings(home)
    lake, archive = settings.place, settings.archive
    assert isinstance(lake, Lake) and isinstance(archive, Bucket)
    return lake, archive


def test_each_place_has_the_secrets_of_its_block_which_is_read_once_and_when_needed(
    home: Path, asked: Asked
) -> None:
    lake, archive = places(home)
    assert asked == []
    there = environment_with(archive.secrets)
    assert (there["AWS_ACCESS_KEY_ID"], there["AWS_SECRET_ACCESS_KEY"]) == ("B", "hush-archive")
    assert there["AWS_ENDPOINT_URL"] == "https://storage"
    assert environment_with(lake.secrets)["AWS_SECRET_ACCESS_KEY"] == "hush-lake"
    assert lake.password() == "hush-database"
    again = load_settings(home)
    copy = again.model_copy(update={"home": home / "copy", "lake": None})
    for one in (again.archive, copy.archive):
        assert isinstance(one, Bucket) and one.secrets is archive.secrets
    assert asked == [f"archive-{home.name}", f"lake-{home.name}"]


def test_secrets_are_shown_by_nothing_and_go_to_no_other_machine(home: Path, asked: Asked) -> None:
    settings, (lake, archive) = load_settings(home), places(home)
    here = pickle.loads(pickle.dumps(archive))
    assert isinstance(here.secrets, Secrets) and here.secrets.values == archive.secrets.values  # type: ignore[union-attr]
    transfer = transfer_to(lake)
    assert isinstance(transfer, OverStorage)
    for shown in (
        repr(settings), str(settings.model_dump()), settings.model_dump_json(),
        repr(lake), str(lake), repr(archive), str(archive), repr(here), repr(transfer),
    ):  # fmt: skip
        assert "hush" not in shown
    assert b"hush" in pickle.dumps(archive) + pickle.dumps(transfer)
    assert b"hush" not in pickle.dumps(archive.without_secrets())
    assert b"hush" not in pickle.dumps(transfer.for_workers())
    assert lake.secrets is not None
    assert lake.secrets.scrub('at "password=hush-database"') == 'at "password=…"'


@pytest.mark.parametrize(
    ("held", "zh", "en"),
    [
        ({"access_key": "A"}, "中没有 secret_key", "secret_key is missing in"),
        ({"secret_key": "hush"}, "中没有 access_key", "access_key is missing in"),
        ({"access_key": "A", "secret_key": " "}, "secret_key 是空的", "secret_key in"),
        ({"access_key": "A", "secret_key": "hush", "endpoint": "s3:9000"}, "endpoint 不是", "is no address"),
        ({}, "是空的", "is empty"),
        ({"key": "hush"}, "须是一张表，可写：access_key", "must hold a table of some of: access_key"),
        ("hush", "须是一张表", "must hold a table"),
        (None, "读不出来", "cannot be read"),
    ],
)  # fmt: skip
def test_a_block_that_cannot_be_used_is_told_in_both_languages(
    home: Path, asked: Asked, held: object, zh: str, en: str
) -> None:
    asked.blocks["archive"] = held
    if held is None:
        del asked.blocks["archive"]
    with pytest.raises(StorageFailed) as told:
        environment_with(places(home)[1].secrets)
    assert zh in told.value.text.zh and en in told.value.text.en
    assert f"archive-{home.name}" in told.value.text.zh
    assert "hush" not in "".join(told.value.text)


def test_the_place_of_the_publication_has_a_block_too(home: Path, asked: Asked) -> None:
    asked.blocks["readers"] = {"access_key": "C", "secret_key": "hush-readers"}
    text = '[publication]\nplace = "s3://jzedu/published"\nsecret_block = "readers-{}"\n'
    (home / "settings.toml").write_text(text.format(home.name))
    place = load_settings(home).upload_place
    assert place is not None and asked == []
    access = place.access()
    assert (access.key, access.secret) == ("C", "hush-readers")
    assert "hush" not in repr(place) + repr(access)


def test_one_text_is_the_password_of_the_database(home: Path, asked: Asked) -> None:
    asked.blocks["lake"] = "hush-database"
    lake = places(home)[0]
    assert lake.password() == "hush-database"
    assert environment_with(lake.secrets)["AWS_ACCESS_KEY_ID"] == "of another place"


def test_commands_go_on_to_say_what_is_wrong_with_a_block(home: Path, asked: Asked) -> None:
    asked.blocks.clear()
    with pytest.raises(LakeFailed, match="cannot be read"):
        places(home)[0].connect(read_only=True)
    with pytest.raises(LakeFailed, match="cannot be read"):
        places(home)[0].claim()
    found = {line.check: line for line in diagnose(home, lambda _: ())}
    for name, block in (("warehouse", "lake"), ("archive", "archive")):
        assert found[name].state == "fail"
        assert found[name].found == f"{block}-{home.name} cannot be read"
