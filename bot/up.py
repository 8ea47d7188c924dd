"""The whole product on one machine: ``phi3 up`` calls ``serve``.

``phi3 up --detach`` runs ``python -m bot.up DESCRIPTOR`` and waits for one JSON line on that pipe,
``{"ready": sentence}`` or ``{"failed": sentence}``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO

from bot.cli.mishaps import explain
from bot.supervisor import preflight
from bot.supervisor.files import AlreadyUp, take_lock
from bot.supervisor.journal import Journal
from bot.supervisor.marked import end_marked, mark_of
from bot.supervisor.plan import make_plan
from bot.supervisor.ports import Ports, complaint
from bot.supervisor.product import CannotStart, Product, Stopped
from bot.supervisor.secrets import lasting_secrets, passing_secrets
from models.settings import Database, Home, Queue, dotenv_names


class Report:
    """To whoever waits for a detached start: JSON lines on a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._pipe: IO[str] | None = os.fdopen(descriptor, "w")

    def tell(self, **what: str) -> None:
        """One line; nothing where nobody listens any more."""
        if self._pipe is not None:
            try:
                self._pipe.write(json.dumps(what) + "\n")
                self._pipe.flush()
            except BrokenPipeError:
                self._pipe = None


def serve(report: Report | None = None) -> None:
    """Run the product until told to stop. Without a report, the log is shown on stdout.

    Raises ``AlreadyUp`` and ``CannotStart``, each with a sentence for the person who started it.
    """
    home, ports = Home(), Ports()
    given = {**dotenv_names(), **{name: value for name, value in os.environ.items() if value}}
    for name, service in (("DATABASE_URL", Database), ("REDIS_URL", Queue)):
        if given.get(name):
            service()  # an address that can be none is named before anything starts
    home.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.run.mkdir(exist_ok=True)
    lock = take_lock(home.run)
    end_marked(mark_of(home.home))  # what an earlier start left, were it and its guardian killed
    for name in ("state.json", "workspace.json"):
        (home.run / name).unlink(missing_ok=True)
    secrets = lasting_secrets(home.home) | passing_secrets()
    trouble = preflight.slack(given)
    away = trouble is not None and trouble.passes
    plan = make_plan(given, ports, home=home.home, secrets=secrets, slack_away=away)
    refused = complaint(plan.ports) or preflight.complaint(given)
    if trouble and not trouble.passes:
        refused = refused or trouble.sentence
    if refused:
        raise CannotStart(refused)
    journal = Journal(home.home / "log", terminal=None if report else sys.stdout)
    product = Product(plan, given=given, home=home, lock=lock, journal=journal)
    try:
        failed = product.start()
        if failed and report:
            raise CannotStart("; ".join(failed))
        line = product.ready_line(failed)
        if trouble:
            line += f" {trouble.sentence}; the bot keeps trying."
        journal.say("up", line if report else f"{line} Ctrl-C stops it.")
        if report:
            report.tell(ready=line)
        product.run()
    except Stopped:
        journal.say("up", "stopping")
    finally:
        product.stop()
        journal.say("up", "stopped; no process is left")
        journal.close()


def main(descriptor: int) -> int:
    """What ``phi3 up --detach`` runs: tell how the start went, then keep on; an exit status."""
    report = Report(descriptor)
    try:
        serve(report)
    except (AlreadyUp, CannotStart) as error:
        report.tell(failed=str(error))
        return 1
    except Exception as error:
        report.tell(failed=explain(error)[0])
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
