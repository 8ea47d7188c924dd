"""Settings of the write path, read from the environment when a class is called, never at import."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class _FromEnvironment(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)


class Workers(_FromEnvironment):
    """How many documents are worked on at once, and for how long a claim holds."""

    # Mostly waiting for embeddings: two large documents leave one process to the small ones.
    concurrency: int = Field(3, ge=1, validation_alias="PHI3_INGEST_CONCURRENCY")
    lease_s: int = Field(30, ge=5, validation_alias="PHI3_INGEST_LEASE_S")
    poll_s: int = Field(900, ge=60, validation_alias="PHI3_POLL_S")  # a URL's default rhythm


class Parsing(_FromEnvironment):
    """What one document may cost its parser before it is given up."""

    memory_mb: int = Field(1536, ge=256, validation_alias="PHI3_PARSE_MEMORY_MB")
    cpu_s: int = Field(120, ge=1, validation_alias="PHI3_PARSE_CPU_S")
    wall_s: int = Field(180, ge=1, validation_alias="PHI3_PARSE_WALL_S")


class Embedding(_FromEnvironment):
    """How the embedding server is kept busy."""

    batch: int = Field(64, ge=1, validation_alias="PHI3_EMBED_BATCH")  # texts per request
    in_flight: int = Field(3, ge=1, validation_alias="PHI3_EMBED_IN_FLIGHT")  # per document
