"""How the threads that compute together wait for each other; no torch is needed here."""

from __future__ import annotations

import os


def wait_briefly() -> None:
    """Have them sleep where they wait; call it before torch is loaded.

    By itself OpenMP has them spin for some milliseconds at each operation, also while the one they
    wait for has no processor because another process has it: one such process took nine tenths of
    the speed of a small model that answers, and as much of one that learns. 1,000 turns are what
    OpenMP takes where it knows that threads are too many.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
