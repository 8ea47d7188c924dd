"""How the model server listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from models.serve.http.server import listen


def test_answers_are_not_held_back_for_an_acknowledgement() -> None:
    # Without the protocol's name asyncio leaves Nagle's algorithm on: 40 ms an answer.
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP")
def test_threads_that_compute_do_not_spin_while_another_process_has_the_processor() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {"PHI3_MODEL": "/no/model", "OMP_DISPLAY_ENV": "verbose"}
    code = "from models.serve.__main__ import main; assert main() == 2; import torch"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "GOMP_SPINCOUNT = '1000'" in done.stderr
