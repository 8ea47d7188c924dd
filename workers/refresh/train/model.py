"""The base model in four bits with an adapter on every fused projection of every layer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoTokenizer, BitsAndBytesConfig, Phi3ForCausalLM

from workers.refresh.recipe import PROJECTIONS, Recipe

_ADAPTED = re.compile(r"\blayers\.(\d+)\.(?:self_attn|mlp)\.(\w+)\.lora_A\b")


class Refused(RuntimeError):
    """Training cannot go on; the message is fit to show."""


def directory_of(base: str) -> Path:
    """Where the base's files are; raises ``Refused`` rather than download anything."""
    if Path(base).is_dir():
        return Path(base)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(base, local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise Refused(f"The base model {base} is not on this machine.") from error


def device() -> torch.device:
    """A CUDA device where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def admit(directory: Path, recipe: Recipe, where: torch.device) -> None:
    """Raise ``Refused`` if the machine has too little free memory, so that serving is not starved.

    Counted: the weights (NF4 with double quantisation takes 0.53 bytes a parameter, the embeddings
    and the head two), an adapter with its gradients and optimiser, and activations of one pass.
    """
    config = AutoConfig.from_pretrained(directory)
    width, layers, inner = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    heads = config.num_key_value_heads / config.num_attention_heads
    linear = layers * (width * width * (2 + 2 * heads) + 3 * width * inner)
    plain = 2 * width * config.vocab_size
    each = 2 if where.type == "cuda" else 4
    weights = linear * (0.53 if recipe.quantise else each) + plain * each
    adapter = layers * recipe.rank * (6 * width + 3 * inner) * 16
    tokens = max(recipe.max_length, 1024)
    activations = tokens * (layers * width * 2 + 12 * inner) * each
    need = int(weights + adapter + activations)
    free = torch.cuda.mem_get_info()[0] if where.type == "cuda" else _available()
    if need * 1.1 > free:
        raise Refused(
            f"Training needs about {need / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; "
            "the model that serves keeps its memory."
        )


def load(directory: Path, recipe: Recipe, where: torch.device) -> tuple[Any, Any]:
    """(model with its adapter, tokenizer). Raises ``Refused`` if a projection was not adapted."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return with_adapter(load_base(directory, recipe, where), recipe), tokenizer


def load_base(directory: Path, recipe: Recipe, where: torch.device) -> Any:
    """The base model: NF4 with double quantisation, or the plain weights."""
    compute = torch.bfloat16 if where.type == "cuda" else torch.float32
    quantised = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return Phi3ForCausalLM.from_pretrained(
        directory,
        quantization_config=quantised if recipe.quantise else None,
        dtype=compute,
        attn_implementation="sdpa",
        device_map={"": str(where)},
        use_safetensors=True,
    )


def with_adapter(base: Any, recipe: Recipe) -> Any:
    """Freeze ``base`` and put an adapter on all of its projections."""
    base.config.use_cache = False
    for parameter in base.parameters():
        parameter.requires_grad_(False)
    model = get_peft_model(
        base,
        LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=0.0,
            target_modules=list(PROJECTIONS),
            task_type="CAUSAL_LM",
        ),
    )
    missing = unadapted(model, base.config.num_hidden_layers)
    if missing:
        raise Refused(f"These projections were not adapted: {', '.join(missing[:4])}.")
    return model


def adapted(model: Any) -> set[tuple[int, str]]:
    """(layer, projection) of every adapted module."""
    found = (_ADAPTED.search(name) for name, _ in model.named_parameters())
    return {(int(match[1]), match[2]) for match in found if match}


def unadapted(model: Any, layers: int) -> list[str]:
    """Projections that have no adapter, as ``layer.projection``."""
    there = adapted(model)
    return [f"{n}.{p}" for n in range(layers) for p in PROJECTIONS if (n, p) not in there]


def checkpoint_gradients(model: Any, *, on: bool) -> None:
    """Recompute activations in the backward pass, or keep them."""
    base = model.base_model.model
    if on:
        base.enable_input_require_grads()
        base.activation_checkpointing_enable({"use_reentrant": False})
    elif base.is_gradient_checkpointing:
        base.activation_checkpointing_disable()


def optimiser(parameters: list[Any], where: torch.device) -> Any:
    """Paged 8-bit AdamW on CUDA, AdamW elsewhere; the rate is set at each step."""
    if where.type == "cuda":
        import bitsandbytes as bnb

        paged: Any = bnb.optim.PagedAdamW8bit  # type: ignore[attr-defined]
        return paged(parameters, lr=0.0, betas=(0.9, 0.999), weight_decay=0.0)
    return torch.optim.AdamW(parameters, lr=0.0, betas=(0.9, 0.999), weight_decay=0.0)


def _available() -> int:
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 2**63
