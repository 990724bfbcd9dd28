"""Which addresses count as one stranger, and which as neighbours."""

from __future__ import annotations

import ipaddress


def groups_of(address: str) -> tuple[str, str]:
    """The group of an address (IPv4, or /64) and its neighbourhood (/24, or /48)."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return (address, address + "/")
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    near, wide = (32, 24) if ip.version == 4 else (64, 48)
    return tuple(str(ipaddress.ip_network(f"{ip}/{bits}", strict=False)) for bits in (near, wide))  # type: ignore[return-value]
