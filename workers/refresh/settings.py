"""Settings of the nights, read from the environment when a class is called, never at import."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LEASE_S = 60.0


class Nights(BaseSettings):
    """When the refresh runs, and what a night may cost."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    at: dt.time = Field(dt.time(2, 0), validation_alias="PHI3_REFRESH_AT")  # local time
    zone: str = Field("", validation_alias="PHI3_TIMEZONE")  # empty: the machine's own
    hours: float = Field(4.0, gt=0, validation_alias="PHI3_TRAIN_HOURS")  # of training, at most
    quantise: bool = Field(
        True, validation_alias="PHI3_TRAIN_QLORA"
    )  # False: LoRA on plain weights
    batch: int = Field(16, ge=1, validation_alias="PHI3_TRAIN_BATCH")  # examples per step
    max_length: int = Field(2048, ge=64, validation_alias="PHI3_TRAIN_MAX_LENGTH")  # tokens
    items: int = Field(400, ge=20, validation_alias="PHI3_EVALUATE_ITEMS")  # held-out pairs asked
    answer_tokens: int = Field(256, ge=16, validation_alias="PHI3_EVALUATE_TOKENS")  # of an answer
    seed: int = Field(0, validation_alias="PHI3_TRAIN_SEED")
    lease_s: float = Field(LEASE_S, gt=0, validation_alias="PHI3_REFRESH_LEASE_S")
    keep_days: int = Field(
        180, ge=1, validation_alias="PHI3_KEEP_NIGHTS_DAYS"
    )  # snapshots, adapters, what they said
    keep_questions_days: int | None = Field(
        None, ge=1, validation_alias="PHI3_KEEP_QUESTIONS_DAYS"
    )  # with their answers; none: until somebody is forgotten

    @field_validator("keep_questions_days", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            if value:
                ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {value}") from error
        return value

    def local(self, now: dt.datetime) -> dt.datetime:
        """``now`` in the team's time zone."""
        return now.astimezone(ZoneInfo(self.zone) if self.zone else None)
