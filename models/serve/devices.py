"""Whether there is a GPU, asked without torch where the answer is plainly no."""

from __future__ import annotations

import sys
from pathlib import Path

DEVICES = ("nvidia*", "nvmap", "dxg", "kfd")  # NVIDIA, its Jetsons, GPUs under WSL, AMD


def cuda_available(devices: Path = Path("/dev")) -> bool:
    """Whether torch can use a GPU. Importing torch takes longer than all else of a small server."""
    if sys.platform == "linux" and not any(any(devices.glob(name)) for name in DEVICES):
        return False
    import torch

    return torch.cuda.is_available()
