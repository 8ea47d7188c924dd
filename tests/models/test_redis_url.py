"""One REDIS_URL, spelt for the two libraries that read it."""

from __future__ import annotations

import pytest
from kombu.connection import Connection
from redis import Redis

from models.redis_url import for_celery, for_redis


@pytest.mark.parametrize(
    ("url", "redis", "celery"),
    [
        (
            "unix://:p%2Fw@/run/redis.sock",
            "unix://:p%2Fw@/run/redis.sock",
            "redis+socket://:p%2Fw@/run/redis.sock",
        ),
        (
            "redis+socket:///run/redis.sock?virtual_host=5",
            "unix:///run/redis.sock?db=5",
            "redis+socket:///run/redis.sock?virtual_host=5",
        ),
        (
            "unix:///run/redis.sock?db=5",
            "unix:///run/redis.sock?db=5",
            "redis+socket:///run/redis.sock?virtual_host=5",
        ),
        ("redis://ada@host:1/2", "redis://ada@host:1/2", "redis://ada@host:1/2"),
        ("redis://host?virtual_host=5", "redis://host/5", "redis://host/5"),
        ("redis://host/0?db=5", "redis://host/5", "redis://host/5"),
        (
            "rediss://host/1?ssl_cert_reqs=none",
            "rediss://host/1?ssl_cert_reqs=none",
            "rediss://host/1?ssl_cert_reqs=none",
        ),
    ],
)
def test_each_library_gets_its_own_spelling(url: str, redis: str, celery: str) -> None:
    assert for_redis(url) == redis
    assert for_celery(url) == celery
    number = {"5": 5, "2": 2, "1": 1}.get(redis[-1], 1 if "/1?" in redis else 0)
    with Redis.from_url(for_redis(url)) as client:
        client.connection_pool.make_connection()
        assert client.connection_pool.connection_kwargs.get("db", 0) == number
    broker = Connection(for_celery(url))  # type: ignore[no-untyped-call]
    assert broker.transport_cls in ("redis", "rediss")
