"""What goes wrong, told at a terminal in the language of who reads: settings, definitions, sources, the service."""

from __future__ import annotations

import io
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from flows.language import speaking
from flows.progress import Steps
from flows.service.server import ServeError
from flows.service.server import serve as run_server
from flows.settings import load_settings
from flows.terminal import runner
from flows.terminal.cli import main
from flows.terminal.doctor import diagnose
from tests.conftest import Home, MakeHome

Run = Callable[..., str]


@pytest.fixture
def jzedu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The real command, which fails; gives what it says of that."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["jzedu", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        return capsys.readouterr().err

    return run


SFTP = '[[sources]]\nkind = "sftp"\nname = "files"\nhost = "h"\nusername = "u"\n'


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ('colour = "red"', "colour：没有这个字段；请删去或改正", "colour: Extra inputs are not"),
        ('workers = "many"', "workers：应写整数", "workers: Input should be a valid integer"),
        (
            "workers = 1.5",
            "workers：应写整数，不带小数",
            "workers: Input should be a valid integer",
        ),
        (
            "workers = 0",
            "workers：应不小于 1",
            "workers: Input should be greater than or equal to 1",
        ),
        ('sign_off = "maybe"', "sign_off：应写 true 或 false", "sign_off: Input should be a valid"),
        (
            "[notify]\non = ['sometimes']",
            "notify.on.0：可以写的是：'failure'、'returned'、",
            "notify.on.0: ",
        ),
        ("[limits]\nseconds = 'x'", "limits.seconds：应写整数", "limits.seconds: "),
        ("[limits]\nseconds = 0", "limits：seconds 应不小于 1", "seconds must be at least 1"),
        ("[limits]\ncolour = 1", "limits.colour：没有这个字段；请删去或改正", "limits.colour: "),
        ("workers = ", "不合 TOML 的写法：", "cannot be read: Invalid value"),
        (
            SFTP + 'password = "hush"',
            "password 不应写在这个文件里；请写进环境变量 JZEDU_SOURCE_FILES_PASSWORD",
            "password does not belong in this file; put it into the environment variable",
        ),
        (SFTP.replace('host = "h"\n', ""), "host：没有写；请写上", "host: Field required"),
        (
            SFTP.replace("sftp", "ftp"),
            "'kind' 写的是 'ftp'；可以写的是：'folder'、'sftp'、",
            "'ftp' found using",
        ),
        (
            SFTP.replace('"files"', '"inbox"'),
            "inbox 是收件夹自己的名称",
            "is the name of the inbox",
        ),
        (SFTP + SFTP, "有两个来源都叫 files；请各用各的名称", "two sources are called files"),
        (
            "[archive]\nplace = '/x'",
            "archive.place：请写成 s3://存储桶/前缀",
            "archive.place: write",
        ),
        ("[engine]\nreaders = 'x'", "engine.readers：请写 “threads”", 'engine.readers: write "th'),
    ],
)
def test_a_wrong_setting(tmp_path: Path, jzedu: Run, text: str, zh: str, en: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text, "utf-8")
    told = jzedu("--lang", "zh", "report", "--home", tmp_path)
    assert told.startswith(f"jzedu: {file}") and zh in told
    assert "hush" not in told
    if "TOML" not in zh:  # of which only its reader knows what is wrong
        assert not re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}", told)
    told = jzedu("--lang", "en", "report", "--home", tmp_path)
    assert en in told and not re.search("[一-鿿]", told.replace(str(tmp_path), ""))


def test_settings_in_another_encoding(tmp_path: Path, jzedu: Run) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes('office = "教育局"'.encode("gb18030"))
    told = jzedu("--lang", "zh", "report", "--home", tmp_path)
    assert told == f"jzedu: {file} 不是 UTF-8：请另存为 UTF-8\n"


def test_definitions_that_are_wrong_are_told_one_by_one(home: Home, jzedu: Run) -> None:
    folder = home.root / "definitions"
    folder.mkdir()
    (folder / "plan.yml").write_text("", "utf-8")
    (folder / "calendar.csv").write_text(
        "form,opens,due,grace_days,year\nclass,,13-32,,this\n", "utf-8"
    )
    (folder / "indicators.yaml").write_text("indicators: [\n", "utf-8")
    said = jzedu("--lang", "zh", "definitions", "check", "--home", home.root).splitlines()
    assert len(said) == 3
    assert f"{folder / 'plan.yml'}：没有程序读这个名称的文件" in said[0]
    assert f"{folder / 'calendar.csv'} 第2行，class，due：'13-32' 不是日期；请写成 10-31" in said[1]
    assert f"{folder / 'indicators.yaml'} 第2行：YAML 格式有误" in said[2]
    said = jzedu("--lang", "en", "definitions", "check", "--home", home.root).splitlines()
    assert f"{folder / 'calendar.csv'}, line 2, class, due: '13-32' is no day" in said[1]


def test_a_folder_that_is_away(make_home: MakeHome, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    home = make_home(sources=[{"kind": "folder", "name": "share", "path": str(gone)}])
    for asked, told, left in (
        (
            "zh",
            f"share：{gone}：没有这个文件或文件夹；挂载了吗？本用户能读吗？",
            "留到下一夜：",
        ),
        (
            "en",
            f"share: {gone}: No such file or directory; is it mounted, and may this user read it?",
            "left for the next night: ",
        ),
    ):
        out = io.StringIO()
        with (
            speaking(asked),  # type: ignore[arg-type]
            runner._opened(home.settings, Steps(Console(file=out, width=400))) as opened,
        ):
            assert [one.zh if asked == "zh" else one.en for one in opened.pulled.failed] == [told]
        assert f"{left}{told}" in out.getvalue()


def test_doctor_tells_of_a_source_in_the_language_of_the_reader(tmp_path: Path) -> None:
    from functools import partial

    from flows.sources.pull import probe

    (tmp_path / "settings.toml").write_text(
        '[[sources]]\nkind = "folder"\nname = "share"\npath = "gone"\n', "utf-8"
    )
    with speaking("zh"):
        lines = diagnose(
            tmp_path,
            lambda settings: [(s.name, partial(probe, s, settings.home)) for s in settings.sources],
        )
    (line,) = [one for one in lines if one.check == "source share"]
    assert line.found == f"{tmp_path / 'gone'}：没有这个文件或文件夹；挂载了吗？本用户能读吗？"


def test_a_service_that_cannot_listen_says_so(
    home: Home, jzedu: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.service.server.keep_private", lambda: None)
    home.settings.inbox.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        at = ("serve", "--home", home.root, "--port", port)
        assert jzedu("--lang", "zh", *at) == (
            f"jzedu: 127.0.0.1:{port} 用不了（地址已被占用）；是不是有别的服务在用？请用 --port 换一个\n"
        )
        assert f"127.0.0.1:{port} cannot be listened on (Address" in jzedu("--lang", "en", *at)


def test_a_service_over_wrong_definitions_says_what_to_correct(home: Home) -> None:
    folder = home.root / "definitions"
    folder.mkdir()
    (folder / "plan.yml").write_text("", "utf-8")
    with pytest.raises(ServeError) as refused:
        run_server(load_settings(home.root), "127.0.0.1", 4200, lambda _: None)
    zh, en = refused.value.text
    assert zh.endswith("；请改正该文件，再启动")
    assert en.endswith("; correct that file, then start again")
