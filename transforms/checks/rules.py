"""The errors and warnings that reading a submission can raise, whatever its form.

Every form has its own id for each of them (``KG-E03``, ``CLS-E03``), so that an id alone says
which form and which rule; what concerns a whole file carries ``FIL-``. Rules that belong to one
form stand in that form's record, from ``E10`` on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from transforms.forms import OfForms
from transforms.forms.model import Form, Rule, rule_id

_ANY_FORM = (
    Rule(
        number="E01",
        severity="error",
        zh="缺少必需的列“{column}”",
        en='the required column "{column}" is missing',
        remedy_zh="请在表头中补上这一列并填写数据(可用空白模板)。",
        remedy_en="Add the column with its header and fill it (see the blank template).",
        reason_zh="少了这一列, 指标无法计算。",
        reason_en="Without the column the indicators cannot be computed.",
        example="表头中没有必需的列",
    ),
    Rule(
        number="E02",
        severity="error",
        zh="“{column}”没有填写",
        en="{column} is not given",
        remedy_zh="请填写; 确实为零的填0, 空白不等于零。",
        remedy_en="Give the value; write 0 where it is zero, blank is not zero.",
        reason_zh="空白不能当作零, 否则数据会失真。",
        reason_en="A blank must not be taken for zero.",
        example="必填单元格空白, 或填“-”“—”“/”",
    ),
    Rule(
        number="E03",
        severity="error",
        zh="“{column}”的内容“{value}”无法识别, 应为{expected}",
        en='{column}: "{value}" cannot be read; expected {expected_en}',
        remedy_zh="请按要求的格式重新填写。",
        remedy_en="Write it again in the expected form.",
        reason_zh="不能识别的内容不作猜测。",
        reason_en="What cannot be read is never guessed.",
        example="45.5人, 25:10, 2.1E+09, #REF!",
    ),
    Rule(
        number="E04",
        severity="error",
        zh="“{column}”的内容“{value}”不在允许范围内, 应为{expected}",
        en='{column}: "{value}" is not allowed; expected {expected_en}',
        remedy_zh="请改为允许的内容。",
        remedy_en="Change it to one of the allowed values.",
        reason_zh="范围之外的内容无法归类。",
        reason_en="A value outside its domain cannot be classified.",
        example="学段 大学; 年龄 19; 人数 -3",
    ),
    Rule(
        number="E05",
        severity="error",
        zh="“{column}”重复: “{value}”出现在{other}",
        en='{column}: the same key "{value}" stands in {other}',
        remedy_zh="同一对象只能有一行, 请删去或更正重复的行。",
        remedy_en="Each may have one row only: delete or correct the others.",
        reason_zh="重复的行会被重复计算。",
        reason_en="A repeated row would be counted twice.",
        example="同一标识码出现两行",
    ),
    Rule(
        number="E06",
        severity="error",
        zh="本表只能填一行, 实际有{value}行({other})",
        en="the form takes one row only, but there are {value} ({other})",
        remedy_zh="请只保留本单位合计的一行。",
        remedy_en="Keep the one row for the whole unit.",
        reason_zh="多于一行时无法判断以哪一行为准。",
        reason_en="With several rows it is unknown which one holds.",
        example="工资收入情况表填了两行",
    ),
    Rule(
        number="E07",
        severity="error",
        zh="表头“{column}”出现了{value}次(单元格{other})",
        en='the header "{column}" stands {value} times (cells {other})',
        remedy_zh="请只保留一列, 或更正其中一列的表头。",
        remedy_en="Keep one of the columns, or correct the header of the other.",
        reason_zh="同一表头出现两次, 无法判断以哪一列为准。",
        reason_en="With the same header twice it is unknown which column holds.",
        example="两列都叫“班级人数”",
    ),
    Rule(
        number="E08",
        severity="error",
        zh="表中没有数据行",
        en="the table has no row of data",
        remedy_zh="请填写数据后重新报送; 没有数据的表请不要报送。",
        remedy_en="Fill in the rows and hand it in again; do not hand in empty forms.",
        reason_zh="空表不算报送。",
        reason_en="An empty form is not a report.",
        example="只有表头, 没有数据",
    ),
    Rule(
        number="E09",
        severity="error",
        zh="“{column}”的计量单位“{value}”无法换算, 应为{expected}",
        en='the unit "{value}" of {column} cannot be converted; expected {expected_en}',
        remedy_zh="请改用规定的计量单位。",
        remedy_en="Use the unit that the form asks for.",
        reason_zh="单位不明的金额不作猜测。",
        reason_en="An amount in an unclear unit is never guessed.",
        example="保教费(元/学期)",
    ),
    Rule(
        number="E30",
        severity="error",
        zh="“年份”列的内容“{value}”无法识别为年份",
        en='the year "{value}" in the column 年份 cannot be read',
        remedy_zh="请填写四位年份, 如2020。",
        remedy_en="Write the year with four digits, such as 2020.",
        reason_zh="不知道属于哪一年的行不能入库。",
        reason_en="A row whose year is unknown cannot be loaded.",
        example="年份列空白或填“去年”",
    ),
    Rule(
        number="E31",
        severity="error",
        zh="{value}列的内容大多不符合表头, 数据很可能整体错列(从“{column}”起)",
        en="{value} columns hold mostly what their headers do not ask for: the data seem to be"
        " shifted, from {column} on",
        remedy_zh="请对照表头检查数据是否左移或右移了一列。",
        remedy_en="Check against the header whether the data moved by a column.",
        reason_zh="错列的数据会被当成别的指标。",
        reason_en="Shifted data would count as other figures.",
        example="从第3列起所有数据右移一列",
    ),
    Rule(
        number="E32",
        severity="error",
        zh="“{column}”的数字“{value}”写在合并单元格中({other}), 无法分清各行是多少",
        en='{column}: the figure "{value}" stands in a merged cell ({other}), so that it is'
        " unknown how much belongs to which row",
        remedy_zh="请取消合并, 逐行填写。",
        remedy_en="Unmerge the cell and give each row its own figure.",
        reason_zh="合并的数字不能拆分, 也不能重复计算。",
        reason_en="A merged figure can neither be divided nor counted for every row.",
        example="三所学校的人数合并成一个单元格",
    ),
    Rule(
        number="W01",
        severity="warning",
        zh="有不认识的列, 已忽略: {value}",
        en="unknown columns were ignored: {value}",
        remedy_zh="如果是必需的列, 请按模板更正表头。",
        remedy_en="If one of them is needed, correct its header.",
        reason_zh="未使用的列应让填报人知道。",
        reason_en="Whoever filled in a column should know that it is not used.",
        accepted_zh="本单位自用的列, 不属于报表",
        accepted_en="a column of the unit's own use that no form has",
        example="多出“校车数”列",
    ),
    Rule(
        number="W02",
        severity="warning",
        zh="年份的来源互相矛盾: {other}; 以{value}为准",
        en="the sources of the year contradict each other: {other}; {value} was taken",
        remedy_zh="请核对年份, 并使标题、工作表名和文件名一致。",
        remedy_en="Check the year and make title, sheet and file name agree.",
        reason_zh="年份错了, 数据会记到别的年度。",
        reason_en="With the wrong year the figures land in another year.",
        accepted_zh="标题写学年, 文件名写填报年份",
        accepted_en="the title names the school year, the file name the year it was filled in",
        example="标题写2020年, 文件名写2021年",
    ),
    Rule(
        number="W03",
        severity="warning",
        zh="“{column}”的内容“{value}”小数过长, 已四舍五入到6位小数",
        en='{column}: "{value}" has more decimals than are kept; it was rounded to six',
        remedy_zh="请核对这个数。",
        remedy_en="Check the figure.",
        reason_zh="不声不响的舍入会让数对不上。",
        reason_en="Figures that are rounded unseen do not add up later.",
        accepted_zh="由公式计算得出的数",
        accepted_en="the figure comes out of a formula",
        example="1234.56789012",
    ),
    Rule(
        number="W04",
        severity="warning",
        zh="表中的填报单位“{other}”与文件所在文件夹“{value}”不一致; 以文件夹为准",
        en='the sheet was filled in by "{other}", but lies in the folder "{value}", which was taken',
        remedy_zh="请核对单位; 如果放错了文件夹, 请在正确的文件夹中重新报送。",
        remedy_en="Check the unit; if the file lies in the wrong folder, hand it in from the right one.",
        reason_zh="单位错了, 数据会记到别的县区。",
        reason_en="With the wrong unit the figures count for another county.",
        accepted_zh="单位已更名; 由上级或合署单位代填",
        accepted_en="the unit was renamed; another office filled it in for it",
        example="文件夹为古塔区, 表中填报单位为凌河区",
    ),
    Rule(
        number="W05",
        severity="warning",
        zh="“{column}”的数字格式“{other}”使显示的数是存储数的{value}倍, 已按{expected}读取",
        en='{column}: the number format "{other}" shows {value} times the figure that is stored;'
        " it was taken {expected_en}",
        remedy_zh="请核对数值和计量单位, 并把单元格格式改为“常规”。",
        remedy_en="Check the figures and their unit, and set the format of the cells to General.",
        reason_zh="看到的数和存储的数不同, 可能相差一万倍。",
        reason_en="What is seen and what is stored differ, perhaps by ten thousand times.",
        accepted_zh="已核对, 按存储的数读取无误",
        accepted_en="checked: it is right as it was taken",
        example="表头为万元, 单元格存储元、用格式 0!.0, 显示为万元",
    ),
    Rule(
        number="W06",
        severity="warning",
        zh="文件列有工作表“{value}”, 但其中没有它的内容",
        en='the file lists a sheet "{value}" and does not hold it',
        remedy_zh="请用 Excel 或 WPS 打开核对; 如果缺少报表, 请补上后重新报送。",
        remedy_en="Open it in Excel or WPS; if a form is missing, add it and hand it in again.",
        reason_zh="缺少的工作表里可能有数据。",
        reason_en="There may have been data in the sheet that is missing.",
        accepted_zh="缺少的工作表不是报表",
        accepted_en="the sheet that is missing is no form",
        example="工作簿被其他程序拆分后缺少一页",
    ),
    Rule(
        number="W07",
        severity="warning",
        zh="第{value}行的引号没有成对, 已把每一行单独读取",
        en="quotes are not closed in line {value}; each line was read by itself",
        remedy_zh="请核对这些行, 删去多余的引号。",
        remedy_en="Check these lines and delete the quote that is too many.",
        reason_zh="没有成对的引号会把下面的行吞掉。",
        reason_en="A quote that is left open swallows the rows below it.",
        accepted_zh="已逐行核对, 读取无误",
        accepted_en="checked line by line: nothing was lost",
        example='2121000001,"义县小学,小学,1,1班,40',
    ),
)
#: What concerns a whole file has this code in place of a form's.
FILE_CODE = "FIL"
#: Of files whose unit is not known, be it by a strange folder or by none.
_MOVE_ZH = "请把文件放到以单位代码或名称命名的文件夹中。"
_MOVE_EN = "Put the file into a folder named by the code or the name of its unit."
_NOBODYS_ZH = "不知道是哪个单位的数据不能入库。"
_NOBODYS_EN = "Data of an unknown unit cannot be loaded."
_FILE_RULES = (
    Rule(
        code=FILE_CODE,
        number="E01",
        severity="error",
        zh="文件无法读取: {expected}",
        en="the file cannot be read: {expected_en}",
        remedy_zh="请在电脑上确认文件能正常打开, 另存为.xlsx后重新报送。",
        remedy_en="Make sure that the file opens, save it as .xlsx and hand it in again.",
        reason_zh="打不开的文件无法读取。",
        reason_en="What cannot be opened cannot be read.",
        example="空文件、损坏或加密的文件",
    ),
    Rule(
        code=FILE_CODE,
        number="E02",
        severity="error",
        zh="找不到数据所属的年份",
        en="no year was found for the data",
        remedy_zh="请在标题中写明年份(如“2020年”), 或增加“年份”列, 或写在工作表名、文件名中。",
        remedy_en="Put the year into the title (such as 2020年), a column 年份, the sheet or file name.",
        reason_zh="没有年份的数据不能归入任何年度。",
        reason_en="Data without a year belong to no year.",
        example="标题、工作表名、文件名、文件夹都没有年份",
    ),
    Rule(
        code=FILE_CODE,
        number="E03",
        severity="error",
        zh="文件夹“{value}”不是已知的填报单位",
        en='the folder "{value}" is no known reporting unit',
        remedy_zh=_MOVE_ZH,
        remedy_en=_MOVE_EN,
        reason_zh=_NOBODYS_ZH,
        reason_en=_NOBODYS_EN,
        example="inbox/义县教育/…",
    ),
    Rule(
        code=FILE_CODE,
        number="E04",
        severity="error",
        zh="文件中没有找到任何一张规定的报表",
        en="none of the forms was found in the file",
        remedy_zh="请检查表头是否与模板一致(可用空白模板)。",
        remedy_en="Check the header against the blank template.",
        reason_zh="表头是识别报表的唯一依据。",
        reason_en="A form is known by its header row alone.",
        example="只有说明文字的工作簿",
    ),
    Rule(
        code=FILE_CODE,
        number="E05",
        severity="error",
        zh="工作表像是“{value}”, 但缺少这些列: {other}",
        en='the sheet looks like the form "{value}", but lacks the columns {other}',
        remedy_zh="如果是这张报表, 请补全表头; 如果不是, 请不要放在报送文件中。",
        remedy_en="If it is that form, complete the header; if not, leave the sheet out.",
        reason_zh="只有少数列相符时, 不能当作该报表读取。",
        reason_en="With a few of its columns only, a sheet is not read as the form.",
        example="只有学校标识码和学校名称两列",
    ),
    Rule(
        code=FILE_CODE,
        number="E06",
        severity="error",
        zh="文件不在任何填报单位的文件夹中",
        en="the file lies in no unit's folder",
        remedy_zh=_MOVE_ZH,
        remedy_en=_MOVE_EN,
        reason_zh=_NOBODYS_ZH,
        reason_en=_NOBODYS_EN,
        example="inbox/班级学生数表2020年.xlsx",
    ),
    Rule(
        code=FILE_CODE,
        number="E07",
        severity="error",
        zh="文件没有读完: {expected}",
        en="the file was not read to its end: {expected_en}",
        remedy_zh="请删去多余的内容, 用 Excel 或 WPS 另存为.xlsx后重新报送。",
        remedy_en="Remove what is not needed, save it as .xlsx with Excel or WPS and hand it in again.",
        reason_zh="一个文件不能耽误其他单位的数据。",
        reason_en="No file may hold up those of the other units.",
        example="小文件展开后占用大量内存, 或需要很长时间处理",
    ),
    Rule(
        code=FILE_CODE,
        number="E08",
        severity="error",
        zh="{other}审核后退回: {expected}",
        en="sent back by {other}: {expected_en}",
        remedy_zh="请按上述意见更正后重新报送; 有疑问请联系审核的部门。",
        remedy_en="Correct it accordingly and hand it in again; ask the office where it is unclear.",
        reason_zh="有些问题只有人能看出来。",
        reason_en="Some faults only a person can see.",
        example="教育局退回: 表中学校数与年初布局调整文件不符",
    ),
    Rule(
        code=FILE_CODE,
        number="W01",
        severity="warning",
        zh="文件的修改时间{value}晚于收到它的时间{other}, 电脑的日期或时间不对; 到{value}以前, 对这张报表的更正都不会生效",
        en="the file says that it was changed at {value}, after it was taken at {other}: a clock is wrong,"
        " and until {value} no correction of this form comes into force",
        remedy_zh="请校准电脑的日期和时间, 把同一个文件(内容不改, 不另存)复制后再报送一次, 时间即随之更正。",
        remedy_en="Set the clock right, and hand in a copy of the very same file once more (not saved anew):"
        " its time is right then.",
        reason_zh="同一张报表以最后收到的版本为准, 收到的时间就是文件的修改时间。",
        reason_en="Of several versions the one received last holds, and that goes by the file's time.",
        example="2020年9月收到的文件, 修改时间是2038年1月1日",
    ),
    Rule(
        code=FILE_CODE,
        number="W02",
        severity="warning",
        zh="这份报送没有生效: 此前收到的文件“{other}”的修改时间是{value}, 比这份晚, 仍以它为准",
        en='this version is not in force: an earlier one, "{other}", says that it was changed at {value},'
        " later than this one, and is",
        remedy_zh="请校准电脑的日期和时间, 把那个文件(内容不改, 不另存)复制后再报送一次; 它的时间更正后, 这份报送即生效。",
        remedy_en="Set the clock right, and hand in a copy of that very file once more: when its time is right,"
        " this version comes into force.",
        reason_zh="送来更正的单位应当知道更正没有生效, 以及怎样使它生效。",
        reason_en="Who sends a correction must hear that it does not count, and how to make it count.",
        example="更正于2020年10月报送, 原文件的修改时间是2038年1月1日",
    ),
    Rule(
        code=FILE_CODE,
        number="W03",
        severity="warning",
        zh="该年度的数据已定稿({value}), 这份报送已收存, 但没有生效",
        en="the figures of that year are final ({value}): this version is kept and is not in force",
        remedy_zh="如确需更正已定稿的数据, 请向上级教育局说明原因, 由其决定是否重开该年度。",
        remedy_en="If a final figure has to be corrected, tell the office why: it decides whether to open the"
        " year again.",
        reason_zh="已公布的定稿不能悄悄改变。",
        reason_en="What was declared final must not change unnoticed.",
        example="2022年数据定稿后报来2022年的更正",
    ),
    Rule(
        code=FILE_CODE,
        number="W04",
        severity="warning",
        zh="没有签署齐全: 应有填表人、审核人、负责人和日期",
        en="it is not signed off: it must name who filled it in, who checked it, who answers for it, and the day",
        remedy_zh="请补全签署后重新报送。",
        remedy_en="Complete the signatures and hand it in again.",
        reason_zh="上级要求报送的数据有人负责。",
        reason_en="The office asks that somebody answers for the figures.",
        example="表末有“填表人：”而没有姓名",
    ),
    Rule(
        code=FILE_CODE,
        number="W05",
        severity="warning",
        zh="这张报表自{value}起报送, 现在报的可能还不是定数",
        en="this form can be handed in from {value} on; what it says now may not be final",
        remedy_zh="请到那时核对, 有变化的重新报送; 没有变化的不必再报。",
        remedy_en="Check it on that day or later; hand it in again where something has changed.",
        reason_zh="报表是某一时点的数, 提前填的多是估计或上年的数。",
        reason_en="A form is of a certain day; what is filled in before is mostly estimated or last year's.",
        example="2021年班级学生数表在2021年8月20日报送, 9月1日才开始报送",
    ),
)


def _of_forms(forms: Mapping[str, Form]) -> Iterator[Rule]:
    """Yield the rules of every form: those of any form and its own, with its code."""
    for form in forms.values():
        own = (
            *(check.rule for check in form.row_checks),
            *(rule for check in form.total_checks for rule in (check.rule, check.absent)),
        )
        for rule in (*_ANY_FORM, *own):
            yield replace(rule, code=form.code)


def _by_id(rules: Iterable[Rule]) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for rule in rules:
        if found.setdefault(rule.id, rule) is not rule:
            raise ValueError(f"rule id {rule.id} is used twice")
    return found


#: Every rule of reading, with those of the forms in use, by its id.
RULES: Mapping[str, Rule] = OfForms(lambda forms: _by_id((*_FILE_RULES, *_of_forms(forms))))


def rule_of(form: Form, number: str) -> Rule:
    """Return the rule ``number`` (such as ``"E03"``) as it is called for ``form``.

    Raises:
        KeyError: there is no such rule.
    """
    return RULES[rule_id(form.code, number)]
