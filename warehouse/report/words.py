"""The words of the report's pages, in Chinese and English.

A page shows both wordings of a text, each in an element with its language; the style sheet shows one
of them. So the pages need no script to be read in Chinese, and the switch to English touches nothing
but the page's own `lang`. Words that others use too are in :mod:`warehouse.wording`.
"""

from __future__ import annotations

from transforms.texts import Text
from warehouse.wording import FORMS


def word(key: str, **parts: object) -> Text:
    """Return the fixed word of this key, its {parts} filled in (a Text part in each language).

    Raises KeyError for a key that is not in the dictionary, so that a slip fails the build.
    """
    text = WORDS[key]
    if not parts:
        return text
    zh = {k: v.zh if isinstance(v, Text) else v for k, v in parts.items()}
    en = {k: v.en if isinstance(v, Text) else v for k, v in parts.items()}
    return Text(text.zh.format(**zh), text.en.format(**en))


def form_word(form: str | None) -> Text:
    """Return the name of a form; a form the dictionary does not know stands for itself."""
    if form is None:
        return WORDS["form_unknown"]
    return FORMS.get(form, Text(form, form))


WORDS: dict[str, Text] = {
    "report_title": Text("{city}教育目标监测报告", "{city} · Education plan monitor"),
    "nav_city": Text("总览", "At a glance"),
    "nav_map": Text("地图", "Map"),
    "nav_matrix": Text("对照表", "Matrix"),
    "nav_reporting": Text("上报情况", "Reporting"),
    "nav_changes": Text("变动", "Changes"),
    "nav_dictionary": Text("数据字典", "Data dictionary"),
    "nav_public": Text("隐去了什么", "What is hidden"),
    "public_note": Text(
        "公开版：人数很少的数不列，以“—”代替；判定不变。见“隐去了什么”。",
        "Edition for the public: counts of few people are left out and shown as —; verdicts stand. "
        "See “What is hidden”.",
    ),
    "public_heading": Text("公开版隐去了什么，为什么", "What this edition hides, and why"),
    "public_lead": Text(
        "本报告是供公众阅读的版本。{fewest} 至 {most} 人的数会让人认出具体的人，因此不列出。"
        "判定照常公布：判定用的是全部数据。",
        "This edition is for the public. A count of {fewest} to {most} people could tell who they are, "
        "and is not shown. Verdicts stand: they are made from all the data.",
    ),
    "public_rules": Text("规则", "The rules"),
    "public_rule_few": Text(
        "隐去 {fewest} 至 {most} 人的分子和分母；分子是分母的一部分时，余下 {fewest} 至 {most} 人的也隐去。0 照列。",
        "Hidden are numerators and denominators of {fewest} to {most} people, and, where the numerator is a part of the "
        "denominator, those that leave {fewest} to {most}. 0 is shown.",
    ),
    "public_rule_more": Text(
        "凡能由合计、比率、另一个指标或判定推算出它们的数，也隐去：必要时先隐去另一个单位的数，再隐去分母，最后隐去合计。"
        "留下的数使每个隐去的数仍可能是 {fewest} 至 {most} 中的任何一个，只有判定本身说明的除外。",
        "What would give them away through a total, a rate, another indicator or a verdict is hidden too: another unit's "
        "count first, then denominators, then totals. What is left lets every hidden count be any number from {fewest} to "
        "{most}, but for what a verdict itself says.",
    ),
    "public_rule_derived": Text(
        "由隐去的数算出的率、差距、比上年的变化和展望也不列。各次发布之间的变化只列判定，不列人数指标的数。",
        "Rates, gaps, changes on the year before and outlooks made from hidden counts are not shown. Of changes between "
        "publications only verdicts are shown for indicators that count people, no figures.",
    ),
    "public_rule_names": Text(
        "一条条款背后的学校（园）在一个单位不多于 {most} 所，或涉及 {fewest} 至 {most} 人（件）的，不列校名；以人数计的条款背后一律不列；"
        "同一所学校在该单位该年的其他条款下也不列名。",
        "Where {most} or fewer institutions of a unit stand behind a clause, or one of them for {fewest} to {most} people or "
        "cases, they are not named, and never behind a clause that counts people; nor are they behind other clauses of that unit and year.",
    ),
    "public_rule_files": Text(
        "不列报送文件、发现的问题和审批意见。",
        "Files that were handed in, findings and decisions are left out.",
    ),
    "public_rule_stays": Text(
        "任何一个以前的公开版中隐去的，本版仍隐去：比较两版也推算不出。",
        "What any earlier edition hid stays hidden, so that it cannot be found by comparing two of them.",
    ),
    "public_what": Text("隐去的数", "What is hidden"),
    "public_listed": Text(
        "数据文件中的表 hidden_count 逐一列出；没有列在那里的空值是未报送。",
        "The table hidden_count of the data files lists them one by one; what is blank and not listed there "
        "was not reported.",
    ),
    "public_nothing": Text("没有需要隐去的数。", "Nothing had to be hidden."),
    "public_units": Text("单位数", "Units"),
    "public_above": Text("合计", "Totals"),
    "skip": Text("跳到正文", "Skip to content"),
    "switch_language": Text("English", "中文"),
    "year_label": Text("年份", "Year"),
    "all_years": Text("全部年份", "All years"),
    "clause_label": Text("条款", "Clause"),
    "copy": Text("复制表格", "Copy table"),
    "csv": Text("存为 CSV", "Save as CSV"),
    "published_at": Text(
        "{time} 发布 · 第 {id} 版 · 程序 {code} · 目标定义 {plan}",
        "Published {time} · publication {id} · code {code} · plan {plan}",
    ),
    "published_where": Text(
        "发布时间和版次见总览", "Date and number of the publication: at a glance"
    ),
    "page_mark": Text(
        "页面标识 {mark}（内容不变，标识不变）",
        "page mark {mark} (the same as long as the page is)",
    ),
    "not_published": Text("尚未登记发布", "No publication registered"),
    "made_up": Text(
        "虚构样例数据：本报告中的数字是 jzedu sample 编造的，不反映任何真实地区和学校的情况。",
        "Made-up data: the figures in this report were invented by jzedu sample and say nothing "
        "about any real place or school.",
    ),
    "rounding_note": Text(
        "数字仅在显示时取舍，评判按精确值。† 为本系统的解释：使条款可以检验的数值、年份或读法"
        "不是文件原文，依据随条款列出。",
        "Figures are rounded for show only; verdicts use exact values. † marks an interpretation: "
        "the figure, year or reading that makes the clause testable is not the plan's own; its "
        "basis is given with the clause.",
    ),
    "late_note": Text(
        "{year} 年应报 {due} 份报表，只有 {came} 份生效，还看不出全貌；本报告以 {focus} 年为主。",
        "Of {due} forms expected for {year} only {came} are in force, too few to see the whole; "
        "this report is about {focus}.",
    ),
    "readings_heading": Text(
        "† 本系统的解释及其依据", "† What is our interpretation, and on what basis"
    ),
    "brief_title": Text(
        "{city}教育发展规划 {year} 年一页通", "{city}: the education plan in {year}"
    ),
    "brief_sentence": Text(
        "{year} 年，有目标的 {total} 项条款：达标 {met} 项；未达标 {not_met} 项{missed}；期限未到 {ahead} 项{way}；"
        "无法判定 {unjudged} 项。",
        "Of the plan's {total} clauses with a target, in {year} {met} are met; {not_met} are not "
        "met{missed}; {ahead} are not due yet{way}; {unjudged} cannot be judged.",
    ),
    "brief_every_year": Text("每年都须做到的 {count} 项", "{count} due every year"),
    "brief_past_due": Text("已到期限的 {count} 项", "{count} past their due year"),
    "brief_on_track": Text("按进度 {count} 项", "{count} on track"),
    "brief_off_track": Text("落后进度 {count} 项", "{count} off track"),
    "brief_not_due": Text("尚看不出进度 {count} 项", "{count} too early to tell"),
    "brief_met": Text("达标", "met"),
    "brief_ahead": Text("期限未到", "not due yet"),
    "brief_not_met": Text("未达标", "not met"),
    "brief_unjudged": Text("无法判定", "cannot be judged"),
    "brief_fields": Text("各工作领域", "Fields of work"),
    "brief_gaps": Text("差距最大的方面（先按人数和学位）", "Widest gaps (people and places first)"),
    "brief_no_gaps": Text("没有落后的目标。", "No target is missed."),
    "brief_short": Text("差 {closes}", "{closes} short"),
    "brief_too_much": Text("超出 {closes}", "{closes} too many"),
    "brief_behind": Text("落后最多的单位", "Units furthest behind"),
    "brief_no_units": Text("没有落后的单位。", "No unit is behind."),
    "brief_behind_of": Text(
        "{judged} 项有判定，{behind} 项未达标或落后", "{behind} of {judged} verdicts behind"
    ),
    "brief_lack": Text("{clause}{amiss}", "{clause}: {amiss}"),
    "brief_forms_missing": Text("未生效的报表 {count} 份", "forms not in force: {count}"),
    "brief_turned": Text("比上一年有变的判定", "Verdicts turned since the year before"),
    "brief_revised": Text("比上一次发布有变的判定", "Verdicts turned since the last publication"),
    "brief_none_turned": Text("无。", "None."),
    "brief_first": Text("首次发布，没有可比的上一版。", "First publication: none to compare with."),
    "brief_revised_below": Text(
        "各单位另有 {count} 项判定有变。", "{count} verdicts of units have turned too."
    ),
    "brief_cannot": Text("无法判定的目标，取决于", "What cannot be judged, and on whom it depends"),
    "brief_none_unjudged": Text("都能判定。", "Everything can be judged."),
    "brief_missing_form": Text("{units}的{form}未生效", "{form} of {units} not in force"),
    "brief_blank": Text("{units}有 {count} 处未填", "{count} answers left blank in {units}"),
    "brief_units": Text("{count} 个单位", "{count} units"),
    "brief_other_year": Text(
        "所需往年的数据不存在", "figures of an earlier year that are not there"
    ),
    "brief_more": Text("共 {count} 项", "{count} in all"),
    "brief_stand": Text(
        "发布 {published}（第 {id} 版）· 数据截至 {received}",
        "Published {published} ({id}) · data as of {received}",
    ),
    "brief_interpreted": Text(
        "† 目标的数值、年份或读法是本系统的解释，不是规划原文（共 {count} 项，依据见报告各条款页）。数字仅在显示时"
        "取舍，判定按精确值。",
        "† The figure, year or reading of the target is our interpretation and not the plan's own "
        "({count} in all; the report's pages give the basis). Figures are rounded for show only, "
        "verdicts use exact values.",
    ),
    "city_heading": Text("{year} 年全市一览", "The city at a glance, {year}"),
    "status": Text("状态", "Status"),
    "clause": Text("条款", "Clause"),
    "clauses": Text("条款", "Clauses"),
    "value": Text("数值", "Value"),
    "target": Text("目标", "Target"),
    "due": Text("期限", "Due"),
    "gap": Text("差距", "Gap"),
    "closes_gap": Text("补足差距所需", "Closes the gap"),
    "since_last_year": Text("较上年", "Since last year"),
    "since_last_publication": Text("较上次发布", "Since last publication"),
    "trend": Text("走势", "Trend"),
    "units_met": Text("达标单位", "Units met"),
    "search": Text("搜索", "Search"),
    "by_field": Text("恢复按领域排列", "Back to fields of work"),
    "folded": Text("另有", "also"),
    "filter_by_status": Text("按状态筛选", "Filter by status"),
    "state_of_year": Text("{year} 年：{state}", "{year}: {state}"),
    "duty_gap": Text("最大的差距", "The widest gaps"),
    "duty_forms": Text("还没有报齐的", "What is not handed in"),
    "duty_forms_none": Text("应报的报表都已生效。", "Every form that is expected is in force."),
    "duty_findings": Text("未了的审核发现 {count} 条", "{count} open findings"),
    "days": Text("{days} 天", "{days} days"),
    "days_one": Text("{days} 天", "{days} day"),
    "days_late": Text("迟 {days} 天", "{days} days late"),
    "days_late_one": Text("迟 {days} 天", "{days} day late"),
    "headline_plain": Text("{region}：{status}。", "{region}: {status}."),
    "headline_because": Text("{region}：{status}（{why}）。", "{region}: {status} ({why})."),
    "headline_monitored": Text(
        "{region}：{value}（只监测，不设目标值）。",
        "{region}: {value} (monitored, without a target).",
    ),
    "headline_unsure": Text(
        "{region}：{value}，目标 {target}（{due}）；{why}。",
        "{region}: {value}, target {target} ({due}); {why}.",
    ),
    "headline_short": Text(
        "{region}{status}：{value}，目标 {target}（{due}），{amiss}。",
        "{region}: {status}, at {value} against {target} ({due}), {amiss}.",
    ),
    "headline_reached": Text(
        "{region}{status}：{value}，目标 {target}（{due}）。",
        "{region}: {status}, at {value} against {target} ({due}).",
    ),
    "headline_city_alone": Text(
        "只对全市判定，不评县区。", "It is judged for the city as a whole, not for its units."
    ),
    "headline_units": Text(
        "{judged} 个有判定的单位中 {met} 个达标。",
        "{met} of {judged} units with a verdict meet it.",
    ),
    "change_part": Text("{part} {before} → {now}", "{part} {before} → {now}"),
    "change_over": Text(
        "按两年都计入的 {units} 个单位（共 {expected} 个）",
        "over the {units} of {expected} units that enter in both years",
    ),
    "change_covered": Text(
        "报齐单位 · 已答：{before} → {now}", "units · answers in: {before} → {now}"
    ),
    "the_plan_says": Text("原文：", "The plan:"),
    "on_the_map": Text("在地图上看", "On the map"),
    "in_the_matrix": Text("在对照表中看", "In the matrix"),
    "chart_title": Text(
        "{clause}（{unit}），{region}，{first}—{last} 年",
        "{clause} ({unit}), {region}, {first}–{last}",
    ),
    "chart_unit_count": Text("计数", "count"),
    "chart_source": Text(
        "来源：各单位报送；{title}，页面标识 {mark}。",
        "Source: submissions of the units; {title}, page mark {mark}.",
    ),
    "save_image": Text("存为图片", "Save as an image"),
    "own_scales": Text("各图的纵轴各不相同。", "Each chart has a scale of its own."),
    "one_scale": Text("各图的纵轴相同。", "All charts have the same scale."),
    "among_peers": Text("同类位次", "Among peers"),
    "rank_of": Text("{of} 个中第 {place}", "{place} of {of}"),
    "peers_note": Text(
        "同类：县和县级市相比，区和功能区相比；第 1 为最好。",
        "Peers: counties with county-level cities, districts with zones; 1 is the best.",
    ),
    "not_judged": Text("不评", "not judged"),
    "dash_note": Text(
        "“—”表示没有数值：缺数据，或当地没有这类对象；“不评”表示条款不适用于该地区。",
        "“—” means no figure: nothing reported, or there is no such thing there; “not judged” means "
        "that the clause does not reach the region.",
    ),
    "grades_note": Text(
        "只监测的条款，底色由浅到深为各单位中数值由低到高。",
        "Clauses that are only monitored are shaded from the lowest of the units' figures to the highest.",
    ),
    "grades_label": Text("底色所示数值", "Figures by shade"),
    "reporting_units": Text("各单位上报情况", "How each unit reports"),
    "forms_late": Text("迟报", "Came late"),
    "latest_days": Text("最迟", "Latest by"),
    "forms_lacking": Text("未生效", "Not in force"),
    "open_errors": Text("未了错误", "Open errors"),
    "open_warnings": Text("未了提示", "Open warnings"),
    "open_since": Text("最久未了", "Oldest open for"),
    "open_new": Text("本次新增", "new"),
    "signed": Text("已签", "Signed"),
    "approved": Text("已批准", "Approved"),
    "reporting_note": Text(
        "迟报天数从报送截止日的次日起算；未生效的算到发布日。发现的时间从它第一次出现在发布中算起。",
        "Days late are counted from the last day in time, for what is not in force up to the day of "
        "publication; the age of a finding from the publication in which it first stands.",
    ),
    "lives_heading": Text(
        "发现多久未了，等谁", "How long findings are open, and on whom they wait"
    ),
    "lives_lead": Text(
        "未了 {open} 条；超过 {days} 天的 {old} 条。",
        "{open} findings are open, {old} of them for more than {days} days.",
    ),
    "lives_then": Text("历次发布的未了发现", "Open findings, publication by publication"),
    "lives_old": Text("超过 {days} 天未了的", "Open for more than {days} days"),
    "lives_none": Text(
        "没有超过 {days} 天未了的发现。", "No finding has been open for more than {days} days."
    ),
    "lives_rules": Text("各规则", "By rule"),
    "lives_units": Text("各单位答复的快慢", "How quickly units answer"),
    "lives_unit": Text("多久未了，等谁", "For how long, and on whom they wait"),
    "lives_answered": Text(
        "以往的发现已了结 {answered} 条，其中一半在 {days} 天内。",
        "{answered} earlier findings were answered, half of them within {days} days.",
    ),
    "lives_answered_none": Text("还没有了结过发现。", "No finding has been answered yet."),
    "lives_note": Text(
        "时间从发现第一次出现在发布中算起，到它更正或说明后的那次发布为止；“一半在几天内”取了结所用天数的中位数。",
        "Time runs from the publication in which a finding first stands to the one after it was corrected or explained; "
        "half of what was answered took no longer than the median days.",
    ),
    "open": Text("未了", "Open"),
    "opened": Text("新增", "New"),
    "closed": Text("了结", "Closed"),
    "open_longer": Text("超过 {days} 天", "For over {days} days"),
    "since": Text("自", "Since"),
    "days_open": Text("天数", "Days"),
    "waits_for": Text("等谁", "Waits for"),
    "waits_for_unit": Text("单位：更正或说明原因", "the unit: correct it or give a reason"),
    "waits_for_unit_error": Text("单位：更正后重报", "the unit: correct it and hand in again"),
    "waits_for_office": Text("审核部门：决定", "the office: to decide"),
    "waits_for_both": Text(
        "审核部门决定 {office} 条，单位 {unit} 条",
        "the office: {office} to decide; the unit: {unit}",
    ),
    "answered_count": Text("已了结", "Answered"),
    "half_within": Text("一半在几天内", "Half within (days)"),
    "institution_or_form": Text("报表、机构", "Form, institution"),
    "past_due": Text("已到期", "due by now"),
    "past_due_year": Text("已到期 1 年", "1 year overdue"),
    "past_due_years": Text("已到期 {years} 年", "{years} years overdue"),
    "every_year": Text("每年都须做到", "due every year"),
    "was_due": Text("应于 {due} 年达到", "was due in {due}"),
    "due_now": Text("{due} 年到期", "due in {due}"),
    "due_in": Text("{due} 年到期", "due by {due}"),
    "like_for_like": Text("同口径：仅两年都有数的单位", "like for like: units with both years"),
    "last_year_figure": Text("上年数", "last year's figure"),
    "no_target": Text("不设目标值", "no target"),
    "interpretation": Text("解释", "interpretation"),
    "interpretation_note": Text(
        "† 本条的数值、年份或读法是本系统的解释，不是文件原文。依据：{basis}",
        "† The figure, year or reading of this clause is our interpretation, not the plan's own. "
        "Basis: {basis}",
    ),
    "newly": Text("新增", "new"),
    "withdrawn": Text("撤回", "withdrawn"),
    "units_heading": Text("各单位", "The units"),
    "between_heading": Text("各地区", "The regions"),
    "unit": Text("单位", "Unit"),
    "forms_in_force": Text("生效报表", "Forms in force"),
    "map_heading": Text("各单位地图", "Map of the units"),
    "map_lead": Text(
        "颜色和符号表示评判，数字为数值。点击单位看详情。",
        "Colour and symbol show the verdict, the number is the value. Follow a unit for its page.",
    ),
    "map_inset": Text("城区放大", "Urban area enlarged"),
    "map_tiles": Text("没有边界数据的单位", "Units without a boundary"),
    "map_all": Text("全部单位", "All units"),
    "legend": Text("图例", "Legend"),
    "matrix_heading": Text("条款与单位对照表", "Clauses by unit"),
    "matrix_lead": Text(
        "每格为数值和评判；点击条款或单位看详情。",
        "Each cell holds the value and the verdict; follow a clause or a unit for its page.",
    ),
    "unit_heading": Text("{year} 年情况", "In {year}"),
    "all_clauses": Text("全部条款", "All clauses"),
    "shortfall_heading": Text("造成差距的学校、班级等", "Schools, classes and the like behind it"),
    "shortfall_none": Text(
        "本年没有可列名的对象。", "There is nothing to be listed by name this year."
    ),
    "shortfall_all": Text("完整名单（CSV）", "The whole list (CSV)"),
    "institution": Text("机构", "Institution"),
    "institution_code": Text("机构标识码", "Institution code"),
    "detail": Text("情况", "Detail"),
    "found_at": Text("出处", "Where it stands"),
    "file": Text("文件", "File"),
    "row": Text("行", "Row"),
    "sheet_row": Text("{sheet} 第 {row} 行", "{sheet}, row {row}"),
    "listed_of": Text("列出 {shown} 条，共 {total} 条。", "{shown} of {total} are listed."),
    "definition": Text("定义", "Definition"),
    "kind": Text("性质", "Kind"),
    "scope": Text("适用范围", "Scope"),
    "in_effect": Text("有效年份", "In effect"),
    "in_effect_years": Text("{since} 至 {until}", "{since} to {until}"),
    "start_open": Text("起始", "the start"),
    "end_open": Text("今", "today"),
    "source": Text("来源", "Source"),
    "numerator": Text("分子", "Numerator"),
    "denominator": Text("分母", "Denominator"),
    "formula": Text("算式", "Formula"),
    "count_only": Text("计数，无分母", "a count, no denominator"),
    "direction": Text("方向", "Direction"),
    "higher": Text("越高越好", "higher is better"),
    "lower": Text("越低越好", "lower is better"),
    "trend_heading": Text("全市走势", "The city over the years"),
    "trend_units": Text("各单位走势", "The units over the years"),
    "units_in_year": Text("{year} 年各单位", "The units in {year}"),
    "by_year": Text("全市逐年", "The city year by year"),
    "covered": Text("报齐单位 · 已答", "Units · answers in"),
    "chart_due": Text("期限 {year}", "due {year}"),
    "chart_projected": Text("照此速度 {value}", "at this pace {value}"),
    "chart_label": Text("{name}：{points}", "{name}: {points}"),
    "matrix_of": Text("{region}的条款与单位对照表", "Clauses by unit, {region}"),
    "reporting_of": Text("{region}的上报情况", "State of reporting, {region}"),
    "places_heading": Text(
        "今后六年的学位、班级和教师", "Places, classes and teachers in the next six years"
    ),
    "places_assumed": Text(
        "推算，不是预测：{year} 年已报的各年龄常住人口逐年升一岁，不迁移；各学段在校生与适龄人口之比、生师比保持 {year} 年的水平"
        "（含外来就读）。学前为 3 至 5 岁，小学 6 至 11 岁，初中 12 至 14 岁，高中阶段 15 至 17 岁。小学、初中按标准班额，"
        "没有标准班额的学段按现有班额；现有班级都坐满才有这些学位。多学段学校的教师按在校生分摊。不预测出生：有年龄尚未出生的年份写“未知”。",
        "Worked out, not forecast: residents by age as reported for {year} grow a year older each year and nobody moves; pupils per "
        "resident of a stage’s ages and pupils to a teacher stay as in {year}, pupils from elsewhere included. Preschool is 3 to 5, primary 6 to 11, "
        "junior secondary 12 to 14, upper secondary 15 to 17. Primary and junior secondary classes are counted at their standard size, others at "
        "the present one; the places are there only if every class is filled. A school of several stages shares out its teachers by its "
        "pupils. No births are forecast: “not known” is a year for which an age is not born yet.",
    ),
    "places_stage": Text("学段", "Stage"),
    "places_thing": Text("需要", "Needed"),
    "places_there": Text("{year} 年现有", "There in {year}"),
    "places_seats": Text("学位", "Places"),
    "places_classes": Text("班级", "Classes"),
    "places_teachers": Text("专任教师", "Full-time teachers"),
    "places_unknown": Text("未知", "not known"),
    "outlook_heading": Text("照目前速度", "At the present pace"),
    "outlook_pace": Text("每年变化", "Pace a year"),
    "outlook_needed": Text("每年需要变化", "Needed a year"),
    "outlook_required": Text("当年应达到", "Required that year"),
    "outlook_due_value": Text("到期时预计", "Projected when due"),
    "outlook_year_met": Text("预计达到年份", "Projected to be met"),
    "outlook_never": Text("照此速度不会达到", "not at this pace"),
    "uncertain_heading": Text("数字的不确定之处", "What makes the figures uncertain"),
    "uncertain_none": Text(
        "所需报表都已生效，没有未说明的提示。",
        "Every form that is needed is in force, and no warning stands unexplained.",
    ),
    "missing_reports": Text("尚未生效的报表", "Forms that are not in force"),
    "findings_heading": Text("审核发现", "Findings"),
    "findings_none": Text("没有未了的发现。", "There is no open finding."),
    "findings_of_unit": Text(
        "发现明细在单位页。", "The findings stand in full on the unit's page."
    ),
    "form": Text("报表", "Form"),
    "form_unknown": Text("未识别的报表", "unknown form"),
    "region_unknown": Text("未识别的单位", "unknown unit"),
    "rule": Text("规则", "Rule"),
    "severity": Text("级别", "Severity"),
    "message": Text("说明", "Message"),
    "explained": Text("已说明：{reason}", "explained: {reason}"),
    "explained_count": Text("其中已说明", "Explained"),
    "findings_count": Text("发现数", "Findings"),
    "cells_count": Text("涉及单元格", "Cells"),
    "example": Text("例", "Example"),
    "stands_there": Text("原值", "Stands there"),
    "reporting_heading": Text("上报情况", "The state of reporting"),
    "reporting_lead": Text(
        "{year} 年应报 {expected} 份，生效 {accepted} 份，其中按时 {on_time} 份。",
        "For {year}, {expected} forms are expected, {accepted} are in force, {on_time} of them "
        "on time.",
    ),
    "reporting_grid": Text("单位与报表", "Units by form"),
    "submissions_heading": Text("全部报送", "All submissions"),
    "received_at": Text("收到（北京时间）", "Received (China time)"),
    "rows_read": Text("读取行", "Rows read"),
    "rows_loaded": Text("入库行", "Loaded"),
    "rows_returned": Text("退回行", "Returned"),
    "rows_ignored": Text("略过行", "Ignored"),
    "errors": Text("错误", "Errors"),
    "warnings": Text("提示", "Warnings"),
    "rules_heading": Text("按规则汇总的未了发现", "Open findings by rule"),
    "changes_heading": Text("与上次发布相比", "Changes since the last publication"),
    "changes_lead": Text(
        "第 {id} 版（{time}）与第 {previous} 版相比，{count} 处数字或评判有变。",
        "Publication {id} ({time}) against {previous}: {count} figures or verdicts changed.",
    ),
    "changes_first": Text(
        "这是第一次发布，没有可比的上一版。",
        "This is the first publication; there is none to compare with.",
    ),
    "changes_none": Text("没有数字或评判变动。", "No figure and no verdict changed."),
    "old": Text("原", "Before"),
    "new": Text("现", "Now"),
    "caused_by": Text("起因报送", "Caused by"),
    "publications_heading": Text("历次发布", "Publications"),
    "publication": Text("版本", "Publication"),
    "published": Text("发布时间（北京时间）", "Published (China time)"),
    "code_version": Text("程序", "Code"),
    "plan_version": Text("目标定义", "Plan"),
    "submissions_count": Text("报送数", "Submissions"),
    "changes_count": Text("变动数", "Changes"),
    "dictionary_heading": Text("数据字典", "Data dictionary"),
    "dictionary_lead": Text(
        "发布库 main 模式中的 {tables} 张表和视图、{columns} 个字段，说明取自库内注释。",
        "The {tables} tables and views of the published schema main and their {columns} columns, "
        "described by the comments in the database.",
    ),
    "dictionary_excel": Text("Excel 版", "As an Excel workbook"),
    "table": Text("表", "Table"),
    "view": Text("视图", "View"),
    "column": Text("字段", "Column"),
    "type": Text("类型", "Type"),
    "may_be_null": Text("可为空", "May be NULL"),
    "yes": Text("是", "yes"),
    "no": Text("否", "no"),
    "comment": Text("说明", "Comment"),
    "indicators": Text("指标", "Indicators"),
    "indicator": Text("指标", "Indicator"),
    "over_time": Text("并入前后", "Before and after the merger"),
    "over_time_note": Text(
        "{names}已并入本单位。并入前的年度可以按当时区划看, 也可以与并入的单位合并计算。",
        "{names} became part of this unit. The years before can be seen as they were, or with the units"
        " merged taken together.",
    ),
    "as_it_was": Text("按当时区划", "As it was"),
    "as_it_is_now": Text("按现行区划", "As it is now"),
    "osm": Text("© OpenStreetMap contributors, ODbL 1.0", "© OpenStreetMap contributors, ODbL 1.0"),
}
