"""Paced work rests often, and leaves no trace."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from models.serve.phi3.pace import aside, paced


def _work(seconds: float) -> None:
    def step() -> int:
        return sum(range(50))

    started = time.thread_time()
    while time.thread_time() - started < seconds:
        step()


def test_paced_work_rests_in_proportion() -> None:
    before, hook = time.monotonic(), sys.getprofile()
    with paced(work_s=0.002, rest_s=0.02):
        _work(0.02)
    assert time.monotonic() - before > 0.1
    assert sys.getprofile() is hook


def test_a_profiler_keeps_its_place() -> None:
    def profiler(*_: object) -> None:
        return None

    outer = sys.getprofile()
    sys.setprofile(profiler)
    try:
        with paced():
            assert sys.getprofile() is profiler
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(outer)


@pytest.mark.skipif(sys.platform != "linux", reason="priority is a thread's own on Linux alone")
def test_work_aside_has_the_lowest_priority_and_leaves_ours_alone() -> None:
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = nice()
    assert aside(nice) == 19
    assert nice() == before


def test_what_work_aside_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 // 0)
