"""A night: one row, one step after another, each committed before the next begins.

Every step may be begun again after kill -9 and then does the rest of it once: the dataset is
written beside its place and renamed, training goes on from its checkpoint, answers that were
scored are not asked again, and the live row flips in one transaction.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from models.lm.client import ModelUnavailable
from models.settings import LanguageModel, wrong_settings
from models.store import adapters, consents, refreshes
from models.store.session import Sessions, transaction
from workers.refresh import choosing, judging, promote, report, room, training
from workers.refresh.lease import BASE, Ended, Night, beating, overtaken
from workers.refresh.settings import LEASE_S, Nights

log = logging.getLogger(__name__)

ATTEMPTS = 60  # of one night; a worker that dies each time is not let in for ever


def run(sessions: Sessions, refresh_id: int, *, worker: str) -> bool:
    """Take the night and bring it to its end; false where it is another's, or over."""
    try:
        lease_s, wrong = Nights().lease_s, None
    except ValidationError as error:
        lease_s, wrong = LEASE_S, error  # claimed all the same: whoever began it is told
    with transaction(sessions) as session:
        row = refreshes.claim(session, refresh_id, worker=worker, lease_s=lease_s)
    if row is None:
        return False
    night = Night(
        sessions=sessions,
        id=refresh_id,
        worker=worker,
        lease_s=lease_s,
        progress=dict(row.progress),
    )
    try:
        if wrong is not None:
            raise wrong
        with beating(night):
            if row.attempts > ATTEMPTS:
                raise Ended("skipped", f"The night was begun {ATTEMPTS} times and never finished.")
            if row.trigger == "evaluate":
                judging.compare(night)
            else:
                _steps(night)
    except refreshes.Lost:
        log.info("refresh %d is no longer ours", refresh_id)
    except Ended as end:
        _end(night, end)
    except Exception as error:
        _fail(night, error)
    return True


def _steps(night: Night) -> None:
    steps: dict[str, Callable[[Night], None]] = {
        "dataset": choosing.choose,
        "train": training.train,
        "evaluate": judging.answer,
        "gate": judging.decide,
        "promote": _promote,
        "report": _report,
    }
    while True:
        row = night.row()
        if row.step != "report":
            with transaction(night.sessions) as session:
                if not consents.learning(session):
                    raise Ended(
                        "skipped", "Learning is off. An admin turns it on with /phi3 learning on."
                    )
        log.info("refresh %d: %s", night.id, row.step)
        night.progress = {"step": row.step}
        report.progress(night.sessions, row, night.progress)
        steps[row.step](night)
        if row.step == "report":
            return
        with transaction(night.sessions) as session:
            held = refreshes.held(session, night.id, worker=night.worker)
            held.step = refreshes.STEPS[refreshes.STEPS.index(row.step) + 1]


def _promote(night: Night) -> None:
    with transaction(night.sessions) as session:
        held = refreshes.held(session, night.id, worker=night.worker)
        adapter = adapters.by_name(session, night.name)
    if held.verdict != "promoted" or adapter.state == "live":
        return
    promote.load_everywhere(adapter.name, str(adapter.path), language=LanguageModel())
    with transaction(night.sessions) as session:
        adapters.lock(session)
        held = refreshes.held(session, night.id, worker=night.worker)
        live = adapters.in_service(session, base=adapter.base)
        if held.metrics["compared_with"] != (live.name if live else BASE):
            raise overtaken(held.metrics["compared_with"])
        adapters.promote(session, night.name, actor="night")


def _report(night: Night) -> None:
    with transaction(night.sessions) as session:
        held = refreshes.held(session, night.id, worker=night.worker)
        report.morning(session, held, adapter=night.name)
        refreshes.end(session, held, verdict=held.verdict, reasons=held.reasons)


def _end(night: Night, end: Ended) -> None:
    with transaction(night.sessions) as session:
        held = refreshes.held(session, night.id, worker=night.worker)
        _drop_candidate(session, night, end.verdict, end.reason)
        held.verdict, held.reasons = end.verdict, [end.reason]
        if end.again:
            held.metrics = {**held.metrics, "again": True}
        report.morning(session, held, adapter=None)
        refreshes.end(session, held, verdict=end.verdict, reasons=[end.reason])


def _fail(night: Night, error: Exception) -> None:
    error_id = uuid4().hex[:8]
    log.error("%s refresh %d failed", error_id, night.id, exc_info=error)
    with contextlib.suppress(refreshes.Lost), transaction(night.sessions) as session:
        held = refreshes.held(session, night.id, worker=night.worker)
        live = adapters.live(session)
        flipped = live is not None and live.name == night.name
        if flipped or held.step == "report":  # what was decided stands
            now = f"{night.name} is in service" if flipped else "nothing in service has changed"
            sentence = f"The night's report could not be written; {now}."
            verdict, reasons = held.verdict, list(held.reasons)
        else:
            sentence = _sentence(error)
            verdict, reasons = None, [sentence]
            _drop_candidate(session, night, "failed", sentence)
        report.failed(session, held, sentence=sentence, error_id=error_id)
        refreshes.end(
            session, held, verdict=verdict, reasons=reasons, error=sentence, error_id=error_id
        )


def _sentence(error: Exception) -> str:
    """What the admins are told; the log has the rest."""
    if isinstance(error, ModelUnavailable):
        return "A model server did not answer, so the night ended."
    if isinstance(error, ValidationError):
        return f"{wrong_settings(error)}; nothing in service has changed."
    if room.is_lacking(error):
        return "There is no room left on the disk, so the night ended; nothing has changed."
    return "The night failed; nothing in service has changed."


def _drop_candidate(session: Any, night: Night, verdict: str, reason: str) -> None:
    with contextlib.suppress(adapters.NoSuchAdapter):
        adapters.judged(session, night.name, verdict=verdict, reason=reason)
