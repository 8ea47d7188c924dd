"""The trainer, a process of its own: ``python -m workers.refresh.train RECIPE``."""
