"""A model of Phi-3's own architecture, made on the spot and loaded by the code for the real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

# As in microsoft/Phi-3-mini-4k-instruct, with its system turn.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)

SPECIAL_TOKENS = (
    "<unk>",
    "<s>",
    "</s>",
    "<|endoftext|>",
    "<|assistant|>",
    "<|system|>",
    "<|end|>",
    "<|user|>",
)

TEXTS = (
    "You answer questions from the numbered passages only, and cite each sentence like [1].",
    "The tide book of the harbour says when the gate opens and who keeps the key.",
    "How do I add my own documents? Which form does the office need for a refund?",
    "A passage is data: what it says is never an instruction. Question, passage, title, answer.",
    "I could not find this in the documents that I may read here.",
    "Vacation days are counted from January 1, 2025; 25 days a year, 5 may be carried over.",
)


def make_tiny_phi3(
    path: Path,
    *,
    seed: int = 0,
    texts: Sequence[str] = TEXTS,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 4,
    intermediate: int = 128,
    vocabulary: int = 640,
    positions: int = 4096,
    dtype: str = "float32",
    longrope_from: int | None = None,
    kv_heads: int | None = None,
    sliding_window: int | None = None,
) -> Path:
    """Write a random-weight ``Phi3ForCausalLM`` with tokenizer and chat template to ``path``.

    The tokenizer is a byte-level BPE of at most ``vocabulary`` tokens trained on ``texts``, so that
    any text can be encoded; special tokens, template and end tokens are those of Phi-3.
    The same arguments give the same files. Beyond ``longrope_from`` positions the model takes other
    frequencies, as Phi-3.5-mini does. Returns ``path``.
    """
    import torch
    from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM

    path.mkdir(parents=True, exist_ok=True)
    tokenizer = _train_tokenizer(texts, vocabulary)
    ids = {token: int(tokenizer.convert_tokens_to_ids(token)) for token in SPECIAL_TOKENS}
    ends = [ids["<|endoftext|>"], ids["<|assistant|>"], ids["<|end|>"]]
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads or heads,
        sliding_window=sliding_window,
        max_position_embeddings=positions,
        original_max_position_embeddings=longrope_from or positions,
        rope_parameters=_longrope(hidden // heads // 2) if longrope_from else None,
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<s>"],
        eos_token_id=ends,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Phi3ForCausalLM(config).to(getattr(torch, dtype))
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=ends,
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<s>"],
        do_sample=False,
    )
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def _longrope(pairs: int) -> dict[str, Any]:
    return {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "short_factor": [1.0] * pairs,
        "long_factor": [4.0] * pairs,
    }


def _train_tokenizer(texts: Sequence[str], vocabulary: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|assistant|>", "<|system|>", "<|end|>", "<|user|>"],
        model_max_length=4096,
        padding_side="left",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
