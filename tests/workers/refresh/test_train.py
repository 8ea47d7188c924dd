"""The trainer: what is adapted, what the loss sees, kill -9, running out of memory."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.lm import manifest
from tests.workers.refresh import house
from workers.refresh import recipe as plans
from workers.refresh import trainer
from workers.refresh.recipe import PROJECTIONS, Recipe, Rung

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return house.tiny(tmp_path_factory.mktemp("base") / "tiny")


def recipe(base: Path, place: Path, **changes: Any) -> Recipe:
    if not (place / "snap").exists():
        house.snapshot(place / "snap", 40)
    made = Recipe(
        name="refresh-0001",
        base=str(base),
        base_name="tiny",
        snapshot=str(place / "snap"),
        output=str(place / "out"),
        work=str(place / "work"),
        epochs=1,
        learning_rate=0.01,
        batch=8,
        checkpoint_s=0.0,
    )
    return replace(made, **changes)


def test_phi3_mini_gets_128_adapted_modules_and_a_missing_one_is_named() -> None:
    from transformers import Phi3Config, Phi3ForCausalLM

    from workers.refresh.train import model as models

    with torch.device("meta"):
        mini = Phi3ForCausalLM(
            Phi3Config(
                hidden_size=3072,
                num_hidden_layers=32,
                num_attention_heads=32,
                num_key_value_heads=32,
                intermediate_size=8192,
                vocab_size=32064,
            )
        )
        plain = Recipe(name="x", base="", base_name="", snapshot="", output="", work="")
        model = models.with_adapter(mini, plain)
    found = models.adapted(model)
    assert len(found) == 128
    assert {projection for _, projection in found} == set(PROJECTIONS)
    assert models.unadapted(model, 33) == [f"32.{name}" for name in PROJECTIONS]


def test_the_loss_sees_the_answer_and_its_end_alone(base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from workers.refresh.train import tokens

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    house.snapshot(tmp_path / "snap", 3)
    examples = tokens.read(tmp_path / "snap" / "train.jsonl")
    encoded = tokens.encode_all(tokenizer, examples, max_length=2048)
    assert tokenizer.decode(encoded[2].ids[encoded[2].start :]) == house.answer(2) + "<|end|>"
    assert tokenizer.decode(encoded[2].ids[: encoded[2].start]).endswith("<|assistant|>\n")
    _, labels = tokens.collate(encoded, pad=0)
    assert (labels != -100).sum() == sum(len(e.ids) - e.start for e in encoded)
    assert tokens.encode_all(tokenizer, examples, max_length=50) == []


def test_padding_changes_no_loss(base: Path) -> None:
    from transformers import Phi3ForCausalLM

    from workers.refresh.train import tokens
    from workers.refresh.train.tokens import Encoded

    model: Any = Phi3ForCausalLM.from_pretrained(base).train()
    ragged = [
        Encoded(ids=tuple(range(20, 20 + size)), start=size // 2, cluster="one")
        for size in (9, 33, 60)
    ]

    def loss(batch: list[Encoded], pad: int = 0) -> float:
        with torch.no_grad():
            return float(tokens.summed_loss(model, batch, pad, torch.device("cpu"))[0])

    alone = sum(loss([one]) for one in ragged)
    assert loss(ragged) == pytest.approx(alone, rel=1e-5)
    assert loss(ragged, pad=7) == pytest.approx(alone, rel=1e-5)


def _weights(out: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    loaded: dict[str, Any] = load_file(out / manifest.WEIGHTS)
    return loaded


def test_a_run_killed_at_any_step_goes_on_to_the_same_result(base: Path, tmp_path: Path) -> None:
    from workers.refresh.train.run import train

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(recipe(base, whole))
        again = recipe(base, cut)
        again.save(cut / "recipe.json")
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.refresh.train", str(cut / "recipe.json")],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "checkpoint" and event["step"] == 2:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (cut / "out").exists()
        outcome = train(again)
    finally:
        torch.set_num_threads(threads)
    assert [row["step"] for row in outcome.curve] == list(range(1, outcome.steps + 1))
    first, second = _weights(whole / "out"), _weights(cut / "out")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    found = manifest.check(cut / "out", name="refresh-0001", identity=manifest.describe_base(base))
    assert set(found.target_modules) == set(PROJECTIONS)


def test_a_run_that_stopped_early_and_died_before_it_was_saved_does_not_train_on(
    base: Path, tmp_path: Path
) -> None:
    from workers.refresh.train.run import train

    # Arrange: it stopped early, its last checkpoint is of that step, and its adapter is not there
    house.snapshot(tmp_path / "snap", 60)
    hasty = recipe(base, tmp_path, epochs=30, evaluations=4, patience=1, learning_rate=0.3)
    whole = train(hasty)
    assert whole.stopped == f"It stopped getting better after {whole.steps} steps."
    first = _weights(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")

    # Act
    again = train(hasty)

    # Assert
    assert replace(again, spent_s=whole.spent_s) == whole
    assert again.tokens > 0
    second = _weights(tmp_path / "out")
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("count", [40, 8])  # with clusters to watch, and without
def test_a_run_that_diverges_says_so(base: Path, tmp_path: Path, count: int) -> None:
    from workers.refresh.train import model as models
    from workers.refresh.train.run import train

    house.snapshot(tmp_path / "snap", count)
    with pytest.raises(models.Refused, match=r"diverged after \d+ steps.*PHI3_TRAIN_LR \(1e\+30\)"):
        train(recipe(base, tmp_path, epochs=3, learning_rate=1e30))
    assert not (tmp_path / "out").exists()


def test_a_trainer_ends_when_its_worker_does(base: Path, tmp_path: Path) -> None:
    long = recipe(base, tmp_path, epochs=500)
    long.save(tmp_path / "recipe.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.refresh.train", str(tmp_path / "recipe.json")],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    next(line for line in process.stdout if json.loads(line)["event"] == "step")
    process.stdin.close()
    assert process.wait(timeout=20) == 1
    process.stdout.close()


def test_running_out_of_memory_climbs_down_and_finishes(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.refresh.train import loop
    from workers.refresh.train.run import train

    honest = loop.Run._loss
    events: list[tuple[str, dict[str, Any]]] = []

    def greedy(self: loop.Run, batch: list[int]) -> Any:
        if len(batch) > 1:
            raise torch.OutOfMemoryError("no")
        return honest(self, batch)

    monkeypatch.setattr(loop.Run, "_loss", greedy)
    monkeypatch.setattr("workers.refresh.train.run.tell", lambda e, **v: events.append((e, v)))
    outcome = train(recipe(base, tmp_path, max_length=400, micro_tokens=1600, quantise=False))
    assert outcome.steps == 5
    rungs = [values for event, values in events if event == "memory"]
    assert [rung["micro_tokens"] for rung in rungs] == [800, 400]


def test_too_little_memory_is_refused_in_words(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.refresh.train import model as models

    monkeypatch.setattr(models, "_available", lambda: 1000)
    plain = Recipe(name="x", base="", base_name="", snapshot="", output="", work="")
    with pytest.raises(models.Refused, match="GiB are free"):
        models.admit(base, plain, torch.device("cpu"))
    with pytest.raises(models.Refused, match="not on this machine"):
        models.directory_of("nobody/nothing-here")


@pytest.mark.parametrize("checkpoint_s", [0.0, 3600.0])  # a checkpoint, or the adapter at the end
def test_a_disk_that_is_full_is_refused_in_words(
    base: Path, tmp_path: Path, checkpoint_s: float
) -> None:
    plan = recipe(base, tmp_path, checkpoint_s=checkpoint_s)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
    try:
        with pytest.raises(trainer.TrainingRefused, match="no room left on the disk"):
            trainer.train(plan, lambda _: True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not Path(plan.output).exists()
    trainer.train(plan, lambda _: True)  # with room again, it goes on
    assert manifest.read(Path(plan.output)).name == plan.name


def test_the_ladder_ends() -> None:
    rung: Rung | None = Rung(micro_tokens=8192, checkpointing=False, max_length=2048)
    seen = []
    while rung is not None:
        seen.append(rung)
        rung = plans.lower(rung)
    assert [r.micro_tokens for r in seen] == [8192, 4096, 2048, 2048, 1024, 512, 256]
    assert seen[-1].checkpointing


def test_the_rate_rises_and_falls() -> None:
    rates = [plans.learning_rate(s, steps=100, peak=1.0, warmup=0.03) for s in range(100)]
    assert rates[0] == pytest.approx(1 / 3)
    assert max(rates) == 1.0
    assert rates[99] < 0.001
    assert rates[3:] == sorted(rates[3:], reverse=True)


def test_each_example_is_in_one_step_of_an_epoch_and_watched_clusters_in_none() -> None:
    plain = Recipe(name="x", base="", base_name="", snapshot="", output="", work="", batch=16)
    train, watch = plans.split([f"c{n // 2}" for n in range(200)])
    assert len(watch) == 20
    assert not {n // 2 for n in train} & {n // 2 for n in watch}
    lengths = [50 + n for n in range(200)]
    steps = plans.steps_of(train, lengths, epoch=0, recipe=plain)
    assert sorted(at for step in steps for at in step) == train
    assert len(steps) == math.ceil(len(train) / 16)
    assert steps == plans.steps_of(train, lengths, epoch=0, recipe=plain)
    assert steps != plans.steps_of(train, lengths, epoch=1, recipe=plain)
    rung = Rung(micro_tokens=512, checkpointing=False, max_length=240)
    for step in steps:
        for batch in plans.passes(step, lengths, rung):
            assert len(batch) * max(lengths[at] for at in batch) <= 512
    assert plans.split(["a"] * 5) == (list(range(5)), [])


def test_only_the_same_run_goes_on_from_what_lies_there(tmp_path: Path) -> None:
    run = Recipe(
        name="refresh-0002", base="b", base_name="b", snapshot="s", output="o",
        work=str(tmp_path), lineage={"snapshot": "of this ledger", "training": 80},
    )  # fmt: skip
    run.save(tmp_path / trainer.RECIPE)
    assert run.resumes(Recipe.load(tmp_path / trainer.RECIPE))
    assert replace(run, time_limit_s=9.0, micro_tokens=512).resumes(run)
    assert not replace(run, epochs=9).resumes(run)
    assert trainer.begun(tmp_path, run)
    assert not trainer.begun(tmp_path, replace(run, lineage={"snapshot": "of another"}))
    (tmp_path / trainer.RECIPE).write_text("{", "utf-8")  # its worker died while it wrote
    assert not trainer.begun(tmp_path, run)
