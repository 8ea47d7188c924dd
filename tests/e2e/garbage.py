"""Files that no reader should trust, made on the spot."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"

# A page behind the standard security handler, with keys that no password gives.
_ENCRYPTED_PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R>>endobj
4 0 obj<</Length 44>>stream
BT /F1 12 Tf 20 100 Td (sealed words) Tj ET
endstream endobj
5 0 obj<</Filter/Standard/V 1/R 2/P -44/O <KEY>/U <KEY>>>endobj
trailer<</Size 6/Root 1 0 R/Encrypt 5 0 R/ID[<00><00>]>>
%%EOF
""".replace(b"KEY", b"5a" * 32)


def zip_bomb(megabytes: int = 600) -> bytes:
    """A Word document of a few hundred kilobytes that unpacks to ``megabytes``."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
            f'content-types"><Override PartName="/word/document.xml" ContentType="{_WORD}"/>'
            "</Types>",
        )
        with archive.open("word/document.xml", "w", force_zip64=True) as inner:
            for _ in range(megabytes):
                inner.write(bytes(1 << 20))
    return packed.getvalue()


def make(folder: Path) -> dict[str, Path]:
    """Write each kind into ``folder``; name → path."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>" * 200)
    contents = {
        "blank.md": b" \n\n \n",  # Slack itself refuses a file without a byte
        "truncated.pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Ty",
        "truncated.docx": whole.getvalue()[:900],
        "mislabelled.pdf": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
        "bomb.docx": zip_bomb(),
        "encrypted.pdf": _ENCRYPTED_PDF,
        "noise.xlsx": bytes((n * 197 + 31) % 256 for n in range(4096)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}
