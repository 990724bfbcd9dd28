"""What a router grants, and the seat that each protocol fills."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Protocol

from tallystick_shared.errors import Code, LocalError

LIFETIME = 3600
"""Seconds for which a mapping is asked: a node that dies leaves no port open for longer."""


@dataclass(frozen=True)
class Ports:
    """Where a gateway listens: PCP and NAT-PMP on one UDP port, SSDP on another."""

    pcp: int = 5351
    ssdp: int = 1900


@dataclass(frozen=True)
class Mapping:
    """A TCP port of the router that leads to `internal` here. `external` is the router's own address as it says it,
    `lifetime` in seconds; 0 where it knows only mappings without an end.
    """

    protocol: str
    external: str
    port: int
    internal: int
    lifetime: int

    @property
    def url(self) -> str:
        return f"ws://{self.external}:{self.port}"

    @property
    def public(self) -> bool:
        """Is that address one of the internet? Not behind another router, or a provider's own translation."""
        return ipaddress.ip_address(self.external).is_global

    def values(self) -> dict[str, Any]:
        """For `--json`."""
        own = {"protocol": self.protocol, "external": self.external, "external_port": self.port}
        return {**own, "port": self.internal, "lifetime": self.lifetime, "endpoint": self.url, "public": self.public}


class Router(Protocol):
    """A gateway by one protocol."""

    name: str

    async def map(self, internal: int, wanted: int, lifetime: int) -> Mapping:
        """Opens or renews; the port that is granted may be another than `wanted`. Raises LocalError NO_ROUTER or
        ROUTER_REFUSED.
        """

    async def unmap(self, mapping: Mapping) -> None:
        """Takes it back. Raises LocalError NO_ROUTER or ROUTER_REFUSED."""


def refused(protocol: str, reason: str) -> LocalError:
    """The router said no."""
    return LocalError(Code.ROUTER_REFUSED, protocol=protocol, reason=reason)


def silent(protocol: str, reason: str = "no answer") -> LocalError:
    """The router did not answer, or not in this protocol."""
    return LocalError(Code.NO_ROUTER, protocol=protocol, reason=reason)


def checked_address(protocol: str, text: str) -> str:
    """An IPv4 address as a router says it. Raises LocalError ROUTER_REFUSED."""
    try:
        address = ipaddress.IPv4Address(text.strip())
    except ValueError:
        raise refused(protocol, "it names no address of its own") from None
    if address.is_unspecified or address.is_multicast:
        raise refused(protocol, "it has no address of its own: is it connected?")
    return str(address)
