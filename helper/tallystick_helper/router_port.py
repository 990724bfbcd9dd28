"""The node's port at the router: which one is wished, and what a command does that finds no node to ask."""

from __future__ import annotations

from urllib.parse import urlsplit

from .announcement import Announcement
from .crypto import NativeCrypto
from .router import Mapping, PortKeeper, Ports, open_port
from .running import RunningNode
from .settings import Settings


def wanted_port(settings: Settings, internal: int) -> int:
    """The port that others know already, from the settings or what was announced; else the same as inside."""
    announced = Announcement.load(settings.data_dir, settings.place)
    known = [settings.listen.endpoint] if settings.listen.endpoint else []
    if announced is not None:
        known += announced.profile(NativeCrypto()).endpoints
    for url in known:
        parts = urlsplit(url or "")
        if parts.scheme == "ws" and parts.port:
            return parts.port
    return internal


def keeper_of(settings: Settings, internal: int) -> PortKeeper:
    """Not started yet."""
    router = settings.router
    return PortKeeper(internal, wanted_port(settings, internal), router.address, Ports(router.pcp, router.ssdp))


async def mapped_endpoint(settings: Settings) -> str:
    """Where others reach this node through the router. The node that runs here keeps the port from now on; where none
    runs it is opened for an hour, and the next node goes on. Raises LocalError NO_ROUTER, ROUTER_REFUSED.
    """
    if (node := RunningNode.find(settings.data_dir)) is not None:
        return str((await node.command("/port", on=True))["router"]["endpoint"])
    return (await mapped_once(settings)).url


async def mapped_once(settings: Settings) -> Mapping:
    """Raises LocalError NO_ROUTER, ROUTER_REFUSED."""
    router, port = settings.router, settings.listen.port
    wanted = wanted_port(settings, port)
    return (await open_port(port, wanted, router.address, Ports(router.pcp, router.ssdp)))[1]
