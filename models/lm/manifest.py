"""What an adapter is, in its own directory: base, tokenizer, template, tensors, file digests.

An adapter directory holds ``adapter_config.json``, ``adapter_model.safetensors`` and
``manifest.json``, and is never changed once written. The digests follow from the files alone, so
the trainer that writes a manifest and the server that checks it need only the standard library.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")

_HEADER_LIMIT = 100_000_000  # bytes, as the safetensors format has it
_SAMPLE = 1 << 20
_SAMPLES = 16
_COSMETIC = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache")


class ManifestError(ValueError):
    """The directory is no adapter, or not the one that its manifest describes."""


@dataclass(frozen=True, kw_only=True)
class BaseIdentity:
    """Which base model an adapter belongs to, told by its files and not by its name."""

    revision: str  # sha256 over the config, and each weight file's header, size and samples
    tokenizer: str  # sha256 of tokenizer.json
    template: str  # sha256 of the chat template


@dataclass(frozen=True, kw_only=True)
class AdapterManifest:
    """``manifest.json``."""

    name: str  # versioned and immutable: refresh-0007
    base: str  # the base as people call it
    identity: BaseIdentity
    rank: int
    alpha: float
    target_modules: tuple[str, ...]
    tensors: dict[str, list[int]]  # name → shape
    files: dict[str, str]  # file name → sha256
    created_at: str = ""  # ISO 8601, UTC
    lineage: dict[str, Any] = field(default_factory=dict)  # refresh, snapshot digest, pairs …
    environment: dict[str, str] = field(default_factory=dict)  # packages that trained it

    def as_json(self) -> dict[str, Any]:
        """The document, as stored here and in the registry's row."""
        return asdict(self) | {"target_modules": list(self.target_modules)}

    @classmethod
    def from_json(cls, document: Any) -> AdapterManifest:
        """Read the document; raises ManifestError."""
        try:
            known = {key: document[key] for key in cls.__dataclass_fields__ if key in document}
            known["identity"] = BaseIdentity(**known["identity"])
            known["target_modules"] = tuple(known["target_modules"])
            if not isinstance(known["tensors"], dict) or not isinstance(known["files"], dict):
                raise TypeError("tensors and files must be objects")
            return cls(**known)
        except (KeyError, TypeError, AttributeError) as error:
            raise ManifestError(f"the manifest is not readable: {error}") from error


def describe_base(directory: Path) -> BaseIdentity:
    """Identify the model in ``directory`` (config, tokenizer, safetensors); raises ManifestError.

    Weights of gigabytes are told apart by each file's header, size and sixteen samples of a
    mebibyte: training moves every tensor.
    """
    try:
        config = json.loads((directory / "config.json").read_text("utf-8"))
        digest = hashlib.sha256()
        for key in _COSMETIC:
            config.pop(key, None)
        digest.update(json.dumps(config, sort_keys=True).encode())
        for file in sorted(directory.glob("*.safetensors")):
            digest.update(_sampled(file))
        return BaseIdentity(
            revision=digest.hexdigest(),
            tokenizer=_sha256((directory / "tokenizer.json").read_bytes()),
            template=_sha256(_template(directory).encode()),
        )
    except (OSError, ValueError) as error:
        raise ManifestError(f"the base model is incomplete: {error}") from error


def write(
    directory: Path,
    *,
    name: str,
    base: str,
    identity: BaseIdentity,
    created_at: str = "",
    lineage: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> AdapterManifest:
    """Describe the adapter that PEFT saved in ``directory`` and write its manifest there."""
    config = _config(directory)
    manifest = AdapterManifest(
        name=name,
        base=base,
        identity=identity,
        rank=int(config["r"]),
        alpha=float(config["lora_alpha"]),
        target_modules=tuple(sorted(config["target_modules"])),
        tensors=tensor_shapes(directory / WEIGHTS),
        files={file: digest_file(directory / file) for file in (CONFIG, WEIGHTS)},
        created_at=created_at,
        lineage=lineage or {},
        environment=environment or {},
    )
    text = json.dumps(manifest.as_json(), indent=1, sort_keys=True)
    (directory / MANIFEST).write_text(text + "\n", "utf-8")
    return manifest


def read(directory: Path) -> AdapterManifest:
    """The manifest in ``directory``; raises ManifestError."""
    try:
        return AdapterManifest.from_json(json.loads((directory / MANIFEST).read_text("utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError(f"the adapter has no readable manifest: {error}") from error


def check(directory: Path, *, name: str, identity: BaseIdentity) -> AdapterManifest:
    """The manifest, if ``directory`` holds exactly what it says and fits the base.

    Raises ManifestError with everything that is wrong.
    """
    manifest = read(directory)
    wrong = [*_wrong_identity(manifest, name, identity), *_wrong_files(manifest, directory)]
    if not wrong:
        wrong = _wrong_content(manifest, directory)
    if wrong:
        raise ManifestError("; ".join(wrong))
    return manifest


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Name → shape out of a safetensors header; raises ManifestError."""
    try:
        header = json.loads(_header(path))
        header.pop("__metadata__", None)
        return {tensor: list(entry["shape"]) for tensor, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(f"{path.name} is no safetensors file: {error}") from error


def _wrong_identity(manifest: AdapterManifest, name: str, identity: BaseIdentity) -> list[str]:
    parts = (
        ("was trained on another base model", manifest.identity.revision, identity.revision),
        ("was trained with another tokenizer", manifest.identity.tokenizer, identity.tokenizer),
        ("was trained with another chat template", manifest.identity.template, identity.template),
        (f"is named {manifest.name}, not {name}", manifest.name, name),
    )
    return [f"the adapter {what}" for what, theirs, ours in parts if theirs != ours]


def _wrong_files(manifest: AdapterManifest, directory: Path) -> list[str]:
    wrong = []
    if set(manifest.files) != {CONFIG, WEIGHTS}:
        wrong.append(f"the manifest must name {CONFIG} and {WEIGHTS} and no other file")
    for file in sorted({CONFIG, WEIGHTS} & set(manifest.files)):
        if not (directory / file).is_file():
            wrong.append(f"{file} is missing")
        elif digest_file(directory / file) != manifest.files[file]:
            wrong.append(f"{file} is not the file that the manifest describes")
    linked = [f for f in (MANIFEST, CONFIG, WEIGHTS) if (directory / f).is_symlink()]
    wrong += [f"{file} is a link; an adapter's files lie in its directory" for file in linked]
    pickled = [f for f in sorted(directory.iterdir()) if f.suffix in {".bin", ".pt", ".pkl"}]
    return wrong + [f"{file.name} is pickled; only safetensors are read" for file in pickled]


def _wrong_content(manifest: AdapterManifest, directory: Path) -> list[str]:
    wrong = []
    config = _config(directory)
    shapes = tensor_shapes(directory / WEIGHTS)
    if shapes != manifest.tensors:
        wrong.append(
            f"{len(shapes)} tensors stand where the manifest describes {len(manifest.tensors)}"
            if len(shapes) != len(manifest.tensors)
            else "tensors have other names or shapes than the manifest says"
        )
    if config.get("peft_type") != "LORA" or config.get("modules_to_save"):
        wrong.append("only plain LoRA adapters are served")
    if config.get("r") != manifest.rank or config.get("lora_alpha") != manifest.alpha:
        wrong.append("rank or alpha differ from the manifest")
    return wrong


def _config(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / CONFIG).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError(f"{CONFIG} is not readable: {error}") from error
    if not isinstance(config, dict):
        raise ManifestError(f"{CONFIG} is no JSON object")
    return config


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= _HEADER_LIMIT:
            raise ValueError("its header has an impossible length")
        return file.read(length)


def _sampled(path: Path) -> bytes:
    digest = hashlib.sha256(_header(path))
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        for sample in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE) * sample // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE))
    return digest.digest()


def _template(directory: Path) -> str:
    file = directory / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    config = json.loads((directory / "tokenizer_config.json").read_text("utf-8"))
    return str(config.get("chat_template") or "")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
