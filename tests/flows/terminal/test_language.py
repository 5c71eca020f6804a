"""One language for a reader: asked for, or that of the locale; help, results and what goes wrong in it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from flows.language import language_of
from flows.terminal.cli import cli, main
from flows.terminal.help import Command, chinese, help_of, longest
from tests.conftest import Home

FLOWS = Path(__file__).parents[3] / "flows"
#: Three words of Latin letters in a row, which no name of a program, file or option is.
_ENGLISH = re.compile(r"\b[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}\b")


def run(*arguments: object, locale: str | None = None, columns: int | None = None) -> Result:
    env = {"LC_ALL": locale, "LC_MESSAGES": None, "LANG": None, "JZEDU_HOME": None}
    env["COLUMNS"] = str(columns) if columns else None
    return CliRunner().invoke(cli, [str(one) for one in arguments], env=env, prog_name="jzedu")


def commands(command: click.Command = cli, path: str = "") -> Iterator[tuple[str, Command]]:
    """Every command and group, by how it is called."""
    assert isinstance(command, Command)
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, f"{path} {name}".strip())


COMMANDS = dict(commands())


def options(path: str) -> list[str]:
    """The options of a command, by their names, those that click adds left out."""
    return [longest(p.opts) for p in COMMANDS[path].params if isinstance(p, click.Option)]


# --- the catalogue ---------------------------------------------------------------------------


def test_the_catalogue_has_every_command_and_no_other() -> None:
    assert sorted(chinese()["commands"]) == sorted(COMMANDS)
    assert all(entry["help"] for entry in chinese()["commands"].values())


@pytest.mark.parametrize("path", COMMANDS)
def test_the_catalogue_has_every_option_of_a_command_and_no_other(path: str) -> None:
    params = [p for p in COMMANDS[path].params if isinstance(p, click.Option)]
    assert [longest(p.opts) for p in params if not help_of(path, p)] == []
    assert [longest(p.opts) for p in params if not p.help] == []
    told = chinese()["commands"][path].get("options", {})
    assert sorted(set(told) - set(options(path))) == []


def test_what_commands_share_is_an_option_of_several() -> None:
    for name in set(chinese()["options"]) - {"--help"}:
        assert sum(name in options(path) for path in COMMANDS) > 1, name


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_a_command_is_chinese_and_fits_the_terminal(path: str, columns: int) -> None:
    result = run("--lang", "zh", *path.split(), "--help", columns=columns)
    assert result.exit_code == 0
    assert result.output.startswith("用法：")
    assert _ENGLISH.findall(result.output.replace(f"jzedu {path}", "")) == []
    assert not re.search(
        r"Usage|Options|Commands|Show|default|required|TEXT|INTEGER", result.output
    )
    assert max(map(cell_len, result.output.splitlines())) <= columns
    # No line begins with what ends a sentence or a part of it.
    assert not re.search(r"^\s*[，。；：、）]", result.output, re.MULTILINE)
    english = run("--lang", "en", *path.split(), "--help", columns=columns).output
    assert english.startswith("Usage:")
    assert not re.search(r"[一-鿿]", english.replace("教育局", ""))


def test_the_list_of_commands_is_not_cut() -> None:
    for asked in ("zh", "en"):
        assert "..." not in run("--lang", asked, "--help", columns=80).output.replace(
            "[ARGS]...", ""
        )


# --- which language --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "silent", "expected"),
    [
        (None, "zh", "zh"),
        (None, "en", "en"),
        ("C", "zh", "zh"),
        ("C.UTF-8", "zh", "zh"),
        ("C.UTF-8", "en", "en"),
        ("zh_CN.UTF-8", "en", "zh"),
        ("zh_TW", "en", "zh"),
        ("en_GB.UTF-8", "zh", "en"),
        ("de_DE.UTF-8", "zh", "en"),
    ],
)
def test_without_a_word_the_locale_says_the_language(
    locale: str | None, silent: str, expected: str
) -> None:
    assert language_of(locale, silent) == expected  # type: ignore[arg-type]


def test_what_is_asked_for_wins_and_is_not_remembered() -> None:
    assert run("--help", locale="zh_CN.UTF-8").output.startswith("用法：")
    assert run("--lang", "en", "--help", locale="zh_CN.UTF-8").output.startswith("Usage:")
    assert run("status", "--lang", "zh", "--help").output.startswith("用法：")
    assert run("--help").output.startswith("Usage:")
    # A command's own word is the last.
    assert run("--lang", "zh", "status", "--lang", "en", "--help").output.startswith("Usage:")


def test_an_error_outside_the_commands_keeps_the_language_and_the_next_run_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inbox").mkdir()
    at = ["--home", str(tmp_path)]
    monkeypatch.setattr(
        sys, "argv", ["jzedu", "--lang", "zh", "explain", "2.1", "义县", "2020", *at]
    )
    with pytest.raises(SystemExit):
        main()
    assert "还没有发布；请运行：jzedu nightly" in capsys.readouterr().err
    assert run("--help").output.startswith("Usage:")


def test_check_is_chinese_where_the_locale_says_nothing() -> None:
    assert run("check", "--help").output.startswith("用法：")
    assert run("check", "--help", locale="en_GB.UTF-8").output.startswith("Usage:")
    assert run("--lang", "en", "check", "--help").output.startswith("Usage:")


# --- what goes wrong, and what machines read -------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "zh", "en"),
    [
        (("status", "--hom", "x"), "没有选项 '--hom'", "No such option '--hom'"),
        (("statu",), "没有命令 'statu'", "No such command 'statu'"),
        (("explain", "2.1"), "缺少参数 '地区'", "Missing argument 'REGION'"),
        (("export",), "缺少选项 '--template'", "Missing option '--template'"),
        (("template", "--out"), "选项 '--out' 后面要写值", "Option '--out' requires an argument"),
        (("status", "--year", "x"), "'x' 不是数字", "'x' is not a valid integer"),
        (("serve", "--port", "0"), "0 不在范围 1<=x<=65535 内", "0 is not in the range"),
        (("sample", "--mess", "x"), "'x' 不是 'none', 'usual'", "'x' is not one of"),
        (("backfill", "--years", "x"), "'x' 不是年份", "'x' names no years"),
    ],
)
def test_bad_usage_is_told_in_the_language_of_the_reader(
    arguments: tuple[str, ...], zh: str, en: str
) -> None:
    for asked, said in (("zh", zh), ("en", en)):
        result = run("--lang", asked, *arguments)
        assert result.exit_code == 2
        assert said in result.output
        assert ("错误：" in result.output) == (asked == "zh")


def test_what_a_clerk_or_an_official_meets_is_told_in_chinese(home: Home) -> None:
    at = ("--home", home.root)
    (home.root / "inbox").mkdir(parents=True, exist_ok=True)
    said = run("--lang", "zh", "status", *at)
    assert (said.exit_code, "中还没有发布；请运行：jzedu nightly" in said.output) == (1, True)
    home.sheet("210727", "special_group", 2020, [{}])
    home.night()
    for arguments, zh, en in (
        (("explain", "99.9", "义县", 2020), "没有指标 '99.9'", "there is no indicator '99.9'"),
        (("explain", "2.19", "某县", 2020), "没有地区 '某县'", "there is no region '某县'"),
        (("explain", "2.19", "义县", 2031), "没有 2031 年的数字", "no figures for 2031"),
        (("approve", "某县", "class", 2020), "没有报送单位 '某县'", "no reporting unit '某县'"),
        (("approve", "义县", "表", 2020), "没有报表 '表'", "no form '表'"),
        (("approve", "义县", "class", 2020), "没有已接收的义县2020年班级学生数表", "no accepted"),
        (("changes", "义县", "special_group", 2020), "只有一版", "one version only"),
        (("reasons", "--accept", "X1"), "没有单位用编号 X1 写过理由", "no unit has given a reason"),
        (("status", "--year", 2031), "2031 年什么也没有报来", "nothing has come for 2031"),
    ):
        for asked, told in (("zh", zh), ("en", en)):
            result = run("--lang", asked, *arguments, *at)
            assert result.exit_code in (1, 2)
            assert told in result.output, result.output
    ruled = run("--lang", "zh", "approve", "义县", "特殊群体教育保障表", 2020, *at)
    assert "已批准，从下次运行（jzedu nightly）起生效" in ruled.output


def test_what_machines_read_is_the_same_in_every_language(home: Home) -> None:
    home.sheet("210727", "special_group", 2020, [{}])
    home.night()
    at = ("--home", home.root, "--json")
    for arguments in (
        ("status",),
        ("status", "--findings"),
        ("explain", "2.19", "义县", 2020),
        ("reasons",),
        ("doctor",),
    ):
        zh, en = (run("--lang", asked, *arguments, *at).stdout for asked in ("zh", "en"))
        # The clock goes on between the two.
        assert re.sub(r"\d\d:\d\d|\d+\.\d GiB", "", zh) == re.sub(r"\d\d:\d\d|\d+\.\d GiB", "", en)


# --- the words -------------------------------------------------------------------------------


def _catalogues() -> list[tuple[Path, ast.Call]]:
    return [
        (file, node)
        for file in sorted(FLOWS.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Words"
    ]


@pytest.mark.parametrize(("file", "words"), _catalogues(), ids=lambda one: getattr(one, "stem", ""))
def test_every_word_is_used_and_takes_the_same_values_in_both_languages(
    file: Path, words: ast.Call
) -> None:
    inside = range(words.lineno, (words.end_lineno or 0) + 1)
    lines = file.read_text("utf-8").splitlines()
    rest = "\n".join(line for number, line in enumerate(lines, 1) if number not in inside)
    for keyword in words.keywords:
        assert keyword.arg is not None
        zh, en = ast.literal_eval(keyword.value)
        fields = [set(re.findall(r"(?<!\{)\{(\w+)", text)) for text in (zh, en)]
        # Chinese has no plural and may leave a number out.
        assert fields[0] <= fields[1], (file.name, keyword.arg)
        # Of some the name is put together: rows_numerator is f"rows_{part}".
        together = f"{keyword.arg.partition('_')[0]}_{{"
        assert any(mark + keyword.arg + mark in rest for mark in "'\"") or together in rest
