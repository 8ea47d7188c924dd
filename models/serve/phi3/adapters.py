"""The adapters in service: checked, probed, visible; taken away when their last reader is done."""

from __future__ import annotations

import importlib
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.lm import manifest
from models.lm.manifest import AdapterManifest, BaseIdentity, ManifestError
from models.serve.errors import Busy, RequestError
from models.serve.generation import Card
from models.serve.phi3 import finite
from models.serve.phi3.pace import paced
from models.serve.phi3.twins import ADAPTER, Sizes, Twin, give_back, with_adapter

log = logging.getLogger(__name__)

PROBE_TOKENS = 2
PROBE_SECONDS = 120.0
DRAIN_SECONDS = 60.0  # that a load waits for the place of an adapter on its way out


@dataclass(frozen=True)
class _Shelved:
    twin: Twin
    manifest: AdapterManifest
    directory: Path


class AdapterShelf:
    """Thread-safe; loads and unloads happen one after the other, reading never waits for them.

    What is unloaded holds its place until its last reader is done: the memory is planned for
    ``capacity`` adapters.
    """

    def __init__(
        self,
        seed: Any,
        *,
        root: Path,
        identity: BaseIdentity,
        capacity: int,
        sizes: Sizes,
        ends: Sequence[int],
    ) -> None:
        """``root`` is the only directory that adapters come from.

        ``seed``: the base's weights in a tree of modules that never runs. To copy one while it
        generates fails now and then: a dictionary changes size.
        """
        self._seed = seed
        self._root = root
        self._identity = identity
        self._capacity = capacity
        self._sizes = sizes
        self._ends = list(ends)
        self._changing = threading.Condition()
        self._visible: dict[str, _Shelved] = {}
        self._leaving = 0
        importlib.import_module("peft")  # seconds of Python: not while others generate

    def get(self, name: str) -> Twin | None:
        """The twin that serves ``name``."""
        shelved = self._visible.get(name)
        return shelved.twin if shelved else None

    def cards(self, *, parent: str, max_model_len: int) -> list[Card]:
        """Lines for ``/v1/models``, in order of loading."""
        return [
            Card(id=name, parent=parent, root=str(shelved.directory), max_model_len=max_model_len)
            for name, shelved in self._visible.items()
        ]

    def load(self, name: str, path: Path, probe: list[int]) -> None:
        """Check, load and probe the adapter in ``path``, then make it visible.

        Waits a while for one that is on its way out, if there is no other place.
        Loading what is there already is fine; other content under its name is refused. Raises
        RequestError with the reason.
        """
        directory = self._inside(path)
        if not manifest.NAME.match(name):
            raise RequestError(
                "`lora_name` must be small letters, digits, '.', '_' or '-'.", param="lora_name"
            )
        with self._changing:
            try:
                with paced():
                    described = manifest.check(directory, name=name, identity=self._identity)
            except ManifestError as error:
                raise RequestError(f"{name} is refused: {error}.", param="lora_path") from error
            self._changing.wait_for(
                lambda: name in self._visible or self._full() or self._free(), DRAIN_SECONDS
            )
            present = self._visible.get(name)
            if present is not None:
                if present.manifest.files == described.files:
                    return
                raise RequestError(
                    f"{name} is loaded with other content: an adapter's name is never reused.",
                    status=409,
                    param="lora_name",
                )
            if self._full():
                raise RequestError(
                    f"{self._capacity} adapters are loaded already: unload one first.", status=409
                )
            if not self._free():
                raise Busy(f"{self._leaving} adapters are still answering: try again soon.")
            twin = self._open(name, directory, described, probe)
            self._visible = {**self._visible, name: _Shelved(twin, described, directory)}
            log.info("adapter %s is in service", name)

    def unload(self, name: str) -> None:
        """Hide the name at once; return when its readers are done and its memory is free."""
        with self._changing:
            shelved = self._visible.get(name)
            if shelved is None:
                raise RequestError(
                    f"The lora adapter '{name}' cannot be found.",
                    status=404,
                    code="adapter_not_found",
                    param="lora_name",
                )
            self._visible = {k: v for k, v in self._visible.items() if k != name}
            self._leaving += 1
        try:
            shelved.twin.drain()
            give_back()
        finally:
            with self._changing:
                self._leaving -= 1
                self._changing.notify_all()
        log.info("adapter %s is out of service", name)

    def close(self) -> None:
        """Stop every twin at once."""
        with self._changing:
            visible, self._visible = self._visible, {}
        for shelved in visible.values():
            shelved.twin.stop()

    def _full(self) -> bool:
        return len(self._visible) >= self._capacity

    def _free(self) -> bool:
        return len(self._visible) + self._leaving < self._capacity

    def _inside(self, path: Path) -> Path:
        """``path`` with every link followed; raises RequestError unless it is under the root."""
        try:
            directory = path.resolve(strict=True)
            inside = directory.is_relative_to(self._root.resolve(strict=True))
        except (OSError, ValueError, RuntimeError):
            inside = False
        if not inside or not directory.is_dir():
            raise RequestError(
                "`lora_path` must be a directory under the adapter directory.", param="lora_path"
            )
        return directory

    def _open(
        self, name: str, directory: Path, described: AdapterManifest, probe: list[int]
    ) -> Twin:
        try:
            with paced():
                model = with_adapter(self._seed, directory)
                _check_placed(model, described)
            twin = Twin(name, model, sizes=self._sizes, ends=self._ends)
            twin.start(while_others_run=True)
        except Exception as error:  # PEFT and safetensors raise what they like
            log.error("adapter %s", name, exc_info=error)
            give_back()
            raise RequestError(
                f"{name} could not be loaded: {' '.join(str(error).split())[:200]}",
                param="lora_path",
            ) from error
        try:
            _probe(twin, probe)
        except RequestError:
            twin.stop()
            give_back()
            raise
        return twin


def _check_placed(model: Any, described: AdapterManifest) -> None:
    """Every tensor of the file must have found its place, by name, and hold numbers.

    Raises ValueError. PEFT itself only warns.
    """
    places = {
        f"base_model.model.{tensor.replace(f'.{ADAPTER}.', '.')}"
        for tensor, _ in model.named_parameters()
        if ".lora_" in tensor
    }
    if places != described.tensors.keys():
        fit = len(places & described.tensors.keys())
        raise ValueError(
            f"{len(described.tensors)} tensors, of which {fit} fit the {len(places)} places"
        )
    adapted = ((name, value) for name, value in model.named_parameters() if ".lora_" in name)
    if broken := finite.broken(adapted):
        raise ValueError(f"{broken} holds NaN or infinite numbers")


def _probe(twin: Twin, ids: list[int]) -> None:
    """One short answer; raises RequestError if none comes or its numbers are broken."""
    import torch

    with torch.inference_mode():
        logits = twin.model(torch.tensor([ids], device=twin.model.device), use_cache=False).logits
    if not bool(torch.isfinite(logits).all()):
        raise RequestError(f"{twin.name} is refused: its numbers are broken.", param="lora_path")
    box: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
    twin.submit("probe", ids, PROBE_TOKENS, box.put)
    while True:
        try:
            outputs = box.get(timeout=PROBE_SECONDS)
        except queue.Empty:
            raise RequestError(f"{twin.name} did not answer a probe.", status=500) from None
        for output in outputs:
            if output.error is not None:
                raise RequestError(f"{twin.name} failed on a probe.", status=500)
            if output.is_finished():
                return
