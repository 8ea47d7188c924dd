"""What every table shares: types, keys, states, leases."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Float,
    Identity,
    Integer,
    LargeBinary,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]

AUDIENCE_CHECK = "audience = 'workspace' OR audience ~ '^(channel|user):[A-Z0-9]+$'"


class Base(DeclarativeBase):
    """Declarative base; datetimes are always timezone-aware, JSON is always JSONB."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dt.datetime: DateTime(timezone=True),
        dt.date: Date(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
        str: Text(),
        int: BigInteger(),
        float: Float(),
        bytes: LargeBinary(),
    }


def states(*names: str) -> str:
    return "state IN (" + ", ".join(f"'{name}'" for name in names) + ")"


def key() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(), primary_key=True)


def now() -> Mapped[dt.datetime]:
    return mapped_column(DateTime(timezone=True), server_default=func.now())


class Lease:
    """A row that one process works on at a time; the lease runs out if that process dies."""

    claimed_by: Mapped[str | None] = mapped_column(default=None)
    claimed_until: Mapped[dt.datetime | None] = mapped_column(default=None)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
