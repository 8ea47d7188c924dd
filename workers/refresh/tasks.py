"""Celery's door to the nights: thin, and light to import for workers that never run one."""

from __future__ import annotations

from workers import process
from workers.app import app, sessions


@app.task(name="refresh.run")
def run(refresh_id: int) -> None:
    """Bring a night to its end, from wherever it stands."""
    from workers.refresh import night, promote

    night.run(sessions(), refresh_id, worker=process.name())
    promote.sweep_files(sessions())


@app.task(name="adapters.reconcile")
def reconcile() -> None:
    """Bring model servers to the registry, settle approved pairs, delete what must go."""
    from workers.refresh import promote, settle

    promote.reconcile(sessions())
    promote.sweep_files(sessions())
    settle.settle(sessions())
