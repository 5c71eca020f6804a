"""What is read in sets, or in one go, is what would have been read element by element."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.formats import Limits, Sheet, Unreadable, plain
from transforms.formats import cells as cells_module
from transforms.formats.cells import CellBudget, Grid, column_letters
from transforms.formats.plain import read_plain
from transforms.formats.small import read_small
from transforms.formats.styles import Styles
from transforms.formats.worksheet import Book, read_sheet

Reader = Callable[[bytes, tuple[int, int], Grid, Book, Limits], bool]
READERS: tuple[Reader, ...] = (read_plain, read_small)
LIMITS = Limits()
#: Style 1 shows a date, style 2 ten thousands; the others show what is stored.
BOOK = Book(
    strings=("学校", "义县第一小学", " ", "", "x" * 40),
    styles=Styles.of({200: "0!.0,"}, [0, 14, 200, 0]),
)
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

numbers = st.one_of(
    st.integers(-(10**17), 10**17).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["007", "-0", "0.50", "1E3", "", " 7", "1,003", "NaN", "44105", "9" * 16]),
)
styles = st.sampled_from(["", ' s="0"', ' s="1"', ' s="2"', ' s="12345"', ' s="x"'])
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8).map(escape)
contents = st.one_of(
    st.tuples(st.sampled_from(["", ' t="n"']), numbers.map("<v>{}</v>".format)),
    st.tuples(st.just(' t="s"'), st.integers(0, 6).map("<v>{}</v>".format)),
    st.tuples(st.sampled_from([' t="str"', ' t="e"']), texts.map("<v>{}</v>".format)),
    st.tuples(st.just(' t="b"'), st.sampled_from(["<v>1</v>", "<v>0</v>"])),
    st.tuples(st.just(' t="d"'), st.just("<v>2020-09-01T00:00:00</v>")),
    st.tuples(st.just(' t="inlineStr"'), texts.map("<is><t>{}</t></is>".format)),
    st.tuples(st.just(""), numbers.map("<f>SUM(A1:A2)</f><v>{}</v>".format)),
    st.tuples(
        st.just(""), st.sampled_from(["<f>A1</f>", "<f>A1</f><v/>", "<v/>", "", " ", "<!---->"])
    ),
)
#: Where a cell is, what it is, and what is odd about how it is written.
written = st.tuples(st.integers(0, 30), st.integers(0, 60), styles, contents)
odd = st.sampled_from(["", "", "", "", "'", "prefix", "unplaced", "twice", "spaced", "text"])


def sheet_of(cells: list[tuple[int, int, str, tuple[str, str]]], odd: str = "") -> bytes:
    """Return the part of a sheet with these cells, in order, and one oddity."""
    rows: dict[int, dict[int, str]] = {}
    for row, column, style, (kind, content) in cells:
        place = f"{column_letters(column)}{row + 1}"
        cell = (
            f'<c r="{place}"{style}{kind}>{content}</c>' if content else f'<c r="{place}"{style}/>'
        )
        rows.setdefault(row, {})[column] = cell
    lines = [
        f'<row r="{row + 1}" spans="1:9">' + "".join(by[column] for column in sorted(by)) + "</row>"
        for row, by in sorted(rows.items())
    ]
    data = "".join(lines)
    match odd:
        case "'":
            data = re.sub('<c r="([A-Z0-9]+)"', r"<c r='\1'", data, count=1)
        case "prefix":
            data = re.sub("(</?)(c|v|row|f|is|t)(?=[ />])", r"\1x:\2", data)
        case "unplaced":
            data = re.sub(' r="[A-Z]+[0-9]+"', "", data, count=1)
        case "twice":
            data += data
        case "spaced":
            data = data.replace("<c ", "\n  <c ").replace("</row>", "\n</row>\n")
        case "text":
            data = data.replace("</row>", "words</row>", 1)
    return (
        f'<worksheet xmlns="{NAMESPACE}" xmlns:x="{NAMESPACE}"><sheetData>{data}</sheetData></worksheet>'
    ).encode()


def read_by(reader: Reader, xml: bytes) -> Sheet | None:
    grid = Grid("a", CellBudget(LIMITS))
    place = xml.index(b"<sheetData"), xml.index(b"</sheetData>")
    return grid.sheet() if reader(xml, place, grid, BOOK, LIMITS) else None


def in_sets(xml: bytes) -> Sheet | None:
    return read_by(read_plain, xml)


def by_elements(xml: bytes) -> Sheet:
    return read_sheet(xml, "a", False, BOOK, CellBudget(LIMITS), LIMITS)


@pytest.mark.parametrize("reader", READERS)
@settings(deadline=None, max_examples=150)
@given(cells=st.lists(written, max_size=40), odd=odd)
@example(cells=[(0, 0, "", (' t="s"', "<v>2</v>")), (4, 2, "", ("", "<v>1</v>"))], odd="")
@example(cells=[(0, 0, "", ("", "<f>A1</f>"))], odd="spaced")
@example(cells=[(0, 0, "", (' t="s"', "<v></v>")), (0, 1, "", (' t="b"', "<v></v>"))], odd="")
def test_both_ways_read_the_same(reader, cells, odd):
    xml = sheet_of(cells, odd)
    read = read_by(reader, xml)
    if read is not None:
        other = by_elements(xml)
        assert read.cells.equals(other.cells)
        assert sorted(read.scaled) == sorted(other.scaled)


@pytest.mark.parametrize("reader", READERS)
@settings(deadline=None, max_examples=40)
@given(cells=st.lists(written, min_size=1, max_size=40))
def test_what_programs_write_is_read_without_going_by_elements(reader, cells):
    plainly = [cell for cell in cells if "<!" not in cell[3][1] and cell[2] != ' s="x"']
    assert read_by(reader, sheet_of(plainly)) is not None
    assert read_by(reader, sheet_of(plainly, "spaced")) is not None


@settings(deadline=None, max_examples=60)
@given(cells=st.lists(written, max_size=40))
def test_sheets_that_grow_beyond_a_few_cells_read_the_same(cells):
    xml = sheet_of(cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells_module, "_FEW", 0)
        in_one_go = read_by(read_small, xml)
    once = read_by(read_small, xml)
    assert (once is None) == (in_one_go is None)
    if once is not None and in_one_go is not None:
        assert once.cells.equals(in_one_go.cells)


@pytest.mark.parametrize("stretch", [1, 200])
@settings(deadline=None, max_examples=30)
@given(cells=st.lists(written, max_size=40))
def test_it_does_not_matter_how_much_is_looked_at_together(stretch, cells):
    xml = sheet_of(cells)
    whole = in_sets(xml)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_STRETCH", stretch)
        parts = in_sets(xml)
    assert (whole is None) == (parts is None)
    if whole is not None and parts is not None:
        assert whole.cells.equals(parts.cells)


@pytest.mark.parametrize(
    "data",
    [
        '<row r="1"><c r="A1"><v>1</v></c>',  # a row without end
        '<row r="1"><c r="A1"><v>1</v></c></row></row>',
        '<row r="1"><c r="A1"><v>1</c></v></row>',
        '<row r="1"><c r="A1"><v>1<c r="B1"><v>2</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</row>',
        '<row r="1"><c r="A1"><y:v>1</y:v></c></row>',  # a prefix that nothing is named by
        '<row r="1"><c r="A1"><v>&nothing;</v></c></row>',
    ],
)
def test_what_is_no_whole_xml_is_left_to_the_other_reader_which_refuses_it(data):
    xml = f'<worksheet xmlns="{NAMESPACE}"><sheetData>{data}</sheetData></worksheet>'.encode()
    assert [read_by(reader, xml) for reader in READERS] == [None, None]
    with pytest.raises(Unreadable):
        by_elements(xml)
