"""Files of every format, damaged at random with fixed seeds: each is read or refused, within a budget.

They go the way of the nightly run, so that a file which ends its reader, or takes it too long or too
much memory, shows as one that was given up; a failure names the format and the seed.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from tests.transforms.conftest import MakePaper, Writers
from transforms.formats import Limits, Unreadable
from transforms.submissions import examine
from warehouse.archive import Archive, Receipt
from warehouse.ledger.ingest import read_deliveries
from warehouse.reference import load_reference
from warehouse.workers.pool import ForkServer, Workers

FILES = 40
#: What one small damaged file may cost.
BUDGET = Limits(
    seconds=5, memory_bytes=512 * 2**20, unpacked_bytes=8 * 2**20, cells=200_000, elements=500_000
)
#: What means something to one reader or another.
_MEANT = (
    b"<", b">", b"&", b'"', b"=", b"/", b"\0", b"\xff", b"]]>", b"<!DOCTYPE a>", b"<![CDATA[",
    b"r=\"ZZZ9999999\"", b"repeated=\"99999999\"", b"Index=\"99999999\"", b"colspan=9999999",
    b"\xff\xff\xff\xff", b"9" * 400, b"1e999", b"\xed\xa0\x80", b"PK\3\4", b"&#0;", b"\n", b",",
)  # fmt: skip


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few places changed, taken out, put in, repeated or cut off."""
    content = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(content) + 1)
        length = chance.choice((1, 1, 2, 4, 16, 300))
        match chance.randrange(6):
            case 0:
                content[at : at + length] = chance.randbytes(length)
            case 1:
                del content[at : at + length]
            case 2:
                content[at:at] = chance.choice(_MEANT) * chance.choice((1, 1, 1, 50, 2000))
            case 3:
                content[at:at] = content[at : at + length] * chance.choice((1, 3, 200))
            case 4:
                content[at : at + 4] = chance.choice(_MEANT)
            case _ if chance.random() < 0.2:
                del content[at:]
    return bytes(content)


def damaged_inside(data: bytes, chance: random.Random) -> bytes:
    """A container whose zip is sound, with a damaged part or two."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        names = source.namelist()
        chosen = chance.sample(names, min(len(names), chance.randint(1, 2)))
        for name in names:
            part = source.read(name)
            part = damaged(part, chance) if name in chosen else part
            target.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@pytest.fixture(scope="module")
def sound(paper: MakePaper, written: Writers) -> dict[str, bytes]:
    """A small file of each format."""
    papers = [paper("class", 5), paper("milestone", 3)]
    files = {ending: write(papers) for ending, write in written.items()}
    files["csv"] = papers[0].csv()
    files["tsv"] = papers[0].csv("utf-16", "\t")
    files["et"] = files["xls"]
    files["xlsm"] = files["xlsx"]
    return files


@pytest.mark.parametrize(
    "kind",
    ["xlsx", "xlsm", "xls", "et", "ods", "csv", "tsv", "html", "spreadsheetml", "zip"],
)
def test_damaged_files_are_read_or_refused_within_their_budget(
    kind: str, sound: Mapping[str, bytes], tmp_path: Path, one_fork_server: ForkServer
) -> None:
    archive = Archive(tmp_path / "archive")
    receipts = []
    for seed in range(FILES):
        chance = random.Random(f"{kind} {seed}")
        inside = sound[kind].startswith(b"PK") and seed % 4 != 0
        content = (damaged_inside if inside else damaged)(sound[kind], chance)
        ending = {"html": "xls", "spreadsheetml": "xls"}.get(kind, kind)
        path = f"210727/2020年/{kind} {seed}.{ending}"
        receipts.append(Receipt(datetime(2020, 9, 15), path, archive.keep(content)))
    with Workers(one_fork_server, 2) as workers:
        found = list(read_deliveries(archive, load_reference(tmp_path), receipts, BUDGET, workers))
    costly = [
        (receipt.path, document.content.en)
        for receipt, documents in zip(receipts, found, strict=True)
        for document in documents
        if isinstance(document.content, Unreadable) and document.content.code == "too_costly"
    ]
    assert costly == []
    assert all(found)
    examined = examine([document for documents in found for document in documents])
    known = set(examined.submissions["document"])
    # Some are still read, and most have something said about them.
    assert known and examined.findings.height
    assert examined.submissions["accepted"].sum() or kind not in ("csv", "tsv")
