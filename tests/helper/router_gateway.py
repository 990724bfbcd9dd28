"""A router on loopback, for tests: PCP, NAT-PMP and UPnP as their texts have it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

from tallystick_helper.router import Ports

HERE = "127.0.0.1"
DESCRIPTION = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><serviceList>
<service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/none</controlURL></service>
<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>{control}</controlURL></service>
</serviceList></device></deviceList></device></root>"""
SOAP = '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'


@dataclass
class Gateway:
    """`speaks` names its protocols; `refuses` is the number with which it says no; `external` the address it claims;
    `longest` the longest lease in seconds it grants; `garbled` changes each answer on its way. `mapped` are ports that
    lead to this machine, by the outer port.
    """

    speaks: frozenset[str]
    refuses: int = 0
    external: str = "203.0.113.7"
    longest: int = 7200
    taken: frozenset[int] = frozenset()
    forever: bool = False
    garbled: Callable[[bytes], bytes] = lambda data: data
    description: str = DESCRIPTION
    control: str = "/control"
    location: str = ""
    mapped: dict[int, tuple[int, int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ports: Ports = field(default_factory=Ports)
    http: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits until something is so after a request."""
        async with self.changed:
            await self.changed.wait_for(true)

    async def told(self, what: str) -> None:
        async with self.changed:
            self.asked.append(what)
            self.changed.notify_all()

    def grant(self, internal: int, wanted: int, lifetime: int) -> int:
        """The outer port."""
        port = next(one for one in range(wanted or internal, 65536) if one not in self.taken)
        self.mapped[port] = (internal, min(lifetime, self.longest))
        return port

    def drop(self, internal: int) -> None:
        self.mapped = {port: held for port, held in self.mapped.items() if held[0] != internal}

    # --- PCP and NAT-PMP ---

    def datagram(self, data: bytes) -> tuple[str, bytes | None]:
        """(what was asked, the answer)."""
        if data[0] == 0 and "nat-pmp" in self.speaks:
            return self._nat(data)
        if data[0] == 2 and "pcp" in self.speaks:
            return self._pcp(data)
        if data[0] == 2 and "nat-pmp" in self.speaks:
            return "version", struct.pack(">BBHI", 0, 0x80 | data[1], 1, 1)
        return "nothing", None

    def _nat(self, data: bytes) -> tuple[str, bytes]:
        opcode = data[1]
        if self.refuses:
            return "refused", struct.pack(">BBHI", 0, 0x80 | opcode, self.refuses, 1)
        if opcode == 0:
            return "address", struct.pack(">BBHI4s", 0, 0x80, 0, 1, ipaddress.IPv4Address(self.external).packed)
        _, _, _, internal, wanted, lifetime = struct.unpack(">BBHHHI", data)
        if not lifetime:
            self.drop(internal)
            return "unmap", struct.pack(">BBHIHHI", 0, 0x82, 0, 1, internal, 0, 0)
        port = self.grant(internal, wanted, lifetime)
        return "map", struct.pack(">BBHIHHI", 0, 0x82, 0, 1, internal, port, min(lifetime, self.longest))

    def _pcp(self, data: bytes) -> tuple[str, bytes]:
        _, opcode, lifetime, client = struct.unpack_from(">BBxxI16s", data)
        assert client == bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(HERE).packed
        head = struct.Struct(">BBxBII12x")
        if opcode == 0:
            return "announce", head.pack(2, 0x80, 0, 0, 1)
        nonce, protocol, internal, wanted, _ = struct.unpack_from(">12sB3xHH16s", data, 24)
        assert protocol == 6
        outer = bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(self.external).packed
        if self.refuses:
            return "refused", head.pack(2, 0x81, self.refuses, 30, 1) + data[24:60]
        if not lifetime:
            self.drop(internal)
            return "unmap", head.pack(2, 0x81, 0, 0, 1) + data[24:60]
        port = self.grant(internal, wanted, lifetime)
        body = struct.pack(">12sB3xHH16s", nonce, protocol, internal, port, outer)
        return "map", head.pack(2, 0x81, 0, min(lifetime, self.longest), 1) + body

    # --- UPnP ---

    def answer(self, path: str, action: str, body: str) -> tuple[str, int, str]:
        """(what was asked, HTTP status, document)."""
        if path == "/description":
            return "description", 200, self.description.format(control=self.control)

        def value(name: str) -> str:
            return (re.findall(f"<{name}>(.*?)</{name}>", body) or [""])[0]

        fault = str(self.refuses) if self.refuses else ""
        if action == "AddPortMapping" and not fault:
            port, lease = int(value("NewExternalPort")), int(value("NewLeaseDuration"))
            fault = "718" if port in self.taken else "725" if lease and self.forever else ""
            if not fault:
                assert value("NewInternalClient") == HERE and value("NewProtocol") == "TCP"
                self.mapped[port] = (int(value("NewInternalPort")), lease)
        if action == "DeletePortMapping" and not fault:
            fault = "" if self.mapped.pop(int(value("NewExternalPort")), None) else "714"
        if fault:
            detail = f"<UPnPError><errorCode>{fault}</errorCode><errorDescription>no</errorDescription></UPnPError>"
            return "refused", 500, SOAP.format(f"<s:Fault><detail>{detail}</detail></s:Fault>")
        inner = f"<NewExternalIPAddress>{self.external}</NewExternalIPAddress>" if action.startswith("Get") else ""
        return action, 200, SOAP.format(f"<u:{action}Response>{inner}</u:{action}Response>")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One HTTP request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int((re.findall(r"(?i)content-length: (\d+)", head) or ["0"])[0])
        body = (await reader.readexactly(length)).decode()
        action = (re.findall(r'(?i)soapaction: "[^"#]*#(\w+)"', head) or [""])[0]
        what, status, document = self.answer(head.split(" ")[1], action, body)
        data = self.garbled(document.encode())
        # Before the answer, so that who waits for the request has not gone on by the answer already.
        await self.told(what)
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(data)) + data)
        await writer.drain()
        writer.close()

    def found(self) -> bytes:
        """The answer to a search."""
        where = self.location or f"http://{HERE}:{self.http}/description"
        return f"HTTP/1.1 200 OK\r\nST: igd\r\nLOCATION: {where}\r\n\r\n".encode()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, react: Callable[[bytes], tuple[str, bytes | None]], gateway: Gateway) -> None:
        self._react, self._gateway = react, gateway
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        what, answer = self._react(data)
        if answer is not None:
            self._transport.sendto(self._gateway.garbled(answer), addr)
        task = asyncio.create_task(self._gateway.told(what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@contextlib.asynccontextmanager
async def gateway_of(*speaks: str, **wishes: object) -> AsyncIterator[Gateway]:
    """A gateway that runs; `wishes` are its fields."""
    gateway = Gateway(frozenset(speaks), **wishes)  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    web = await asyncio.start_server(gateway.serve, HERE, 0)
    gateway.http = web.sockets[0].getsockname()[1]

    def search(data: bytes) -> tuple[str, bytes | None]:
        asked = data.startswith(b"M-SEARCH") and "upnp" in gateway.speaks
        return "search", gateway.found() if asked else None

    udp = [
        await loop.create_datagram_endpoint(lambda react=react: _Udp(react, gateway), local_addr=(HERE, 0))
        for react in (gateway.datagram, search)
    ]
    gateway.ports = Ports(*(one[0].get_extra_info("sockname")[1] for one in udp))
    try:
        yield gateway
    finally:
        for transport, _ in udp:
            transport.close()
        web.close()
        await web.wait_closed()
