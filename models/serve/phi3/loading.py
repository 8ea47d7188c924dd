"""Finds a Phi-3, checks that it fits into memory, loads it. Safetensors only, no remote code."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from models.serve.devices import cuda_available
from models.serve.errors import CannotStart
from models.serve.phi3 import finite

if TYPE_CHECKING:
    from models.serve.settings import ServeSettings

AUTO = "auto"
EXTRACTIVE = "extractive"
CANDIDATES = (
    "microsoft/Phi-3.5-mini-instruct",
    "microsoft/Phi-3-mini-4k-instruct",
    "microsoft/Phi-3-mini-128k-instruct",
)
ARCHITECTURE = "Phi3ForCausalLM"
SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
GIB = 1 << 30
UNKNOWN = 1 << 62

_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1}

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A model on this machine."""

    name: str  # hub id, or the directory's name
    directory: Path
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model in memory."""

    name: str
    directory: Path
    model: Any  # Phi3ForCausalLM
    tokenizer: Any
    quantized: bool
    max_model_len: int  # tokens of prompt and answer together


def find(model: str) -> Found | None:
    """The model that ``PHI3_MODEL`` means; none if ``auto`` finds nothing that may be served.

    Raises CannotStart where a model is named that is not at hand or is no Phi-3. Never downloads.
    """
    if model == AUTO:
        return _automatic()
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _read(folder.resolve().name, folder)
    cached = _cached(model)
    if cached is None:
        raise CannotStart(
            f"PHI3_MODEL={model} is neither a directory nor in the local hub cache: download it "
            f"with `hf download {model}`, name a directory, or set PHI3_MODEL=extractive."
        )
    return _read(model, cached)


def _automatic() -> Found | None:
    if not cuda_available():
        return None
    for name in CANDIDATES:
        cached = _cached(name)
        if cached is not None and list(cached.glob("*.safetensors")):
            return _read(name, cached)
    return None


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None


def _read(name: str, directory: Path) -> Found:
    try:
        config = json.loads((directory / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CannotStart(f"PHI3_MODEL={name} has no readable config.json.") from error
    if not isinstance(config, dict):
        raise CannotStart(f"PHI3_MODEL={name} has a config.json that is no JSON object.")
    if ARCHITECTURE not in (config.get("architectures") or []):
        raise CannotStart(
            f"PHI3_MODEL={name} is a {', '.join(config.get('architectures') or ['?'])}; "
            f"this server runs {ARCHITECTURE} (Phi-3, Phi-3.5, Phi-4-mini)."
        )
    if not list(directory.glob("*.safetensors")):
        raise CannotStart(f"PHI3_MODEL={name} has no safetensors weights; others are not read.")
    if absent := [size for size in SIZES if not isinstance(config.get(size), int)]:
        raise CannotStart(f"PHI3_MODEL={name} has a config.json without {', '.join(absent)}.")
    return Found(name=name, directory=directory, config=config)


def weight_bytes(directory: Path, *, nf4: bool, width: int | None) -> int:
    """Bytes that the weights take in memory, told from the safetensors headers.

    Raises CannotStart for a file that is cut off or no safetensors file.

    ``width``: bytes of a number after conversion, or none to keep what is stored. In NF4 the
    matrices of the layers take 4 bits and 0.127 for the double-quantised scales; embedding and head
    keep their type.
    """
    total = 0.0
    for file in directory.glob("*.safetensors"):
        try:
            tensors = _tensors(file)
        except (SafetensorError, OSError) as error:
            raise CannotStart(
                f"{file} is no whole safetensors file ({error}): download it again."
            ) from error
        for tensor, shape, kind in tensors:
            packed = nf4 and ".layers." in tensor and len(shape) == 2
            total += math.prod(shape) * (4.127 / 8 if packed else width or _BYTES.get(kind, 4))
    return int(total)


def _tensors(file: Path) -> list[tuple[str, list[int], str]]:
    """Name, shape and type of each; the library maps the file and reads its header alone."""
    with safe_open(file, framework="numpy") as weights:
        parts = ((tensor, weights.get_slice(tensor)) for tensor in weights.keys())  # noqa: SIM118
        return [(tensor, part.get_shape(), part.get_dtype()) for tensor, part in parts]


def cache_bytes_per_token(config: dict[str, Any], width: int) -> int:
    """Bytes of keys and values that one token keeps in all layers."""
    heads = int(config["num_attention_heads"])
    kept = int(config.get("num_key_value_heads") or heads)
    size = int(config.get("head_dim") or config["hidden_size"] // heads)
    return 2 * int(config["num_hidden_layers"]) * kept * size * width


def context_length(config: dict[str, Any], wanted: int) -> int:
    """Tokens of prompt and answer together: ``wanted``, or the fewer that are sound.

    A LongRoPE model (Ding et al., arXiv 2402.13753) has two sets of frequencies, and transformers
    takes the one for long texts as soon as one request of a batch is beyond the original length:
    the others' answers would change with their company. Within that length there is one set.
    """
    length = min(wanted, int(config["max_position_embeddings"]))
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if str(rope.get("rope_type") or rope.get("type")) not in ("longrope", "su"):
        return length
    original = rope.get("original_max_position_embeddings") or config.get(
        "original_max_position_embeddings"
    )
    return min(length, int(original)) if original else length


def check_memory(*, needed: int, free: int, name: str, place: str, nf4: bool, cuda: bool) -> None:
    """Raise CannotStart with what is missing if ``needed`` bytes are not ``free``."""
    if needed <= free:
        return
    advice = (
        "set PHI3_QUANTIZE=nf4 or a smaller PHI3_MODEL"
        if cuda and not nf4
        else "set a smaller PHI3_MODEL, or PHI3_MODEL=extractive"
    )
    raise CannotStart(
        f"{name} needs about {needed / GIB:.1f} GiB of {place} and {free / GIB:.1f} GiB are free, "
        f"{(needed - free) / GIB:.1f} GiB too little: {advice}."
    )


def free_memory(cuda: bool) -> int:
    """Bytes that a model may take, on the GPU or in RAM."""
    if cuda:
        import torch

        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        rows = dict(line.split(":", 1) for line in lines)
        return min(int(rows["MemAvailable"].split()[0]) * 1024, memory_allowed())
    except (OSError, KeyError, ValueError):  # not Linux: let the loader try
        return UNKNOWN


def memory_allowed(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that a container may still take of its limit: beyond it the kernel kills it."""
    try:
        left = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        rows = (line.split() for line in (group / "memory.stat").read_text().splitlines())
        return left + int(dict(rows)["inactive_file"])  # given back when it is needed
    except (OSError, KeyError, ValueError):  # no control group of version 2, or without a limit
        return UNKNOWN


def load(found: Found, settings: ServeSettings) -> Loaded:
    """Load weights and tokenizer; raises CannotStart with one sentence."""
    import torch
    from transformers import AutoTokenizer, Phi3ForCausalLM
    from transformers.utils import logging as chatter

    chatter.disable_progress_bar()  # type: ignore[no-untyped-call]
    cuda = cuda_available()
    nf4 = settings.quantize == "nf4" or (
        settings.quantize == "auto" and settings.model == AUTO and cuda
    )
    dtype = _dtype(settings.dtype, found.config, cuda)
    width = torch.empty(0, dtype=dtype).element_size()
    length = context_length(found.config, settings.max_model_len)
    if length < settings.max_model_len:
        log.info("%s: prompt and answer may have %d tokens together", found.name, length)
    room = cache_bytes_per_token(found.config, width) * length
    check_memory(
        needed=int(weight_bytes(found.directory, nf4=nf4, width=width) * 1.05) + room,
        free=free_memory(cuda),
        name=found.name,
        place="GPU memory" if cuda else "memory",
        nf4=nf4,
        cuda=cuda,
    )
    options: dict[str, Any] = {}
    if nf4:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            found.directory, trust_remote_code=False, local_files_only=True
        )
        loaded: Any = Phi3ForCausalLM.from_pretrained(
            found.directory,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            attn_implementation="sdpa",
            device_map={"": 0 if cuda else "cpu"},
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        log.error("loading %s", found.name, exc_info=error)
        raise CannotStart(
            f"PHI3_MODEL={found.name} could not be loaded: {' '.join(str(error).split())[:200]}"
        ) from error
    model, told = loaded
    if missing := sorted(told["missing_keys"]):  # transformers makes up random ones
        raise CannotStart(
            f"PHI3_MODEL={found.name} lacks {len(missing)} of its tensors, {missing[0]} for one: "
            "download it again."
        )
    packed = finite.stored(found.directory) if nf4 else ()  # 4-bit numbers are whole ones
    if broken := finite.broken(chain(model.named_parameters(), packed)):
        raise CannotStart(
            f"PHI3_MODEL={found.name} holds NaN or infinite numbers in {broken}: download it "
            "again, or set another PHI3_DTYPE if it is float16."
        )
    model.eval()
    window = model.config.sliding_window
    if window is not None and window >= length:
        # It hides nothing, but has the cache kept so that requests cannot share a common beginning.
        model.config.sliding_window = None
    if not tokenizer.chat_template:
        raise CannotStart(f"PHI3_MODEL={found.name} has no chat template: take an instruct model.")
    return Loaded(
        name=found.name,
        directory=found.directory,
        model=model,
        tokenizer=tokenizer,
        quantized=nf4,
        max_model_len=length,
    )


def _dtype(setting: str, config: dict[str, Any], cuda: bool) -> Any:
    """By setting; else bfloat16 (or float16) on a GPU, and on a CPU what is stored."""
    import torch

    if setting != "auto":
        return getattr(torch, setting)
    if cuda:
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return getattr(torch, stored.removeprefix("torch."))
