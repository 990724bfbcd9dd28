"""Port mappings by UPnP: SSDP finds the gateway's description, which names where its SOAP actions are posted.

UPnP Device Architecture 1.1; WANIPConnection 1 and 2, WANPPPConnection 1. Everything stays on the gateway's own
address: an answer, a description or a control URL that leads elsewhere is not followed.
"""

from __future__ import annotations

import ipaddress
import random
from urllib.parse import urljoin, urlsplit
from xml.sax.saxutils import escape

import httpx2

from tallystick_shared.errors import LocalError

from .datagrams import ask
from .gateway import own_address
from .mapping import Mapping, Ports, checked_address, refused, silent
from .xml import MOST_BYTES, BadXml, Node, parse

NAME = "UPnP"
GROUP = "239.255.255.250"
SERVICES = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
DEVICE = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
SAYS = "Tallystick"
TIMEOUT = httpx2.Timeout(5.0)
CONFLICT, ONLY_PERMANENT, NO_SUCH = "718", "725", "714"
OTHER_PORTS = range(49152, 65536)
TRIES = 4
FAULTS = {
    "401": "it does not know that request",
    "402": "it did not understand the request",
    "501": "it failed to do so",
    "606": "it does not allow that",
    "716": "it wants another way of naming the port",
    "718": "another machine has that port",
    "724": "it opens the same number on both sides only",
    "725": "it opens ports for ever only",
    "728": "it has no room for more",
    "729": "another mapping is in its way",
}


class _Fault(Exception):
    """A UPnP error, by its number."""

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number

    def told(self) -> LocalError:
        return refused(NAME, FAULTS.get(self.number, f"its reason is number {self.number or 'none'}"))


class Upnp:
    """Fills the Router seat: one connection service of a gateway, by its control URL."""

    name = NAME

    def __init__(self, gateway: str, service: str, control: str) -> None:
        self._gateway, self._service, self._control = gateway, service, control

    async def map(self, internal: int, wanted: int, lifetime: int) -> Mapping:
        try:
            port, granted = await self._open(internal, wanted, lifetime)
            answer = await self._act("GetExternalIPAddress")
        except _Fault as fault:
            raise fault.told() from None
        return Mapping(NAME, checked_address(NAME, answer.value("NewExternalIPAddress")), port, internal, granted)

    async def _open(self, internal: int, wanted: int, lifetime: int) -> tuple[int, int]:
        """(external port, lifetime). Where another machine has the wished port, a few others are tried."""
        port, granted = wanted, lifetime
        for _ in range(TRIES):
            try:
                await self._add(internal, port, granted)
                return port, granted
            except _Fault as fault:
                if fault.number == ONLY_PERMANENT and granted:
                    granted = 0
                elif fault.number == CONFLICT:
                    port = random.choice(OTHER_PORTS)
                else:
                    raise
        raise _Fault(CONFLICT)

    async def _add(self, internal: int, port: int, lifetime: int) -> None:
        await self._act(
            "AddPortMapping",
            NewRemoteHost="",
            NewExternalPort=port,
            NewProtocol="TCP",
            NewInternalPort=internal,
            NewInternalClient=own_address(self._gateway),
            NewEnabled=1,
            NewPortMappingDescription=SAYS,
            NewLeaseDuration=lifetime,
        )

    async def unmap(self, mapping: Mapping) -> None:
        try:
            await self._act("DeletePortMapping", NewRemoteHost="", NewExternalPort=mapping.port, NewProtocol="TCP")
        except _Fault as fault:
            if fault.number != NO_SUCH:
                raise fault.told() from None

    async def _act(self, action: str, **arguments: object) -> Node:
        inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in arguments.items())
        body = (
            '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
            's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
            f'<u:{action} xmlns:u="{self._service}">{inner}</u:{action}></s:Body></s:Envelope>'
        )
        headers = {"SOAPAction": f'"{self._service}#{action}"', "Content-Type": 'text/xml; charset="utf-8"'}
        status, answer = await _fetch("POST", self._control, body.encode(), headers)
        if status != 200:
            raise _Fault(answer.value("errorCode"))
        return answer


async def _fetch(method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, Node]:
    """The status and the document; follows nothing. Raises LocalError NO_ROUTER."""
    try:
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=TIMEOUT, follow_redirects=False) as client,
            client.stream(method, url, content=body, headers=headers) as answer,
        ):
            data = bytearray()
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) > MOST_BYTES:
                    raise silent(NAME, "its answer is too long")
            return answer.status_code, parse(bytes(data))
    except (httpx2.HTTPError, httpx2.InvalidURL, BadXml) as error:
        raise silent(NAME, f"its answer cannot be read: {type(error).__name__}") from None


def location_of(data: bytes, gateway: str) -> str | None:
    """The description's URL in an SSDP answer; None where it is none, or leads away from the gateway."""
    lines = data.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/1.1 200"):
        return None
    named = (line.partition(":") for line in lines[1:])
    url = next((value.strip() for name, _, value in named if name.strip().lower() == "location"), "")
    return url if _is_on(url, gateway) else None


def _is_on(url: str, gateway: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and parts.hostname == gateway and (parts.port or 80) > 0
    except ValueError:
        return False


def service_of(description: Node, url: str, gateway: str) -> tuple[str, str] | None:
    """(service, control URL) of the first connection service, the newest kind first."""
    base = description.value("URLBase") or url
    services = list(description.every("service"))
    for wanted in SERVICES:
        for service in services:
            control = urljoin(base, service.value("controlURL"))
            if service.value("serviceType") == wanted and _is_on(control, gateway):
                return wanted, control
    return None


async def find_upnp(gateway: str, ports: Ports) -> Upnp | None:
    """The gateway's connection service. Asked are its own address, and the group that SSDP is for, because many routers
    listen there alone; only the gateway's answer is read. Raises LocalError NO_ROUTER, OSError.
    """
    request = (
        f'M-SEARCH * HTTP/1.1\r\nHOST: {GROUP}:{ports.ssdp}\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: {DEVICE}\r\n\r\n'
    )
    targets = [(gateway, ports.ssdp)]
    if not ipaddress.ip_address(gateway).is_loopback:
        targets.append((GROUP, ports.ssdp))
    url = await ask(request.encode(), targets, gateway, lambda data: location_of(data, gateway))
    if url is None:
        return None
    status, description = await _fetch("GET", url)
    found = service_of(description, url, gateway) if status == 200 else None
    return Upnp(gateway, *found) if found else None
