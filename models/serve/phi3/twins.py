"""A model skeleton over shared weights with its own adapter and its own batch manager.

Each adapter is served by a twin of the base: a second tree of modules whose parameters are the
very tensors of the base. A twin is never changed once it serves, so that an answer can only come
from the adapter it began with, and loading or dropping one disturbs no other.
"""

from __future__ import annotations

import copy
import gc
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.serve.phi3 import attention
from models.serve.phi3.pace import aside

log = logging.getLogger(__name__)

STOP_SECONDS = 30.0
ADAPTER = "default"  # what PEFT calls the only one of a twin: its own names may hold no dots


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What one manager may hold."""

    cache_tokens: int  # keys and values of so many tokens
    batch_tokens: int  # tokens of one forward pass
    requests: int  # sequences of one forward pass
    page: int  # tokens a page of the cache


def share(model: Any) -> Any:
    """A copy of the module tree that owns no weights: every tensor is the original's."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            memo.update((id(tensor), tensor) for tensor in tensors.values() if tensor is not None)
        state = getattr(module, "quant_state", None)  # bitsandbytes keeps scales outside
        if state is not None:
            memo[id(state)] = state
    return copy.deepcopy(model, memo)


def with_adapter(model: Any, directory: Path) -> Any:
    """A twin of ``model`` with the LoRA adapter in ``directory``; raises ValueError or OSError."""
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(
        share(model),
        directory,
        adapter_name=ADAPTER,
        is_trainable=False,
        autocast_adapter_dtype=False,
    )
    return adapted.eval().base_model.model


def give_back() -> None:
    """Return the memory of what was dropped, cycles of it included, to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Twin:
    """A model with a running batch manager. ``enter``/``leave`` count its readers."""

    def __init__(self, name: str, model: Any, *, sizes: Sizes, ends: Sequence[int]) -> None:
        self.name = name
        self.model = model
        self._sizes = sizes
        self._ends = list(ends)
        self._lock = threading.Lock()
        self._readers = 0
        self._closing = False
        self._idle = threading.Event()
        self._idle.set()
        self._router: Any = None
        self._manager: Any = None

    def start(self, *, while_others_run: bool = False) -> None:
        """Start the manager's thread; ``while_others_run``: they come first."""
        with self._lock:
            self._start(while_others_run)

    def enter(self) -> bool:
        """Count one more reader; False if the twin is on its way out."""
        with self._lock:
            if self._closing:
                return False
            self._readers += 1
            self._idle.clear()
            return True

    def leave(self) -> None:
        """Count one reader less."""
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._idle.set()

    def submit(
        self, ident: str, ids: list[int], max_new: int, deliver: Callable[[list[Any]], None]
    ) -> None:
        """Queue a prompt; ``deliver`` is called in the manager's thread with each step's outputs.

        A manager that died of one step (out of memory, say) is replaced first.
        """
        with self._lock:
            if self._dead():
                log.error("the batch manager of %s died; starting another", self.name)
                self._bury()
                self._start()
            self._router.listen(ident, deliver)
            accepted = self._manager.add_request(
                ids,
                request_id=ident,
                max_new_tokens=max_new,
                streaming=True,
                eos_token_id=self._ends,
            )
        if accepted is None:
            self._router.forget(ident)
            raise RuntimeError(f"the batch manager of {self.name} takes no requests")

    def cancel(self, ident: str) -> None:
        """Stop work on a request and forget it; fine if it has ended."""
        if self._router.forget(ident):
            self._manager.cancel_request(ident)

    def drain(self) -> None:
        """Refuse new readers, wait for the last one, then stop and let go of the memory."""
        with self._lock:
            self._closing = True
        self._idle.wait()
        self.stop()

    def stop(self) -> None:
        """Stop at once; requests in flight fail."""
        with self._lock:
            self._closing = True
            manager, self._manager = self._manager, None
        if manager is not None:
            _end(manager)
        self.model = None

    def _dead(self) -> bool:
        status = self._manager.background_thread_status  # until its thread ends it only says so
        return not self._manager.is_running() or status.can_accept_new_requests() is not None

    def _bury(self) -> None:
        """Let go of a dead manager's cache, which its error holds too, before the next has one."""
        manager, self._manager = self._manager, None
        _end(manager)
        del manager
        give_back()

    def _start(self, while_others_run: bool = False) -> None:
        import torch
        from transformers import ContinuousBatchingConfig

        from models.serve.phi3.router import Router

        config = copy.deepcopy(self.model.generation_config)
        config.do_sample = False
        config.eos_token_id = self._ends
        config.max_new_tokens = None
        for warper in ("temperature", "top_k", "top_p", "min_p", "typical_p"):
            setattr(config, warper, None)
        self.model.config._attn_implementation = "sdpa"  # a manager knows no other without a GPU
        self._manager = self.model.init_continuous_batching(
            generation_config=config,
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=self._sizes.page,
                num_blocks=-(-self._sizes.cache_tokens // self._sizes.page),
                max_batch_tokens=self._sizes.batch_tokens,
                max_requests_per_batch=self._sizes.requests,
                auto_switch_to_flash=False,
            ),
        )
        if attention.fits(self.model):
            attention.use(self.model)
        # The loop itself only asks for no gradients; without autograd's records a step of a small
        # model takes an eighth less.
        loop = torch.inference_mode()(self._manager._run_generation_loop)
        self._manager._run_generation_loop = loop
        self._router = Router()
        self._manager.output_router = self._router
        if while_others_run and self.model.device.type == "cpu":
            # The cache is written once from end to end, most of what a load costs: 95 of 130 ms
            # with a tiny model. The manager would do it in its own thread, at full priority.
            self._manager.batch_processor = aside(self._manager._create_batch_processor)
        self._manager.start()


def _end(manager: Any) -> None:
    manager.stop(block=True, timeout=STOP_SECONDS, hard_stop=True)
    manager.model = None
