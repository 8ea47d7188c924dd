"""Phi-3 as a generator: bounded, batched, with adapters that come and go."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.lm import manifest
from models.serve.errors import Busy, RequestError, UnknownModel
from models.serve.generation import Card, Generation, Likelihood, Message, Params, Tokens
from models.serve.phi3.adapters import AdapterShelf
from models.serve.phi3.chat import ChatTokenizer
from models.serve.phi3.loading import Loaded
from models.serve.phi3.runs import Detokenizer, Mailroom, Run
from models.serve.phi3.scoring import likelihoods
from models.serve.phi3.sizes import sizes_for
from models.serve.phi3.twins import Twin, share

if TYPE_CHECKING:
    from models.serve.settings import ServeSettings

log = logging.getLogger(__name__)

DEFAULT_NEW = 512  # tokens, where a request names no limit


class Phi3:
    """The base and up to ``max_adapters`` adapters, each with its own batch manager."""

    def __init__(self, loaded: Loaded, settings: ServeSettings) -> None:
        """Start the base's manager; ``loaded`` and all that the process holds by now stay."""
        self.id = loaded.name
        self._loaded = loaded
        self._settings = settings
        self._chat = ChatTokenizer(loaded.tokenizer)
        self._ends = _ends(loaded)
        self._vocabulary = int(loaded.model.config.vocab_size)
        sizes = sizes_for(loaded, settings)
        seed = share(loaded.model)  # before it runs
        self._base = Twin(self.id, loaded.model, sizes=sizes, ends=sorted(self._ends))
        self._mailroom = Mailroom()
        self._lock = threading.Lock()
        self._running = 0
        self._scoring = asyncio.Semaphore(1)
        self._changes = ThreadPoolExecutor(settings.max_adapters + 1, thread_name_prefix="adapters")
        self._shelf = AdapterShelf(
            seed,
            root=settings.adapters(),
            identity=manifest.describe_base(loaded.directory),
            capacity=settings.max_adapters,
            sizes=sizes,
            ends=sorted(self._ends),
        )
        # Dropping an adapter collects garbage, which stops every thread while it looks at all
        # objects: 0.6 s with those that torch brings. What is here now stays to the end; the
        # manager may not, should it die.
        gc.collect()
        gc.freeze()
        self._base.start()

    def cards(self) -> list[Card]:
        """The base first, then the adapters in service."""
        length = self._loaded.max_model_len
        base = Card(id=self.id, root=str(self._loaded.directory), max_model_len=length)
        return [base, *self._shelf.cards(parent=self.id, max_model_len=length)]

    def chat(self, messages: Sequence[Message], params: Params) -> Generation:
        """Start an answer; raises RequestError."""
        return self._begin(params, lambda: self._chat.chat(messages))

    def complete(self, prompt: str | list[int], params: Params, special: bool) -> Generation:
        """Continue a text; raises RequestError."""
        return self._begin(params, lambda: self._ids(prompt, special=special))

    def tokenize(self, prompt: str | Sequence[Message], options: dict[str, Any]) -> Tokens:
        """Token ids as a request would see them; raises RequestError."""
        if isinstance(prompt, str):
            special = options.get("add_special_tokens", True) is not False
            ids = self._chat.text(prompt, special=special)
        else:
            ids = self._chat.chat(
                prompt,
                add_generation_prompt=options.get("add_generation_prompt", True) is not False,
                continue_final_message=options.get("continue_final_message") is True,
            )
        strings = self._chat.strings(ids) if options.get("return_token_strs") is True else []
        return Tokens(ids=ids, strings=strings, max_model_len=self._loaded.max_model_len)

    async def score(
        self, prompt: str | list[int], model: str, top: int, special: bool
    ) -> list[Likelihood]:
        """The likelihood of each token of the prompt; one prompt at a time.

        Cancelled while it waits it leaves the queue; once it is at work it is seen through.
        """
        twin, release = self._admit(model)
        try:
            ids = self._ids(prompt, special=special)
            self._check_length(len(ids), "prompt")
            async with self._scoring:
                work = asyncio.ensure_future(
                    asyncio.to_thread(likelihoods, twin.model, self._loaded.tokenizer, ids, top)
                )
                try:
                    return await asyncio.shield(work)
                finally:
                    await asyncio.wait([work])
        finally:
            release()

    async def load_adapter(self, name: str, path: str) -> None:
        """Check, load and probe an adapter, then make its name visible; raises RequestError."""
        if name == self.id:
            raise RequestError(f"{name} is the base model's name.", param="lora_name")
        probe = self._chat.chat([{"role": "user", "content": "Hello"}])
        await self._aside(self._shelf.load, name, Path(path), probe)

    async def unload_adapter(self, name: str) -> None:
        """Make a name invisible at once, then wait for its readers and free its memory."""
        await self._aside(self._shelf.unload, name)

    def close(self) -> None:
        """Stop all managers; their threads would keep the process alive."""
        self._changes.shutdown(cancel_futures=True)
        self._shelf.close()
        self._base.stop()

    def _begin(self, params: Params, tokens: Any) -> Generation:
        if params.temperature > 0:
            raise RequestError(
                "This server answers with the likeliest words: `temperature` must be 0.",
                param="temperature",
            )
        twin, release = self._admit(params.model)
        try:
            ids = tokens()
            room = self._check_length(len(ids), "messages")
            run = Run(
                twin,
                self._mailroom,
                ids=ids,
                max_new=min(params.max_tokens or DEFAULT_NEW, room),
                seconds=self._settings.max_seconds,
                detokenizer=Detokenizer(self._loaded.tokenizer, self._ends),
                ends=self._ends,
                stops=params.stop,
                release=release,
            )
        except BaseException:
            release()
            raise
        return run.generation

    async def _aside(self, change: Callable[..., None], *arguments: Any) -> None:
        """Change adapters in a thread that no request waits for: some changes wait for requests."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._changes, change, *arguments)

    def _admit(self, model: str) -> tuple[Twin, Callable[[], None]]:
        """The twin that serves ``model``, with one more reader, and how it leaves again.

        Raises UnknownModel, or Busy if too much is under way.
        """
        twin = self._base if model == self.id else self._shelf.get(model)
        if twin is None or not twin.enter():
            raise UnknownModel(model)
        try:
            self._reserve()
        except BaseException:
            twin.leave()
            raise

        def release() -> None:
            with self._lock:
                self._running -= 1
            twin.leave()

        return twin, release

    def _reserve(self) -> None:
        limit = self._settings.max_concurrent + self._settings.max_queue
        with self._lock:
            if self._running >= limit:
                raise Busy(f"{self._running} answers are being written; try again soon.")
            self._running += 1

    def _ids(self, prompt: str | list[int], *, special: bool) -> list[int]:
        if isinstance(prompt, str):
            return self._chat.text(prompt, special=special)
        if any(not 0 <= token < self._vocabulary for token in prompt):
            raise RequestError("`prompt` holds a token id outside the vocabulary.", param="prompt")
        return prompt

    def _check_length(self, size: int, param: str) -> int:
        """How many tokens may follow a prompt of ``size`` tokens; raises RequestError if none."""
        length = self._loaded.max_model_len
        if size == 0:
            raise RequestError("The prompt is empty.", param=param)
        if size >= length:
            raise RequestError(
                f"This model's maximum context length is {length} tokens, the prompt has {size}.",
                code="context_length_exceeded",
                param=param,
            )
        return length - size


def _ends(loaded: Loaded) -> frozenset[int]:
    """The whole list of end tokens: the generation config's and the tokenizer's own."""
    listed = loaded.model.generation_config.eos_token_id
    ends = set(listed if isinstance(listed, list) else [listed])
    ends.add(loaded.tokenizer.eos_token_id)
    ends.update(_config_ends(loaded))
    return frozenset(int(token) for token in ends if token is not None)


def _config_ends(loaded: Loaded) -> list[int]:
    listed = loaded.model.config.eos_token_id
    return listed if isinstance(listed, list) else [listed]
