"""Threads that compute leave the processor to whom they wait for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SERVER = ["-c", "from models.serve.__main__ import main; assert main() == 2; import torch"]
TRAINER = ["-m", "workers.refresh.train", "/no/recipe.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP")
@pytest.mark.parametrize("program", [SERVER, TRAINER], ids=["server", "trainer"])
def test_they_do_not_spin_while_another_process_has_it(program: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {"PHI3_MODEL": "/no/model", "OMP_DISPLAY_ENV": "verbose"}
    pipe = subprocess.PIPE  # open until its end: the trainer ends with who holds it
    with subprocess.Popen(
        [sys.executable, *program], env=environment, stdin=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stderr is not None
        assert "GOMP_SPINCOUNT = '1000'" in process.stderr.read()
