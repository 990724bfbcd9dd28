"""How many strangers may be connected: per address, per neighbourhood, in all.

A connection is a stranger until its channel is accepted. Where there is no room the oldest stranger of that group
goes, never the newest, so that somebody who holds sockets open cannot keep others out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from tallystick_shared import limits


@dataclass(frozen=True)
class Stranger:
    """A connection without a channel; `evict` ends it."""

    groups: tuple[str, ...]
    evict: Callable[[], None]


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


class Gate:
    """Counts strangers."""

    def __init__(
        self,
        per_address: int = limits.STRANGERS_PER_ADDRESS.value,
        total: int = limits.STRANGERS.value,
        per_neighbourhood: int = limits.STRANGERS_PER_NEIGHBOURHOOD.value,
    ) -> None:
        self._limits = (per_address, per_neighbourhood, total)
        self._strangers: dict[Stranger, None] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._strangers)

    def enter(self, address: str, evict: Callable[[], None]) -> Stranger:
        """A new connection. Where one of its groups is full, that group's oldest stranger is evicted."""
        stranger = Stranger((*groups_of(address), "all"), evict)
        for group, limit in zip(stranger.groups, self._limits, strict=True):
            if self._counts.get(group, 0) >= limit:
                oldest = next(other for other in self._strangers if group in other.groups)
                self.leave(oldest)
                oldest.evict()
        self._strangers[stranger] = None
        for group in stranger.groups:
            self._counts[group] = self._counts.get(group, 0) + 1
        return stranger

    def leave(self, stranger: Stranger) -> None:
        """The connection is gone, or is no stranger any more. May be called twice."""
        if stranger not in self._strangers:
            return
        del self._strangers[stranger]
        for group in stranger.groups:
            self._counts[group] -= 1
            if not self._counts[group]:
                del self._counts[group]
