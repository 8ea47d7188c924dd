"""Real processes under the supervisor: restarts, giving up, stopping, and a guardian's clean-up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bot.supervisor import backoff
from bot.supervisor.children import Child, Children, launcher
from bot.supervisor.files import AlreadyUp, alive, owner, take_lock, write_private
from bot.supervisor.journal import Journal
from bot.supervisor.marked import MARK, end_marked, mark_of, marked
from bot.supervisor.plan import Plan
from bot.supervisor.product import Product
from models.settings import Home


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "log", terminal=None)
    yield made
    made.close()


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    made = mark_of(tmp_path)
    yield made
    end_marked(made)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.02)


def until(children: Children, done: Callable[[], bool], wait_s: float = 15) -> None:
    deadline = time.monotonic() + wait_s
    while not done():
        assert time.monotonic() < deadline
        children.look()
        time.sleep(0.01)


def child(name: str, program: str, mark: str, cwd: Path) -> Child:
    environment = {**os.environ, MARK: mark}
    return Child(
        name=name,
        launch=launcher((sys.executable, "-c", program), environment, cwd=cwd),
        answers=lambda pid: True,
    )


def test_a_killed_child_is_started_again(journal: Journal, mark: str, tmp_path: Path) -> None:
    children = Children(journal, changed=lambda: None)
    sleeper = child("sleeper", "import time; time.sleep(60)", mark, tmp_path)
    children.start(sleeper)
    until(children, lambda: sleeper.state == "ready")
    assert sleeper.process is not None
    first = sleeper.process.pid
    os.kill(first, signal.SIGKILL)
    until(children, lambda: sleeper.state == "ready" and sleeper.process.pid != first)  # type: ignore[union-attr]
    assert "was ended by SIGKILL" in journal.path.read_text()
    children.stop(wait_s=5, hurry=lambda: False)
    assert not marked(mark)


def test_one_that_keeps_ending_is_given_up_and_the_others_go_on(
    journal: Journal, mark: str, tmp_path: Path
) -> None:
    children = Children(journal, changed=lambda: None)
    broken = child("broken", "import sys; print('no such table'); sys.exit(3)", mark, tmp_path)
    broken.answers = lambda pid: False
    sleeper = child("sleeper", "import time; time.sleep(60)", mark, tmp_path)
    children.start(broken)
    children.start(sleeper)
    until(children, lambda: broken.settled)
    assert broken.state == "failed"
    assert "exit status 3" in broken.reason
    assert sleeper.state == "ready"
    assert "FAILED: broken" in journal.path.read_text()
    children.stop(wait_s=5, hurry=lambda: False)


def test_what_worked_is_never_given_up(
    journal: Journal, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends a database each time, until there is room again."""
    # Arrange: one that has run for a while
    monkeypatch.setattr(backoff, "QUICK_S", 1.0)
    room = tmp_path / "room"
    room.touch()
    program = (
        "import os, sys, time\n"
        "if not os.path.exists('room'): print('no room'); sys.exit(1)\n"
        "time.sleep(60)"
    )
    children = Children(journal, changed=lambda: None)
    database = child("database", program, mark, tmp_path)
    children.start(database)
    launch, failures = database.launch, iter(range(2))
    until(children, lambda: time.monotonic() - database.since > 1.0)

    # Act: it ends again and again, and cannot even be started at times
    def at_times(log: int) -> subprocess.Popen[bytes]:
        if next(failures, None) is not None:
            raise OSError("no room for a file")
        return launch(log)

    database.launch = at_times
    room.unlink()
    assert database.process is not None
    database.process.kill()
    until(children, lambda: database.backoff.quick_ends > backoff.GIVE_UP_AFTER)

    # Assert
    until(children, lambda: database.state == "restarting")
    assert "times in a row: no room" in database.reason
    assert "cannot be started (no room for a file)" in journal.path.read_text()
    room.touch()
    until(children, lambda: database.state == "ready" and database.process.poll() is None)  # type: ignore[union-attr]
    children.stop(wait_s=5, hurry=lambda: False)


def test_one_that_ignores_the_request_is_ended_with_its_grandchildren(
    journal: Journal, mark: str, tmp_path: Path
) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True); print('set'); sys.stdout.flush(); time.sleep(60)"
    )
    children = Children(journal, changed=lambda: None)
    children.start(child("stubborn", stubborn, mark, tmp_path))
    until(children, lambda: "set" in journal.path.read_text())
    assert len(marked(mark)) == 2
    children.stop(wait_s=0.2, hurry=lambda: False)
    assert end_marked(mark) == 2
    children.reap()
    assert not marked(mark)


def test_output_is_one_log_with_names(journal: Journal, mark: str, tmp_path: Path) -> None:
    children = Children(journal, changed=lambda: None)
    program = r"import sys; sys.stdout.buffer.write('héllo\n\n\xff'.encode('latin-1'))"
    one = child("speaker", program, mark, tmp_path)
    children.start(one)
    assert one.process is not None
    one.process.wait()
    until(children, lambda: journal.last_words("speaker") != "")
    lines = [line for line in journal.path.read_text().splitlines() if "speaker" in line]
    assert lines[0].endswith("speaker   | h\ufffdllo")
    assert journal.path.stat().st_mode & 0o777 == 0o600


OWNER = """
import os, subprocess, sys, time
from pathlib import Path
from bot.supervisor.files import take_lock
from bot.supervisor.marked import MARK
run, mark = Path(sys.argv[1]), sys.argv[2]
lock = take_lock(run)
guardian = subprocess.Popen([sys.executable, "-m", "bot.supervisor.guardian", run, mark],
    stdin=subprocess.PIPE, pass_fds=(lock,), start_new_session=True)
service = subprocess.Popen(["sleep", "60"], start_new_session=True)
guardian.stdin.write(f"{service.pid}\\n".encode()); guardian.stdin.flush()
subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: mark}, start_new_session=True)
(run / "state.json").write_text("{}")
print(service.pid, flush=True)
time.sleep(60)
"""


def test_after_a_killed_owner_nothing_is_left_and_the_home_is_free(
    mark: str, tmp_path: Path
) -> None:
    owning = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), mark], stdout=subprocess.PIPE, text=True
    )
    assert owning.stdout is not None
    with owning.stdout:
        service = int(owning.stdout.readline())
    assert owner(tmp_path) == owning.pid
    with pytest.raises(AlreadyUp, match=f"process {owning.pid}"):
        take_lock(tmp_path)
    assert marked(mark)
    owning.kill()
    owning.wait()
    lock = take_lock(tmp_path)  # waits for the guardian
    os.close(lock)
    assert not marked(mark)
    assert not alive(service)
    assert not (tmp_path / "state.json").exists()


def test_private_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_state_that_cannot_be_written_is_written_later(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHI3_HOME", str(tmp_path))
    plan = Plan(
        parts=(), embedded_postgres=False, embedded_redis=False, environment={}, ports={}, url=None
    )
    product = Product(plan, given={}, home=Home(), lock=-1, journal=journal)

    product._write_state()  # there is no folder to write it into

    assert "state.json cannot be written" in journal.path.read_text()
    (tmp_path / "run").mkdir()
    product._wait((tmp_path / "run" / "state.json").exists)


def test_a_zombie_is_not_alive() -> None:
    ended = subprocess.Popen(["true"])
    while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not alive(ended.pid)
    ended.wait()
