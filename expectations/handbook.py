"""The rule handbook: every check on a submission on one page, made from its definition.

``docs/rules.md`` is what :func:`rules_markdown` gives; a test fails when the page is not current.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from transforms.checks.rules import FILE_CODE, RULES
from transforms.forms import FORMS, Rule

_INTRODUCTION = """\
# 审核规则手册 / Rule handbook

本页由规则定义自动生成, 请勿手工修改; 修改定义后运行 `make docs`。
This page is made from the definitions of the rules; change those and run `make docs`.

- **错误 error**: 整份报送退回, 此前已接收的版本继续有效。
  The submission is returned whole; the version accepted before stays in force.
- **提示 warning**: 报送照常接收, 问题列入反馈表和报告。
  The submission is accepted; the finding is in the return sheet and the report.

规则编号 = 报表代码 + 序号, 永不改变含义, 也不重复使用。
The id of a rule is the code of its form and a number. It never changes its meaning and is never
used again.
"""

_EXPLAINING = """\
## 说明属实的提示 / Explaining a warning

看似有误、实际属实的提示, 由填报单位在反馈表“情况属实的, 写明原因”一栏写明原因, 把反馈表放回原来的文件夹。
教育局用 `jzedu reasons` 查看, 用 `--accept 编号` 采纳、`--refuse 编号` 不采纳; 采纳的写入
`JZEDU_HOME/explanations.yaml`, 提示随即标为已说明, 不采纳的写在下一份反馈表里。教育局也可以直接登记:
`who` 写单位或岗位, 不写个人姓名。超过 `until` 所写日期、数据发生变化, 或不再有对应的提示时, 说明失效, 运行时会列出。错误不能说明, 只能更正。

What looks wrong and is right can be explained: the unit writes the reason into its answer and puts it
back into its folder. The education office sees it with `jzedu reasons`, and accepts it with
`--accept NUMBER` or refuses it with `--refuse NUMBER`. What is accepted is a record of
`JZEDU_HOME/explanations.yaml`, and the warning is shown as explained; a refusal is told in the next
answer. The office may also write a record itself; `who` is an office or a role, never a person's
name. An explanation lapses after the day of `until`, when the figure changes, or
when there is no such warning any more; the run names those that have lapsed. An error cannot be
explained, only corrected.

```yaml
- unit: 210727
  form: class
  year: 2020
  rule: CLS-W14
  key: "2121000001 小学"
  figure: "540/550"
  reason: 一个班10月并入邻校, 两表填报时点不同
  who: 义县教育局计财科
  until: 2021-08-31
```
"""


def rules_markdown(warnings: Iterable[Rule]) -> str:
    """Return the page, as Markdown: the rules of reading and of the forms, then ``warnings``.

    Rules that are the same but for their form stand once, with all their ids.
    """
    alike = _alike(RULES.values())
    whole = [group for group in alike if group[0].code == FILE_CODE]
    any_form = [group for group in alike if len(group) == len(FORMS)]
    one_form = [group for group in alike if group not in whole and group not in any_form]
    return "\n".join(
        [
            _INTRODUCTION,
            _codes(),
            _section("整个文件 / The whole file", whole),
            _section("各表通用 / Any form", any_form),
            _section("单张报表 / One form", one_form),
            _section("跨表跨年 / Across forms and years", _alike(warnings)),
            _EXPLAINING,
        ]
    )


def _alike(rules: Iterable[Rule]) -> list[list[Rule]]:
    """Return the rules in groups that are equal but for the form in their ids."""
    groups: dict[Rule, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(replace(rule, code=""), []).append(rule)
    return list(groups.values())


def _codes() -> str:
    rows = [f"| `{form.code}` | {form.zh} | {form.en} |" for form in FORMS.values()]
    head = ["## 报表代码 / Codes of the forms", "", "| 代码 | 报表 | Form |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, ""])


def _section(heading: str, groups: Iterable[list[Rule]]) -> str:
    return "\n".join([f"## {heading}", "", *map(_entry, groups)])


def _entry(group: list[Rule]) -> str:
    """Return one rule: its ids, wording, what to do, reason, example and what usually explains it."""
    rule = group[0]
    severity = {"error": "错误 error", "warning": "提示 warning"}[rule.severity]
    wording = f"{rule.zh.format(**_FILLED_ZH)} / {rule.en.format(**_FILLED_EN)}"
    return "\n".join(
        [
            f"### {' '.join(rule.id for rule in group)}",
            "",
            f"- **{severity}**: {wording}",
            f"- **怎么办 What to do**: {rule.remedy_zh} / {rule.remedy_en}",
            f"- **原因 Reason**: {rule.reason_zh} / {rule.reason_en}",
            f"- **例 Example**: {rule.example}",
            *(
                [
                    f"- **通常可以说明的情况 Usually acceptable**: {rule.accepted_zh} / {rule.accepted_en}"
                ]
                if rule.accepted_zh
                else []
            ),
            "",
        ]
    )


#: What stands in for the parts of a message that differ from finding to finding.
_FILLED_ZH = {
    "form": "‹报表›",
    "column": "‹列›",
    "value": "‹内容›",
    "other": "‹对照›",
    "expected": "‹要求›",
    "key": "‹对象›",
    "cells": "‹n›",
    "columns": "‹各列›",
    "name": "‹机构›",
    "names": "‹各机构›",
}
_FILLED_EN = {
    "form": "‹form›",
    "column": "‹column›",
    "value": "‹value›",
    "other": "‹other›",
    "expected_en": "‹expected›",
    "key": "‹key›",
    "cells": "‹n›",
    "columns": "‹columns›",
    "name": "‹institution›",
    "names": "‹institutions›",
}
