"""REDIS_URL as people write it, turned into what redis-py and Celery each take. Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit


def for_redis(url: str) -> str:
    """For ``Redis.from_url``: ``unix://…?db=5`` or ``redis://host/5``."""
    return _spelt(url, socket="unix", database="db")


def for_celery(url: str) -> str:
    """For a broker: ``redis+socket://…?virtual_host=5`` or ``redis://host/5``."""
    return _spelt(url, socket="redis+socket", database="virtual_host")


def _spelt(url: str, *, socket: str, database: str) -> str:
    """Each library knows one name for the database's number and fails on the other's."""
    scheme, _, rest = url.partition("://")
    parts = urlsplit(f"//{rest}")
    options = dict(parse_qsl(parts.query))
    number = options.pop("virtual_host", None) or options.pop("db", None)
    options.pop("db", None)
    path = parts.path
    if scheme in ("unix", "redis+socket"):
        scheme = socket
        options |= {database: number.strip("/")} if number else {}
    elif number:
        path = f"/{number.strip('/')}"
    query = f"?{urlencode(options)}" if options else ""
    return f"{scheme}://{parts.netloc}{path}{query}"
