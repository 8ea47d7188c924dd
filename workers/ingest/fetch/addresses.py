"""Pure: which network addresses a worker may connect to on a stranger's word."""

from __future__ import annotations

import ipaddress

_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
# Inside of clouds, metadata services answer here, in ranges that Python may call global.
_PROVIDERS = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("168.63.129.16/32"))
_COMPATIBLE = ipaddress.ip_network("::/96")


def is_public(address: str) -> bool:
    """Whether ``address`` is on the public internet.

    An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4, Teredo, NAT64) is judged by
    that as well, since a gateway may deliver to it.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _carried(ip)
        if inner is not None:
            return all(is_public(str(each)) for each in inner)
        if ip.is_site_local:
            return False
    elif any(ip in network for network in _PROVIDERS):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _carried(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address] | None:
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if ip.sixtofour is not None:
        return [ip.sixtofour]
    if ip.teredo is not None:
        return list(ip.teredo)
    if ip in _COMPATIBLE or any(ip in network for network in _NAT64):
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    return None
