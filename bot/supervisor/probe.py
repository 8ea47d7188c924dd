"""Whether a part answers, asked from outside: over HTTP, or by its heartbeat in Redis."""

from __future__ import annotations

from typing import Any

import httpx
from redis import Redis
from redis.exceptions import RedisError

from models.redis_url import for_redis

HEARTBEAT = "phi3:alive:"  # + part -> process id of whoever beat last; workers/alive.py writes it


def health(url: str, *, timeout_s: float = 1.0) -> dict[str, Any] | None:
    """What a health endpoint says, {} where it says nothing in JSON; none where it is not well."""
    try:
        response = httpx.get(url, timeout=timeout_s, trust_env=False)
    except httpx.HTTPError:
        return None
    if response.status_code != 200:
        return None
    if "json" not in response.headers.get("content-type", ""):
        return {}
    said = response.json()
    return said if isinstance(said, dict) else {}


def database(url: str, *, timeout_s: int = 2) -> dict[str, Any] | None:
    """{} where Postgres takes connections; none where it does not."""
    import psycopg

    url = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        psycopg.connect(url, connect_timeout=timeout_s).close()
    except psycopg.Error:
        return None
    return {}


def queue(url: str) -> dict[str, Any] | None:
    """{} where Redis answers; none where it does not."""
    try:
        with Redis.from_url(for_redis(url), socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except RedisError:
        return None
    return {}


def heartbeat(redis_url: str, part: str) -> int | None:
    """The process that beat for ``part`` within the last seconds; none where none did."""
    try:
        url = for_redis(redis_url)
        with Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            said = client.get(HEARTBEAT + part)
    except RedisError:
        return None
    return int(said) if isinstance(said, bytes) and said.isdigit() else None
