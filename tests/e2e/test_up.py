"""``phi3 up`` from outside: what it promises to whoever starts, asks, kills and stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.supervisor.files import alive
from bot.supervisor.marked import mark_of, marked
from tests.support.product import Product, free_ports

pytestmark = pytest.mark.e2e

NAMES = ["postgres", "redis", "models", "ingest", "refresh", "beat", "bot", "workspace"]
PHI3 = str(Path(sys.executable).with_name("phi3"))


def until(done: Callable[[], Any], *, wait_s: float) -> Any:
    """What ``done`` returns once it is true."""
    deadline = time.monotonic() + wait_s
    while not (found := done()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
    return found


def test_status_names_every_part_and_who_answers(product: Product) -> None:
    parts = json.loads(product.phi3("status", "--json").stdout)["parts"]
    assert [part["name"] for part in parts] == NAMES
    assert {part["state"] for part in parts} == {"ready"}
    assert all(set(part) == {"name", "state", "url"} for part in parts)
    assert parts[-1]["url"] == product.url
    assert "answers: the extractive reader" in product.phi3("status").stdout


def test_what_it_writes_is_for_its_owner_alone(product: Product) -> None:
    run = product.home / "run"
    for name in ("state.json", "workspace.json"):
        assert (run / name).stat().st_mode & 0o777 == 0o600
    assert product.state["env"]["SLACK_API_URL"] == f"{product.url}/api/"
    log = (product.home / "log" / "phi3.log").read_text("utf-8")
    for name in ("PHI3_LLM_API_KEY", "PHI3_ADMIN_TOKEN", "SLACK_BOT_TOKEN"):
        assert product.services[name] not in log
    for process in marked(mark_of(product.home)):
        shown = " ".join(process.cmdline())
        assert product.services["PHI3_LLM_API_KEY"] not in shown


def test_a_second_start_says_so(product: Product) -> None:
    for arguments in (["up"], ["up", "--detach"]):
        second = product.phi3(*arguments, check=False)
        assert second.returncode == 1
        assert "It is up already" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_taken_port_is_named_and_nothing_is_started(product: Product, tmp_path: Path) -> None:
    other = Product(tmp_path, {**product.environment, "PHI3_HOME": str(tmp_path)})
    refused = other.phi3("up", "--detach", check=False)
    assert refused.returncode == 1
    assert product.environment["PHI3_PORT"] in refused.stderr
    assert "PHI3_PORT" in refused.stderr
    assert "is taken" in refused.stderr
    assert not marked(mark_of(tmp_path))
    assert not (tmp_path / "postgres").exists()


def test_a_killed_part_comes_back(product: Product) -> None:
    old = product.kill("beat")

    def back() -> bool:
        part = product.state["parts"]["beat"]
        return bool(part["state"] == "ready" and part["pid"] != old)

    until(back, wait_s=60)


def test_doctor_finds_nothing_broken(product: Product) -> None:
    told = product.phi3("doctor")
    assert "pgvector" in told.stdout
    assert "schema" in told.stdout


def test_the_first_question_has_an_answer(product: Product) -> None:
    known = product.rows(
        "SELECT filename FROM documents WHERE filename = 'README.md' AND link IS NULL"
    )
    assert known == [("README.md",)]


# -- a home of its own, for what is too rough for the shared one ----------------------------------


@contextmanager
def starting(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``phi3 up`` in the foreground; killed at the end, if it still runs."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PHI3_", "SLACK_")) and name not in ("DATABASE_URL", "REDIS_URL")
    }
    environment |= {
        "PHI3_HOME": str(home),
        "PHI3_PORT": str(free_ports()),
        "PHI3_MODEL": "extractive",
    }
    with (home / "terminal").open("ab") as terminal:
        up = subprocess.Popen(
            [PHI3, "up"], env=environment, cwd=home, stdout=terminal, stderr=terminal
        )
    try:
        yield up
    finally:
        if up.poll() is None:
            up.kill()
            up.wait()


def pids(home: Path) -> list[int]:
    """Every process that this home's start is to blame for, the databases included."""
    found = [process.pid for process in marked(mark_of(home))]
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(home) in words and alive(process.pid):
            found.append(process.pid)
    return found


def part_states(home: Path) -> dict[str, str]:
    try:
        state = json.loads((home / "run" / "state.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {name: part["state"] for name, part in state["parts"].items()}


def test_kill_9_leaves_nothing_and_ctrl_c_ends_the_next_one_within_ten_seconds(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home with spaces"
    home.mkdir()
    with starting(home) as up:
        until(lambda: len(part_states(home)) == len(NAMES), wait_s=60)
        assert len(pids(home)) >= len(NAMES)
        up.kill()
        up.wait()
        until(lambda: not pids(home), wait_s=10)
        assert not (home / "run" / "state.json").exists()
    with starting(home) as up:  # over what the killed one left
        until(lambda: part_states(home).get("beat") == "ready", wait_s=60)
        stopping = time.monotonic()
        up.send_signal(signal.SIGINT)
        assert up.wait(20) == 0
        assert time.monotonic() - stopping < 10
        assert not pids(home)
        assert not (home / "run" / "state.json").exists()
        assert not (home / "run" / "workspace.json").exists()
    shown = (home / "terminal").read_text("utf-8")
    assert "postgres  |" in shown
    assert "stopped; no process is left" in shown
    assert "superuser privileges" not in shown
