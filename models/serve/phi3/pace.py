"""Work that leaves the interpreter and the processor to the threads that generate.

Only one thread runs Python at a time, and one that never waits keeps each other thread waiting up
to the switch interval at every single operation on a tensor.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

WORK_S = 0.001
REST_S = 0.015


@contextmanager
def paced(work_s: float = WORK_S, rest_s: float = REST_S) -> Iterator[None]:
    """In this thread, rest ``rest_s`` after each ``work_s`` of its processor time.

    Rests fall on calls of Python functions, also of libraries that know nothing of this. A profiler
    that is at work in this thread keeps its place, and nothing is paced.
    """
    if sys.getprofile() is not None:
        yield
        return
    until = time.thread_time() + work_s

    def hook(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal until
        if event == "call" and time.thread_time() > until:
            time.sleep(rest_s)
            until = time.thread_time() + work_s

    sys.setprofile(hook)
    try:
        yield
    finally:
        sys.setprofile(None)


def aside(work: Callable[[], T]) -> T:
    """Do ``work`` with what processor time others leave, and wait for it; raises what it raises.

    For work outside the interpreter: whoever holds that must not be made to wait. A thread's
    priority cannot be raised again, so it is a thread of its own.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="aside", initializer=_step_back) as pool:
        return pool.submit(work).result()


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
