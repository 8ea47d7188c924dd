"""A Phi-3 of any shape with random weights, made where it is used, layer by layer.

Speed and memory do not depend on what the weights are. In NF4 a layer is packed before the next one
is made, so that a shape fits whose plain weights would not.
"""

from __future__ import annotations

from typing import Any

SHAPES: dict[str, dict[str, int]] = {
    "mini": {
        "hidden_size": 3072,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "intermediate_size": 8192,
        "vocab_size": 32064,
    },
    "70b": {
        "hidden_size": 8192,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "intermediate_size": 28672,
        "vocab_size": 32064,
    },
    "small": {  # to see that a benchmark works
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "intermediate_size": 256,
        "vocab_size": 512,
    },
}


def make(shape: str, *, nf4: bool, device: str, layers: int | None = None) -> Any:
    """A ``Phi3ForCausalLM`` in the type that trains and serves: bf16 on CUDA, float32 elsewhere.

    ``nf4``: the projections of each layer in NF4 with double quantisation, as loading packs them.
    """
    import torch
    from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM
    from transformers.models.phi3.modeling_phi3 import Phi3DecoderLayer

    values: dict[str, Any] = SHAPES[shape] | ({"num_hidden_layers": layers} if layers else {})
    config = Phi3Config(
        **values,
        max_position_embeddings=4096,
        original_max_position_embeddings=4096,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    count, config.num_hidden_layers = config.num_hidden_layers, 0
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    try:
        with torch.device(device):
            model: Any = Phi3ForCausalLM._from_config(  # type: ignore[no-untyped-call]
                config, attn_implementation="sdpa"
            )
            config = model.config
            config.num_hidden_layers = count
            for number in range(count):
                layer = Phi3DecoderLayer(config, number)
                for module in layer.modules():
                    if isinstance(module, torch.nn.Linear):
                        torch.nn.init.normal_(module.weight, std=config.initializer_range)
                if nf4:
                    _pack(layer, device)
                model.model.layers.append(layer)
    finally:
        torch.set_default_dtype(default)
    model.is_loaded_in_4bit = nf4
    model.generation_config = GenerationConfig(eos_token_id=[2], pad_token_id=0)  # type: ignore[no-untyped-call]
    return model.eval()


def _pack(layer: Any, device: str) -> None:
    import torch
    from bitsandbytes.nn.modules import Linear4bit, Params4bit

    for parent in (layer.self_attn, layer.mlp):
        for name, linear in list(parent.named_children()):
            if not isinstance(linear, torch.nn.Linear):
                continue
            with torch.device("meta"):
                packed = Linear4bit(  # type: ignore[no-untyped-call]
                    linear.in_features,
                    linear.out_features,
                    bias=False,
                    compute_dtype=linear.weight.dtype,
                    compress_statistics=True,
                    quant_type="nf4",
                )
            packed.weight = Params4bit(
                linear.weight.data.cpu(), requires_grad=False, quant_type="nf4",
                compress_statistics=True,
            )  # fmt: skip
            setattr(parent, name, packed.to(device))
