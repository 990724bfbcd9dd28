"""Which protocols the gateway speaks, and a port by the first that grants one."""

from __future__ import annotations

import asyncio

from tallystick_shared.errors import Code, LocalError, TallystickError

from .gateway import default_gateway
from .mapping import LIFETIME, Mapping, Ports, Router
from .pcp import find_pcp
from .upnp import find_upnp


async def routers(gateway: str | None = None, ports: Ports | None = None) -> list[Router]:
    """The gateway by each protocol it answers, the preferred first. `gateway` (IPv4) is the default one where it is not
    named. Nothing is changed there. Raises LocalError NO_ROUTER.
    """
    address = gateway or await asyncio.to_thread(default_gateway)
    if address is None:
        raise LocalError(Code.NO_ROUTER, reason="this machine has no default gateway")
    where = ports or Ports()
    answers = await asyncio.gather(find_pcp(address, where), find_upnp(address, where), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, TallystickError | OSError):
            raise answer
    found: list[Router] = [answer for answer in answers if answer is not None and not isinstance(answer, BaseException)]
    if not found:
        reason = "it answers neither PCP, NAT-PMP nor UPnP"
        raise LocalError(Code.NO_ROUTER, gateway=address, reason=reason)
    return found


async def open_port(
    internal: int, wanted: int, gateway: str | None = None, ports: Ports | None = None, lifetime: int = LIFETIME
) -> tuple[Router, Mapping]:
    """A TCP port of the router that leads to `internal` here, `wanted` where it can be had. Raises LocalError
    NO_ROUTER, ROUTER_REFUSED: the first protocol's where each refuses.
    """
    fault: LocalError | None = None
    for router in await routers(gateway, ports):
        try:
            return router, await router.map(internal, wanted, lifetime)
        except LocalError as error:
            fault = fault or error
        except OSError as error:
            fault = fault or LocalError(Code.NO_ROUTER, protocol=router.name, reason=error.strerror)
    assert fault is not None
    raise fault
