"""A model server that is full for now is asked again: a night has time, and hours of work in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from models.lm.client import ModelBusy

TRIES = 30

T = TypeVar("T")


def patiently(ask: Callable[[], T]) -> T:
    """What ``ask`` returns; raises ``ModelBusy`` where the server stays full."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except ModelBusy as busy:
            time.sleep(min(busy.retry_after, 10.0))
    return ask()
