"""A whole product of one's own: started, used, stopped, its folder removed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

COMMAND_S = 900.0


@dataclass(frozen=True)
class Product:
    """A running ``phi3 up`` under a home of its own."""

    home: Path
    environment: Mapping[str, str]  # what its commands are called with

    @property
    def state(self) -> dict[str, Any]:
        """``run/state.json``."""
        return self._read("state.json")

    @property
    def services(self) -> dict[str, str]:
        """Addresses and keys of its parts, by the names of the settings."""
        return dict(self.state["env"])

    @property
    def workspace(self) -> dict[str, Any]:
        """Its local workspace: address, people with tokens, channels."""
        return self._read("workspace.json")

    @property
    def url(self) -> str:
        """Its page."""
        return f"http://127.0.0.1:{self.environment['PHI3_PORT']}"

    def phi3(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command; raises AssertionError with its output where it fails."""
        ended = subprocess.run(
            [str(Path(sys.executable).with_name("phi3")), *arguments],
            env=dict(self.environment),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        if check and ended.returncode:
            raise AssertionError(f"phi3 {arguments}: {ended.stdout}{ended.stderr}")
        return ended

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the product's database."""
        url = self.services["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(url) as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def kill(self, part: str) -> int:
        """kill -9 a part with all its children, as a machine out of memory does; its old pid."""
        pid = int(self.state["parts"][part]["pid"])
        for one in [*_descendants(pid), pid]:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:  # it ended with the one before
                continue
        return pid

    def _read(self, name: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads((self.home / "run" / name).read_text("utf-8"))
        return body


@contextmanager
def running(**settings: str) -> Iterator[Product]:
    """Start ``phi3 up --detach`` on free ports and an empty home; stop it at the end.

    ``settings`` are environment variables for it. Its log is shown where it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="phi3-own-", ignore_cleanup_errors=True) as folder:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PHI3_", "SLACK_"))
            and name not in ("DATABASE_URL", "REDIS_URL")
        }
        environment = {
            **kept,
            "HF_HUB_OFFLINE": "1",
            "PHI3_HOME": folder,
            "PHI3_PORT": str(free_ports()),
            **settings,
        }
        product = Product(Path(folder), environment)
        try:
            product.phi3("up", "--detach")
            yield product
        finally:
            product.phi3("down", check=False)


def free_ports(count: int = 8) -> int:
    """The first of ``count`` neighbouring free ports below the ephemeral range.

    Each process begins to look elsewhere, so that two suites at once do not take the same.
    """
    places = range(21_304, 29_000, count)
    begin = os.getpid() % len(places)
    in_turn: list[int] = [*places[begin:], *places[:begin]]
    for first in in_turn:
        if all(_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text("utf-8")
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    found = list(parents.get(pid, []))
    for child in found:
        found.extend(parents.get(child, []))
    return found
