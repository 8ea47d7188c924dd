"""Where a batch manager's outputs go: to whoever listens for the request, else nowhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from transformers.generation.continuous_batching.continuous_api import OutputRouter


class Router(OutputRouter):
    """Unlike the manager's own, keeps nothing for requests that nobody listens for any more."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners: dict[str, Callable[[list[Any]], None]] = {}

    def listen(self, ident: str, deliver: Callable[[list[Any]], None]) -> None:
        """Send the outputs of a request to ``deliver``; several requests may share one."""
        self._listeners[ident] = deliver

    def forget(self, ident: str) -> bool:
        """Stop sending; whether somebody was listening."""
        return self._listeners.pop(ident, None) is not None

    def deliver(self, output: Any) -> None:
        """One output; called by the manager's thread."""
        self.deliver_batch([output])

    def deliver_batch(self, outputs: Sequence[Any]) -> None:
        """The outputs of one step, one call a listener."""
        groups: defaultdict[Callable[[list[Any]], None], list[Any]] = defaultdict(list)
        for output in outputs:
            listener = self._listeners.get(output.request_id)
            if output.is_finished():
                self._listeners.pop(output.request_id, None)
            if listener is not None:
                groups[listener].append(output)
        for listener, group in groups.items():
            listener(group)
