"""Model servers as processes: ours, and ``transformers serve``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.models.serve.serving import TOKEN
from tests.support.product import free_ports

START_S = 180.0


@contextmanager
def our_server(path: Path, home: Path) -> Iterator[tuple[str, str, int]]:
    """URL, admin URL and process id of ``python -m models.serve``."""
    port = free_ports(2)
    admin = port + 1
    environment = os.environ | {
        "PHI3_MODEL": str(path),
        "PHI3_EMBEDDING_MODEL": "none",
        "PHI3_LLM_PORT": str(port),
        "PHI3_LLM_ADMIN_PORT": str(admin),
        "PHI3_ADMIN_TOKEN": TOKEN,
        "PHI3_HOME": str(home),
    }
    command = [sys.executable, "-m", "models.serve"]
    with serving_process(command, environment, f"http://127.0.0.1:{port}/health") as pid:
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", pid


@contextmanager
def their_server(path: Path) -> Iterator[str]:
    """URL of ``transformers serve`` with continuous batching."""
    port = free_ports(1)
    command = [
        str(Path(sys.executable).with_name("transformers")), "serve", str(path),
        "--continuous-batching", "--host", "127.0.0.1", "--port", str(port),
        "--cb-num-blocks", "256", "--cb-max-batch-tokens", "512", "--device", "cpu",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with serving_process(command, dict(os.environ), f"{url}/health"):
        yield url


@contextmanager
def serving_process(command: list[str], environment: dict[str, str], health: str) -> Iterator[int]:
    """The id of a server process, once ``health`` answers; it ends with the block."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_S
            while True:
                with suppress(httpx.HTTPError):
                    if httpx.get(health, timeout=2, trust_env=False).status_code == 200:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(log.read().decode(errors="replace")[-800:])
                time.sleep(0.2)
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024
