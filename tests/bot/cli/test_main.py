"""The command line's edge: what is imported, and what becomes of every kind of failure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bot.cli import main as edge
from bot.cli.main import COMMANDS, cli, run


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHI3_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """``phi3 fail`` raises what the test puts into this list."""
    raised: list[BaseException] = []

    @click.command("fail")
    def fail() -> None:
        raise raised[0]

    monkeypatch.setattr(edge, "_fail", fail, raising=False)
    monkeypatch.setitem(COMMANDS, "Test", {"fail": ("bot.cli.main:_fail", "Fail.")})
    return raised


def test_help_imports_no_command_and_nothing_heavy() -> None:
    program = (
        "import sys; from bot.cli.main import run; status = run(['--help']);"
        "import json; print('\\n' + json.dumps([status, sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    shown, _, told = done.stdout.rpartition("\n\n")
    status, modules = json.loads(told)
    assert status == 0
    for group in COMMANDS.values():
        for name, (_, line) in group.items():
            assert name in shown
            assert line in shown
    heavy = {"sqlalchemy", "celery", "slack_bolt", "slack_sdk", "torch", "httpx", "pydantic"}
    assert not heavy & set(modules)
    assert not [name for name in modules if name.startswith("bot.cli.") and name != "bot.cli.main"]


def test_every_command_can_be_imported_under_its_name() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_without_arguments_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Learning:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "meant"), [("serch", "phi3 search"), ("stauts", "phi3 status"), ("xyzzy", None)]
)
def test_an_unknown_command_gets_a_sentence(
    typed: str, meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([typed]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"There is no command “{typed}”." in told.err
    assert (f"Did you mean “{meant}”?" in told.err) if meant else ("mean" not in told.err)


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down", "--quickly"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_an_exception_becomes_one_sentence_and_its_cause_goes_to_the_log(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failing.append(RuntimeError("the inner cause"))
    assert run(["fail"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err
    assert "the inner cause" not in told.err
    error_id = told.err.split("(")[1][:8]
    logged = (tmp_path / "home" / "log" / "cli.log").read_text()
    assert error_id in logged
    assert "RuntimeError: the inner cause" in logged


def test_debug_shows_the_cause(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(RuntimeError("the inner cause"))
    assert run(["--debug", "fail"]) == 1
    assert "RuntimeError: the inner cause" in capsys.readouterr().err


def test_ctrl_c_is_130(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing.append(KeyboardInterrupt())
    assert run(["fail"]) == 130
    assert capsys.readouterr().err.strip() == "Stopped."


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    program = f"{sys.executable} -c 'from bot.cli.main import main; main()' | true"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_closed_output_is_no_error() -> None:
    program = f"{sys.executable} -c 'from bot.cli.main import main; main()' >&-"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://ada:secret-value@host/db", "postgresql://[::1", "postgres://h:x/"]
)
def test_a_wrong_database_is_named_without_its_value(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert run(["--debug", "sources"]) == 2
    told = capsys.readouterr().err
    assert "DATABASE_URL" in told
    assert "postgresql://" in told
    assert "secret-value" not in told


def test_what_is_not_utf8_is_said_so(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(UnicodeEncodeError("utf-8", "x\udcff", 1, 2, "surrogates not allowed"))
    assert run(["fail"]) == 1
    assert "not UTF-8" in capsys.readouterr().err


def test_a_wrong_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PHI3_PORT", "secret-value")
    assert run(["status"]) == 2
    told = capsys.readouterr().err
    assert "PHI3_PORT" in told
    assert "secret-value" not in told


def test_not_running_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 2
    assert "not running: phi3 up" in capsys.readouterr().err


def test_status_in_json_while_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == 2
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert [part["name"] for part in parts] == (
        ["postgres", "redis", "models", "ingest", "refresh", "beat", "bot", "workspace"]
    )
    assert {part["state"] for part in parts} == {"stopped"}
    assert all(set(part) == {"name", "state", "url"} for part in parts)


def test_down_while_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"]) == 0
    assert capsys.readouterr().out == "Nothing is running.\n"


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_up_names_an_impossible_address_before_it_starts_anything(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(name, "http://ada:secret-value@host/db")
    assert run(["up"]) == 2
    told = capsys.readouterr().err
    assert name in told
    assert "secret-value" not in told
    assert not (tmp_path / "home" / "run").exists()
