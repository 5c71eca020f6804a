"""Telling the rows of data below a header from totals, notes, repeated titles and blanks.

A row is data unless it clearly is not: what a clerk writes beside a row of figures never makes it a
note or a total.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from transforms.characters import in_one_form
from transforms.forms import Form, Kind
from transforms.tables.model import APART, Table

_WORDS = "合计|小计|总计|共计"
#: What may follow the word: 合计(6个班), 合计6所, 合计：.
_SUM = rf"(?:[(（][^{APART}]*[)）]|[:：]?[0-9０-９,，.]+(?:人|所|个|班|名|项|件|万?元)?)?[:：]?"
#: A label that is nothing but the word, and one with something in front of it: 小学合计(6个班).
_BARE_TOTAL = rf"^(?:{_WORDS}){_SUM}$"
_TOTAL = rf"^.{{0,20}}(?:{_WORDS}){_SUM}$"
_BARE_BESIDE = rf"(?:^|{APART})(?:{_WORDS}){_SUM}(?:$|{APART})"
_TOTAL_BESIDE = rf"(?:^|{APART})[^{APART}]{{0,20}}(?:{_WORDS}){_SUM}(?:$|{APART})"
#: Signatures and notes: the word alone, or with a colon behind it; 审核评估机制改革 is neither.
_LABEL = (
    r"(?:填表人?|填报人?|制表人?|审核人?|复核人?|经办人?|签发人?|批准人?|核准人?|负责人|单位负责人|统计负责人"
    r"|(?:主管|分管)(?:领导|局长|校长)|领导|局长|校长|园长|主任|联系人|联系方式|联系电话|电话|手机|传真|邮箱"
    r"|(?:填报|填表|制表|报出|报送|上报|审核)?(?:日期|时间|单位)|审核意见|注|注释|备注|说明|填表说明)"
    r"(?:签字|签名|签章|盖章)?[0-9]*(?:[:：(（].*)?$"
)
#: What else stands below a table and never in a row of one: a mark, a seal, the number of a page.
_FOOT = r"※|\*|.{0,8}[(（]?(?:盖章|公章|签章|签字)|第[0-9]+页|共[0-9]+[行条页张所]|[(（]?以下空白"
_NOTE = rf"(?:^|{APART})(?:{_LABEL}|{_FOOT})"
#: Any label, where no words belong: 财务股：.
_ANY_LABEL = r"^[\p{Han}A-Za-z、/()（）]{2,16}[:：]"
#: A row that heads those below it: 一、小学, （二）初中.
_HEADING = r"^(?:[(（][一二三四五六七八九十]{1,3}[)）]|[一二三四五六七八九十]{1,3}[、.．])"
_NUMBER_IN_WORDS = r"^[约近]?[零〇一二两三四五六七八九十百千万]+\p{Han}{0,2}$"
_FIGURE = r"^['’]?[0-9０-９][0-9０-９.,，]*\s*[人所元%％]?$"
_LONE_DATE = r"^[0-9]{4}[-年/.][0-9]{1,2}[-月/.][0-9]{1,2}日?(?:00:00:00)?$"
_NOTHING_GIVEN = r"^[-‐-―－/／]*$"


def sort_rows(form: Form, tables: Sequence[Table]) -> pl.DataFrame:
    """Return all bodies as one frame, with ``table`` (index) and ``fate``: data, total, note, title or blank."""
    blank = pl.DataFrame(schema={name: pl.String() for name in form.schema})
    rows = pl.concat(
        [blank]
        + [
            table.body.hstack([pl.Series("table", [i]).new_from_index(0, table.body.height)])
            for i, table in enumerate(tables)
        ],
        how="diagonal",
    ).with_columns(pl.when(~pl.col("year_text").str.contains(_NOTHING_GIVEN)).then("year_text"))
    # Nearly every row has its code and all that must be given, and is data beyond doubt: the many
    # patterns of the others are not even compiled where there are none.
    code = pl.col("institution_code") if "institution_code" in form.by_name else pl.lit("")
    in_doubt = rows.select(
        in_doubt=pl.col("repeated")
        | ~code.str.contains("^[0-9]{10}$").fill_null(False)
        | pl.any_horizontal(pl.col(c.name).is_null() for c in form.required)
    )["in_doubt"]
    fate = pl.Series("fate", ["data"]).new_from_index(0, rows.height)
    lone = pl.Series("lone_text", [False]).new_from_index(0, rows.height)
    if not in_doubt.any():
        return rows.with_columns(fate)
    places, looked_at = in_doubt.arg_true(), _fates(form, rows.filter(in_doubt))
    rows = rows.with_columns(
        fate.scatter(places, looked_at["fate"]), lone.scatter(places, looked_at["lone_text"])
    )
    return _in_context(form, rows).drop("lone_text")


class _Cells:
    """The cells of some rows, column below column: a pattern is compiled once, and not for each of them.

    To compile one takes longer than to hold it against some hundred cells, and rows in doubt are few.
    """

    def __init__(self, rows: pl.DataFrame, columns: Sequence[str]) -> None:
        """Take the cells of ``columns``, without what is blank in them and with every character in its one form."""
        cells = pl.concat([rows[column] for column in columns]).alias("cell").to_frame()
        bare = in_one_form(pl.col("cell")).str.replace_all(r"[\s\u3000]", "")
        self._cells = cells.select(bare)["cell"]
        self._places = {column: i * rows.height for i, column in enumerate(columns)}
        self._height = rows.height
        self._found: dict[str, pl.Series] = {}

    @property
    def words(self) -> dict[str, pl.Expr]:
        """What stands in each column, in their order."""
        return {column: self._of(column, self._cells) for column in self._places}

    def match(self, column: str, pattern: str) -> pl.Expr:
        """Return whether ``pattern`` is found in the cells of ``column``; NULL where a cell is empty."""
        if pattern not in self._found:
            self._found[pattern] = self._cells.str.contains(pattern)
        return self._of(column, self._found[pattern])

    def _of(self, column: str, cells: pl.Series) -> pl.Expr:
        return pl.lit(cells.slice(self._places[column], self._height))


def _fates(form: Form, rows: pl.DataFrame) -> pl.DataFrame:
    """Return what each row is by itself.

    ``fate``: data, total, note, title or blank; ``lone_text``: whether it says nothing but one text.
    """
    cells = _Cells(rows, list(form.schema))
    words = cells.words
    given = {
        name: word.is_not_null() & ~cells.match(name, _NOTHING_GIVEN)
        for name, word in words.items()
    }
    count = pl.sum_horizontal(given.values())
    has_code = (
        words["institution_code"]
        .str.contains(r"^\D{0,2}[0-9０-９]{10}(?:\.0+)?\D{0,2}$")
        .fill_null(False)
        if "institution_code" in words
        else pl.lit(False)
    )
    labels = {c.name for c in form.columns if c.kind in _LABELS}
    figures = {c.name for c in form.columns if c.kind in (Kind.INT, Kind.NUMBER)}
    texts = [given[column.name] for column in form.columns if column.kind is Kind.TEXT]
    first = pl.coalesce(words.values())
    return rows.select(
        fate=pl.when(pl.col("repeated"))
        .then(pl.lit("title"))
        .when(count == 0)
        .then(pl.when(pl.col("other").is_null()).then(pl.lit("blank")).otherwise(pl.lit("note")))
        .when(_is_total(form, cells, given, labels, has_code).fill_null(False))
        .then(pl.lit("total"))
        .when(~has_code & _is_note(form, cells, count, first, figures).fill_null(False))
        .then(pl.lit("note"))
        .otherwise(pl.lit("data")),
        lone_text=(count == 1) & pl.any_horizontal(texts or [pl.lit(False)]),
    )


def _in_context(form: Form, rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with what only the rows around one can say of its ``fate``.

    ``lone_text`` is true where a row says nothing but one text.
    """
    fate = pl.col("fate")
    if not form.key:
        # Where one row belongs, the row of the whole unit may call itself 合计; it is a total only
        # beside the rows it sums up.
        alone = ~(fate == "data").any().over("table")
        rows = rows.with_columns(
            pl.when(alone & (fate == "total")).then(pl.lit("data")).otherwise(fate).alias("fate")
        )
    # A text alone below a note goes on with it: 2. 数据截至9月1日。
    lone = pl.col("lone_text") & (fate == "data")
    before = pl.when(~lone & (fate != "blank")).then(fate).forward_fill().over("table")
    goes_on = lone & (before == "note").fill_null(False)
    return rows.with_columns(pl.when(goes_on).then(pl.lit("note")).otherwise(fate).alias("fate"))


#: Cells that hold words; a total names itself in one of them, or where its figure's key belongs.
_LABELS = (Kind.TEXT, Kind.CODE, Kind.CHOICE, Kind.GRADE)


def _is_total(
    form: Form,
    cells: _Cells,
    given: Mapping[str, pl.Expr],
    labels: Collection[str],
    has_code: pl.Expr,
) -> pl.Expr:
    """Return whether a row calls itself a total and says nothing else in words."""
    if form.totals_are_data:
        return pl.any_horizontal(cells.match(n, r"^(?:小计|总计|共计)$") for n in labels)
    places = [*labels, *(name for name in form.key if name not in labels)]
    wordy = [
        column.name
        for column in form.columns
        if column.kind not in (Kind.INT, Kind.NUMBER) or column.name in form.key
    ]
    # A figure among words is a count of them (5所寄宿), but where it is part of a key.
    keyed = [n for n in form.key if form.by_name[n].kind is not Kind.CODE]
    said = (
        pl.sum_horizontal(given[n] & (pl.lit(n in keyed) | ~cells.match(n, _FIGURE)) for n in wordy)
        if wordy
        else pl.lit(0)
    )
    named = pl.any_horizontal(
        [cells.match(n, _TOTAL).fill_null(False) for n in places] or [pl.lit(False)]
    )
    # The word by itself may stand in any cell: columns come in every order, and a total is labelled
    # in the first of them.
    are_bare = {n: cells.match(n, _BARE_TOTAL).fill_null(False) for n in given}
    bare = pl.any_horizontal(are_bare.values())
    missing = pl.any_horizontal(
        ~given[column.name] | (pl.lit(column.kind is not Kind.TEXT) & are_bare[column.name])
        for column in form.required
    )
    year = pl.col("year_text").str.replace_all(r"[\s\u3000]", "").str.contains(_BARE_TOTAL)
    beside = (
        pl.col("other")
        .str.replace_all(r"[ \t\u3000]", "")
        .str.contains(_TOTAL_BESIDE if wordy else _BARE_BESIDE)
    )
    return (
        (named & (said <= 1) & ~has_code)
        | (bare & missing)
        | ((year.fill_null(False) | beside.fill_null(False)) & (said == 0))
    )


def _is_note(
    form: Form,
    cells: _Cells,
    count: pl.Expr,
    first: pl.Expr,
    figures: Collection[str],
) -> pl.Expr:
    """Return whether a row is a signature, a note, or a remark alone where no such text belongs."""
    words = cells.words
    noted = [cells.match(n, _NOTE).fill_null(False) for n in words]
    beside = (
        pl.col("other").str.replace_all(r"[ \t\u3000]", "").str.contains(_NOTE).fill_null(False)
    )
    filled = {name: cells.match(name, _FIGURE).fill_null(False) for name in figures}
    chosen = pl.any_horizontal(
        [words[c.name].is_in(list(c.choices)).fill_null(False) for c in form.columns if c.choices]
        or [pl.lit(False)]
    )
    substance = chosen | pl.any_horizontal(
        [*filled.values()]
        + [
            cells.match(c.name, _LONE_DATE).fill_null(False)
            for c in form.columns
            if c.kind is Kind.DATE
        ]
    )
    # A signature may have a date or a telephone number beside it, not a row of figures.
    short = pl.sum_horizontal(
        figure & ~cells.match(name, rf"^[0-9]{{7,}}$|{_LONE_DATE}")
        for name, figure in filled.items()
    )
    full = chosen | (2 * short >= len(figures))
    wordless = [c for c in form.columns if c.kind not in (Kind.TEXT, Kind.BOOL)]
    out_of_place = [
        cells.match(c.name, r"\p{Han}{4,}")
        & ~cells.match(c.name, _NUMBER_IN_WORDS)
        & ~words[c.name].is_in(list(c.choices))
        for c in wordless
    ]
    out_of_place += [
        cells.match(c.name, _HEADING)
        for c in form.columns
        if c.kind is not Kind.TEXT or c.name not in form.key
    ]
    out_of_place += [
        cells.match(c.name, r"^\p{Han}+$") for c in form.columns if c.kind is Kind.CODE
    ]
    lone = (count == 1) & (
        pl.any_horizontal(out_of_place).fill_null(False) | first.str.contains(_LONE_DATE)
    )
    labelled = [cells.match(c.name, _ANY_LABEL).fill_null(False) for c in wordless]
    marked = pl.any_horizontal([*noted, *labelled, beside])
    return (first.str.contains(rf"^{_LABEL}") & ~full) | (~substance & marked) | lone
