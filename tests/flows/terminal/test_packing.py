"""`jzedu report --zip`: one file that holds the report whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

from click.testing import CliRunner

from flows.terminal.cli import cli


def published(home: Path) -> Path:
    folder = home / "published"
    for name in ("report/index.html", "report/clause-2.9.html", "brief/brief-2022.zh.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} 锦州市", "utf-8")
    (folder / "report" / ".index.html.part").write_text("half", "utf-8")
    (folder / "indicators.duckdb").write_bytes(b"not to be sent")
    return folder


def test_the_report_and_the_brief_are_in_one_file(tmp_path: Path) -> None:
    folder, target = published(tmp_path), tmp_path / "report.zip"
    told = CliRunner().invoke(cli, ["report", "--home", str(tmp_path), "--zip", str(target)])
    assert told.exit_code == 0, told.output
    assert told.output.strip() == str(target)
    with zipfile.ZipFile(target) as packed:
        assert packed.namelist() == [
            "brief/brief-2022.zh.html",
            "report/clause-2.9.html",
            "report/index.html",
        ]
        assert packed.read("report/index.html") == (folder / "report/index.html").read_bytes()
    first = target.read_bytes()
    CliRunner().invoke(cli, ["report", "--home", str(tmp_path), "--zip", str(target)])
    assert target.read_bytes() == first, "the same report is the same file"


def test_nothing_is_packed_into_the_publication(tmp_path: Path) -> None:
    folder = published(tmp_path)
    inside = folder / "report" / "all.zip"
    told = CliRunner().invoke(cli, ["report", "--home", str(tmp_path), "--zip", str(inside)])
    assert told.exit_code == 2
    assert not inside.exists()
