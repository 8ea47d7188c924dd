"""Which proxy, if any, lies between the bot and Slack's API."""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit

_READ_BY_SLACK_SDK = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy that the environment names for ``url``; NO_PROXY and loopback are obeyed."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if is_loopback(host) or urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined]
        host, {"no": no_proxy}
    ):
        return None
    named = (
        environ.get(f"{parts.scheme}_proxy") or environ.get(f"{parts.scheme}_proxy".upper())
    ) or (environ.get("all_proxy") or environ.get("ALL_PROXY"))
    return named.strip() or None if named else None


def settle_proxy(api_url: str, environ: MutableMapping[str, str]) -> str | None:
    """Decide on Slack's proxy once, and take the variables away.

    slack_sdk reads them by itself wherever it is given none, knows no NO_PROXY, and copies its
    clients; this process speaks to nobody else through a proxy.
    """
    proxy = proxy_for(api_url, environ)
    for name in _READ_BY_SLACK_SDK:
        environ.pop(name, None)
    return proxy
