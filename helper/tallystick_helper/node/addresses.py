"""Which addresses count as one stranger, which as neighbours, and which lead out of this network."""

from __future__ import annotations

import ipaddress
import socket

UNICAST = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""What stands for an IPv4 address in a network without any (RFC 6052)."""


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


def leads_out(address: str) -> bool:
    """Does it lead to another machine, over the internet? Not to this one under any of its addresses, nor to its own
    network, also where an IPv6 address only wraps such an IPv4 one. False for what is no address.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is not None:
            ip = inner
        elif ip not in UNICAST or ip.sixtofour is not None or ip.teredo is not None:
            return False
    return ip.is_global and not ip.is_multicast and not _is_own(str(ip))


def _is_own(address: str) -> bool:
    """Is it one of this machine's? Then it can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
