"""The embedded services under bad circumstances: killed owners, lost secrets, awkward homes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bot.embedded.access import make_readable, service_user, socket_folder
from bot.embedded.leftover import end_leftover
from bot.embedded.postgres import Postgres, PostgresFailed
from bot.embedded.redis import Redis
from bot.supervisor.files import alive

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deep, and with spaces: too long for a Unix socket's path."""
    return tmp_path_factory.mktemp("a home") / ("with spaces " * 8)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with (tmp_path_factory.mktemp("log") / "services.log").open("wb") as file:
        yield file.fileno()


def test_postgres_after_a_kill_needs_its_own_secret(home: Path, log: int) -> None:
    first = Postgres(home)
    first.start(log=log)
    assert first.process is not None
    with psycopg.connect(first.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    secret = home / "secrets" / "postgres"
    kept = secret.read_text()
    secret.unlink()
    with pytest.raises(PostgresFailed, match="is missing: put the file back"):
        _ = Postgres(home).url
    assert not secret.exists()
    secret.touch(0o600)
    secret.write_text("another one's")
    stranger = Postgres(home)
    with pytest.raises(PostgresFailed, match="holds another one: put the file back"):
        stranger.start(log=log)
    stranger.stop()
    secret.write_text(f"{kept}\n")
    again = Postgres(home)
    again.start(log=log)
    try:
        with psycopg.connect(again.url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert (home / "secrets" / "postgres").stat().st_mode & 0o777 == 0o600
        user = service_user()
        if user:
            assert (home / "postgres").stat().st_uid == user.pw_uid
    finally:
        again.stop()
    assert again.process is not None
    assert again.process.returncode == 0


def test_a_half_made_cluster_is_made_anew(tmp_path: Path, log: int) -> None:
    (tmp_path / "postgres" / "base").mkdir(parents=True)
    (tmp_path / "postgres" / "base" / "1").write_text("half")
    server = Postgres(tmp_path)
    server.start(log=log)
    server.stop()
    assert (tmp_path / "postgres" / "PG_VERSION").exists()


def test_redis_refuses_a_wrong_password_and_recovers_from_a_kill(home: Path, log: int) -> None:
    from redis import Redis as Client
    from redis.exceptions import AuthenticationError

    server = Redis(home)
    server.start(log=log)
    assert server.process is not None
    stranger = Client(unix_socket_path=str(server.socket))
    with pytest.raises(AuthenticationError):
        stranger.ping()
    stranger.close()
    arguments = Path(f"/proc/{server.process.pid}/cmdline")
    if arguments.exists():
        assert server.password.encode() not in arguments.read_bytes()
    server.process.kill()
    server.process.wait()
    assert not server.answers()
    server.start(log=log)
    assert server.answers()
    server.stop()


def test_redis_takes_messages_where_it_cannot_save_them(home: Path, log: int) -> None:
    from redis import Redis as Client

    server = Redis(home)
    server.start(log=log)
    client = Client.from_url(server.url)
    try:
        server.data.rename(home / "moved")  # as good as a full disk
        client.config_set("dir", "/")
        client.config_set("dbfilename", "proc")  # a folder's name
        client.bgsave()
        deadline = time.monotonic() + 10
        while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.set("bell", "rings")
    finally:
        client.close()
        server.stop()


OWNER = """
import sys, time
from pathlib import Path
from bot.embedded.redis import Redis
server = Redis(Path(sys.argv[1]))
server.start(log=2)
print(server.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_service_ends_with_a_killed_owner(tmp_path: Path, log: int) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, stderr=log, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        service = int(owner.stdout.readline())
    assert alive(service)
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 5
    while alive(service):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_leftover_server_is_ended_and_a_stranger_with_its_number_is_not(tmp_path: Path) -> None:
    pid_file = tmp_path / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file.write_text(f"{stranger.pid}\n/data\n")
        end_leftover(pid_file, "postgres")
        assert not pid_file.exists()
        assert stranger.poll() is None
        pid_file.write_text(str(stranger.pid))
        end_leftover(pid_file, "sleep")
        assert stranger.wait() == -signal.SIGTERM


def test_sockets_fit_wherever_the_home_is(tmp_path: Path) -> None:
    name = "redis.sock"
    assert socket_folder(Path("/h"), "redis", longest_name=name) == Path("/h/run/redis")
    deep = tmp_path / ("x" * 120)
    short = socket_folder(deep, "redis", longest_name=name)
    assert len(str(short / name)) < 100
    assert short != socket_folder(deep / "y", "redis", longest_name=name)


def test_programs_installed_under_umask_077_become_readable(tmp_path: Path) -> None:
    tree = tmp_path / "programs"
    (tree / "bin").mkdir(parents=True)
    program = tree / "bin" / "postgres"
    program.write_text("#!")
    program.chmod(0o700)
    for folder in (tree / "bin", tree):
        folder.chmod(0o700)
    make_readable(tree)
    assert program.stat().st_mode & 0o777 == 0o705
    assert tree.stat().st_mode & 0o005 == 0o005
