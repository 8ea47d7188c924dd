"""The run: steps, validation, checkpoints, and a ladder to climb down when memory runs out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workers.refresh import recipe as plans
from workers.refresh.recipe import Recipe, Rung
from workers.refresh.train import checkpoint, tokens
from workers.refresh.train import model as models
from workers.refresh.train.checkpoint import State
from workers.refresh.train.tokens import Encoded

Tell = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended; the model holds the weights to keep."""

    steps: int
    loss: float
    validation: float | None
    stopped: str | None  # why before its last step, in words
    curve: list[dict[str, float]]
    spent_s: float
    tokens: int


class Run:
    """One training run over a model that already has its adapter."""

    def __init__(
        self, model: Any, recipe: Recipe, encoded: Sequence[Encoded], *, pad: int, tell: Tell
    ) -> None:
        self.model, self.recipe, self.encoded, self.pad, self.tell = (
            model,
            recipe,
            encoded,
            pad,
            tell,
        )
        self.device = next(model.parameters()).device
        self.causal = model.base_model.model
        self.lengths = [len(example.ids) for example in encoded]
        self.train, self.watch = plans.split([example.cluster for example in encoded])
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimiser = models.optimiser(list(self.parameters.values()), self.device)
        on = (
            recipe.checkpointing if recipe.checkpointing is not None else self.device.type == "cuda"
        )
        self.state = State(
            rung=Rung(
                micro_tokens=max(recipe.micro_tokens, recipe.max_length),
                checkpointing=on,
                max_length=recipe.max_length,
            )
        )
        self.best: dict[str, Any] | None = None

    def go(self) -> Outcome:
        """Train to the end, from the last checkpoint if there is one."""
        order = [
            step
            for epoch in range(self.recipe.epochs)
            for step in plans.steps_of(self.train, self.lengths, epoch=epoch, recipe=self.recipe)
        ]
        self._resume()
        models.checkpoint_gradients(self.model, on=self.state.rung.checkpointing)
        every = max(1, len(order) // (self.recipe.epochs * self.recipe.evaluations))
        begun = saved = time.monotonic()
        before = self.state.spent_s
        first = self.state.step
        stopped = self._tired()  # where the last checkpoint is of the step that it stopped at
        loss = self.state.curve[-1]["loss"] if self.state.curve else float("nan")
        while self.state.step < len(order) and stopped is None:
            loss = self._step(order[self.state.step], len(order))
            self.state.step += 1
            now = time.monotonic()
            self.state.spent_s = before + now - begun
            done = self.state.step - first
            self.state.curve.append({"step": self.state.step, "loss": loss})
            self.tell(
                "step",
                step=self.state.step,
                steps=len(order),
                loss=round(loss, 4),
                left_s=round((now - begun) / done * (len(order) - self.state.step)),
            )
            if self.watch and self.state.step % every == 0:
                stopped = self._validate()
            if self.state.spent_s > self.recipe.time_limit_s and self.state.step < len(order):
                stopped = "The time limit was reached."
            if now - saved >= self.recipe.checkpoint_s:
                self._save()
                saved = time.monotonic()
        if self.best is not None:
            self._put(self.best)
        return Outcome(
            steps=self.state.step,
            loss=loss,
            validation=self.state.best,
            stopped=stopped,
            curve=self.state.curve,
            spent_s=self.state.spent_s,
            tokens=self.state.tokens,
        )

    def _step(self, places: Sequence[int], steps: int) -> float:
        rate = plans.learning_rate(
            self.state.step, steps=steps, peak=self.recipe.learning_rate, warmup=self.recipe.warmup
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        while True:
            try:
                loss = self._accumulate(places)
                break
            except torch.OutOfMemoryError as error:
                self._climb_down(error)
        torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), 1.0)
        self.optimiser.step()
        return loss

    def _accumulate(self, places: Sequence[int]) -> float:
        """Gradients of the mean loss a token over the step, however it is cut into passes."""
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        total = sum(len(self.encoded[at].ids) - self.encoded[at].start for at in places)
        summed = 0.0
        for batch in plans.passes(places, self.lengths, self.state.rung):
            loss, _ = self._loss(batch)
            (loss / max(1, total)).backward()  # type: ignore[no-untyped-call]
            summed += loss.item()
            self.state.tokens += len(batch) * max(self.lengths[at] for at in batch)
        return self._finite(summed / max(1, total))

    def _loss(self, batch: Sequence[int]) -> tuple[torch.Tensor, int]:
        chosen = [self.encoded[at] for at in batch]
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"
        ):
            return tokens.summed_loss(self.causal, chosen, self.pad, self.device)

    def _climb_down(self, error: BaseException) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        rung = plans.lower(self.state.rung)
        if rung is None:
            raise models.Refused("Memory ran out even with the shortest examples.") from error
        self.state.rung = rung
        models.checkpoint_gradients(self.model, on=rung.checkpointing)
        self.tell(
            "memory",
            micro_tokens=rung.micro_tokens,
            checkpointing=rung.checkpointing,
            max_length=rung.max_length,
        )

    def _validate(self) -> str | None:
        """Keep the best weights; say why to stop when it does not get better any more."""
        # Not in evaluation mode: bitsandbytes repacks four-bit weights for it on some processors,
        # and gradients silently stop flowing through them. Without dropout nothing else differs.
        summed, count = 0.0, 0
        with torch.no_grad():
            for batch in plans.passes(self.watch, self.lengths, self.state.rung):
                loss, size = self._loss(batch)
                summed, count = summed + loss.item(), count + size
        value = self._finite(summed / max(1, count))
        self.state.curve[-1]["validation"] = value
        self.tell("validation", step=self.state.step, loss=round(value, 4))
        if self.state.best is None or value < self.state.best:
            self.state.best, self.state.waited = value, 0
            self.best = self._weights()
            return None
        self.state.waited += 1
        return self._tired()

    def _tired(self) -> str | None:
        if self.state.waited < self.recipe.patience:
            return None
        return f"It stopped getting better after {self.state.step} steps."

    def _finite(self, loss: float) -> float:
        """The loss, where it is a number; raises ``Refused`` where the run has diverged."""
        if math.isfinite(loss):
            return loss
        raise models.Refused(
            f"Training diverged after {self.state.step} steps: its loss is no number any more. "
            f"PHI3_TRAIN_LR ({self.recipe.learning_rate:g}) may be too high for this base."
        )

    def _weights(self) -> dict[str, Any]:
        return {name: p.detach().to("cpu", copy=True) for name, p in self.parameters.items()}

    def _put(self, weights: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])

    def _save(self) -> None:
        checkpoint.save(
            Path(self.recipe.work), self.state, self._weights(), self.best, self.optimiser
        )
        self.tell("checkpoint", step=self.state.step)

    def _resume(self) -> None:
        found = checkpoint.latest(Path(self.recipe.work))
        if found is None:
            return
        self.state, self.best = found["state"], found["best"]
        self._put(found["weights"])
        self.optimiser.load_state_dict(found["optimiser"])
        torch.set_rng_state(found["rng"])
        self.tell("resumed", step=self.state.step)
