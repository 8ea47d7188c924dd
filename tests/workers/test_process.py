"""A process is told from another one that has its number, and a dead one from a living one."""

from __future__ import annotations

import os
import subprocess
import sys

from workers import process


def test_a_living_process_is_not_dead() -> None:
    assert not process.is_dead(process.name())
    assert not process.is_dead(f"{process.name()}:an-attempt")


def test_a_process_that_ended_is_dead_even_before_its_parent_noticed() -> None:
    shown = [sys.executable, "-c", "from workers import process; print(process.name(), flush=True)"]
    with subprocess.Popen(shown, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert process.is_dead(name)
    assert process.is_dead(name)


def test_a_number_used_again_is_another_process() -> None:
    host, pid, started, place = process.name().split(":")
    assert process.is_dead(f"{host}:{pid}:{int(started) - 1}:{place}")


def test_what_cannot_be_seen_from_here_counts_as_living() -> None:
    host, _, started, place = process.name().split(":")
    assert not process.is_dead(f"elsewhere:999999999:{started}:{place}")
    assert not process.is_dead(f"{host}:999999999:{started}:another-boot-1")
    assert not process.is_dead("w")
    assert not process.is_dead("host:12")
