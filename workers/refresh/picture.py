"""The four arms as a picture for Slack: a bar each, no plotting library needed."""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFont

BARS = (
    ("base", "Base model", "#b8bec9"),
    ("rag", "Documents", "#5b8def"),
    ("adapter", "Adapter", "#e0a458"),
    ("rag_adapter", "Documents + adapter", "#3aa676"),
    ("live", "In service before", "#8a6fc9"),
)
_WIDTH, _ROW, _LEFT, _TOP = 900, 64, 260, 90


def arms(means: Mapping[str, Mapping[str, float]], *, title: str) -> bytes:
    """A PNG of each arm's token F1 in [0, 1]."""
    shown = [bar for bar in BARS if "token_f1" in means.get(bar[0], {})]
    image = Image.new("RGB", (_WIDTH, _TOP + _ROW * max(1, len(shown)) + 30), "white")
    draw = ImageDraw.Draw(image)
    large, small = ImageFont.load_default(26), ImageFont.load_default(20)
    draw.text((24, 22), title, fill="#1d1c1d", font=large)
    draw.text(
        (24, 58), "Token F1 on held-out questions", fill="#616061", font=ImageFont.load_default(16)
    )
    span = _WIDTH - _LEFT - 110
    for at, (arm, label, colour) in enumerate(shown):
        top = _TOP + at * _ROW + 8
        value = means[arm]["token_f1"]
        draw.text((24, top + 10), label, fill="#1d1c1d", font=small)
        draw.rounded_rectangle((_LEFT, top, _LEFT + span, top + 42), 6, fill="#f2f3f5")
        end = _LEFT + max(8, round(span * min(1.0, max(0.0, value))))
        draw.rounded_rectangle((_LEFT, top, end, top + 42), 6, fill=colour)
        draw.text((_LEFT + span + 16, top + 10), f"{value:.2f}", fill="#1d1c1d", font=small)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
