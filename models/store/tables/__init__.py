"""Every row that phi3-expert keeps, by concern. Postgres is the truth; this is its shape.

Conventions: ``state`` columns are short words guarded by a CHECK; ``claimed_by``/``claimed_until``
are a lease that a sweep may take over once it has run out; ``audience`` is ``workspace``,
``channel:<id>`` or ``user:<id>``; hashes are lower-case sha256 hex of UTF-8 text or of bytes.
"""

from models.store.tables.answers import Answer, ExpertRequest, Feedback, Question
from models.store.tables.base import AUDIENCE_CHECK, Base, Json, Lease
from models.store.tables.documents import (
    BUILT_IN,
    Blob,
    Chunk,
    Document,
    Embedding,
    EmbeddingModel,
    IngestJob,
    Source,
    TermCount,
)
from models.store.tables.learning import (
    Adapter,
    Consent,
    Evaluation,
    Pair,
    Refresh,
    Snapshot,
    SnapshotPair,
)
from models.store.tables.slack import Event, Outbox
from models.store.tables.workspace import Audit, Member, Setting

__all__ = [
    "AUDIENCE_CHECK",
    "BUILT_IN",
    "Adapter",
    "Answer",
    "Audit",
    "Base",
    "Blob",
    "Chunk",
    "Consent",
    "Document",
    "Embedding",
    "EmbeddingModel",
    "Evaluation",
    "Event",
    "ExpertRequest",
    "Feedback",
    "IngestJob",
    "Json",
    "Lease",
    "Member",
    "Outbox",
    "Pair",
    "Question",
    "Refresh",
    "Setting",
    "Snapshot",
    "SnapshotPair",
    "Source",
    "TermCount",
]
