"""Links to the bot's own viewer: signed, expiring, for documents that have no public address."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

from bot.settings import LINK_DAYS


@dataclass(frozen=True)
class Links:
    """Makes and checks links; replicas with the same secret understand each other's."""

    base_url: str
    secret: bytes

    def document(self, document_id: int, chunk_id: int | None, *, now: float) -> str:
        """A link that opens the document at the chunk for ``LINK_DAYS`` from ``now`` (epoch, s)."""
        expires = int(now) + LINK_DAYS * 86_400
        query = {
            "chunk": str(chunk_id or ""),
            "exp": str(expires),
            "sig": self._sign(document_id, str(chunk_id or ""), expires),
        }
        return f"{self.base_url}/documents/{document_id}?{urlencode(query)}#cited"

    def opens(self, document_id: int, *, chunk: str, exp: str, sig: str, now: float) -> bool:
        """Whether these query values were signed here and have not expired."""
        if not (exp.isascii() and exp.isdigit() and sig.isascii()):  # strangers write these
            return False
        if len(exp) > 12 or int(exp) < now:
            return False
        return hmac.compare_digest(self._sign(document_id, chunk, int(exp)), sig)

    def _sign(self, document_id: int, chunk: str, expires: int) -> str:
        message = f"document\n{document_id}\n{chunk}\n{expires}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:40]


def link_secret(bot_token: str) -> bytes:
    """A key of its own, drawn from the one secret that all replicas share."""
    return hmac.new(bot_token.encode(), b"phi3 document links", hashlib.sha256).digest()
