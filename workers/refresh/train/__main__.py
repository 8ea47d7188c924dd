"""``python -m workers.refresh.train RECIPE``: the trainer as a process.

Exit status 0: the adapter's directory is complete. 3: refused; the last line says why. The process
ends when its standard input closes, so that it never outlives the worker that started it: it
listens for that before the seconds that its libraries take to load.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from models.threads import wait_briefly


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    if not sys.stdin.isatty():
        threading.Thread(target=_end_with_parent, daemon=True).start()
    wait_briefly()
    from workers.refresh.train.run import main

    sys.exit(main(Path(sys.argv[1])))
