"""A real model server over a tiny Phi-3, and what a refresh worker beside it is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.workers.refresh import house

TOKEN = "the tests' own"


@dataclass(frozen=True)
class Served:
    """Where the tiny model answers."""

    url: str
    admin: str
    base: Path
    home: Path


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serve(place: Path) -> Iterator[Served]:
    """``python -m models.serve`` with a tiny Phi-3 of random weights; all of it in ``place``."""
    base, home = house.tiny(place / "tiny"), place / "home"
    home.mkdir()
    port, admin = _free(), _free()
    environment = {
        **os.environ,
        "PHI3_MODEL": str(base),
        "PHI3_LLM_PORT": str(port),
        "PHI3_HOME": str(home),
        "PHI3_LLM_ADMIN_PORT": str(admin),
        "PHI3_LLM_HOST": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
        "PHI3_ADMIN_TOKEN": TOKEN,
        "PHI3_MAX_MODEL_LEN": "1024",
        "PHI3_MAX_CONCURRENT": "8",
    }
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "models.serve"], env=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            if process.poll() is not None:
                raise RuntimeError((place / "log").read_text())
            try:
                if httpx.get(f"{url}/health", trust_env=False, timeout=2).is_success:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.25)
        yield Served(url=url, admin=f"http://127.0.0.1:{admin}", base=base, home=home)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


SETTINGS = {
    "PHI3_ADMIN_TOKEN": TOKEN,
    "PHI3_LEARNING": "on",
    "PHI3_TRAIN_EPOCHS": "8",
    "PHI3_TRAIN_LR": "0.01",
    "PHI3_EVALUATE_TOKENS": "24",
    "PHI3_MIN_PAIRS": "60",
    "OMP_NUM_THREADS": "1",
}


def environment(served: Served, database_url: str) -> dict[str, str]:
    """What a refresh worker is told."""
    return {
        **SETTINGS,
        "DATABASE_URL": database_url,
        "PHI3_HOME": str(served.home),
        "PHI3_MODEL": str(served.base),
        "PHI3_LLM_URL": served.url,
        "PHI3_LLM_ADMIN_URLS": served.admin,
    }
