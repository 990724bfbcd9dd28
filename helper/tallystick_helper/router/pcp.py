"""Port mappings by PCP (RFC 6887) and its elder, NAT-PMP (RFC 6886), which share a UDP port of the gateway."""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Callable

from .datagrams import ask
from .gateway import own_address
from .mapping import Mapping, Ports, Router, checked_address, refused, silent

TCP = 6
ANNOUNCE, MAP = 0, 1
ANSWER = 0x80
_HEADER = struct.Struct(">BBxxI16s")
"""PCP request: version, opcode, lifetime, the asker's address."""
_ANSWER = struct.Struct(">BBxBII12x")
"""PCP answer: version, opcode, result, lifetime, epoch."""
_MAP = struct.Struct(">12sB3xHH16s")
"""Nonce, IP protocol, internal port, external port, external address."""
_NAT_MAP = struct.Struct(">BBHHHI")
_NAT_MAPPED = struct.Struct(">BBHIHHI")
_NAT_ADDRESS = struct.Struct(">BBHI4s")
PCP_RESULTS = {
    1: "it knows another version only",
    2: "it does not allow that",
    3: "it did not understand the request",
    7: "its connection is down",
    8: "it has no room for more",
    9: "it does not know TCP",
    11: "it cannot give that port",
    12: "another router stands between",
    13: "this network has too many ports open",
}
NAT_RESULTS = {
    1: "it knows another version only",
    2: "it does not allow that",
    3: "its connection is down",
    4: "it has no room for more",
    5: "it does not know that request",
}
_CONNECTED, _MAP_TCP = 0, 2


def mapped(address: str) -> bytes:
    """An IPv4 address as PCP writes it: 16 bytes."""
    return bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(address).packed


def unmapped(packed: bytes) -> str:
    """The text of 16 bytes; an IPv4 address where they wrap one."""
    found = ipaddress.IPv6Address(packed)
    return str(found.ipv4_mapped or found)


class Pcp:
    """Fills the Router seat. `nonce` (12) is this mapping's: only who knows it may change it."""

    name = "PCP"

    def __init__(self, gateway: str, ports: Ports) -> None:
        self._gateway, self._target, self._nonce = gateway, (gateway, ports.pcp), os.urandom(12)

    async def map(self, internal: int, wanted: int, lifetime: int) -> Mapping:
        granted, address, port = await self._ask(internal, wanted, lifetime)
        return Mapping(self.name, checked_address(self.name, address), port, internal, granted)

    async def unmap(self, mapping: Mapping) -> None:
        await self._ask(mapping.internal, mapping.port, 0)

    async def _ask(self, internal: int, wanted: int, lifetime: int) -> tuple[int, str, int]:
        """(lifetime, external address, external port)."""
        header = _HEADER.pack(2, MAP, lifetime, mapped(own_address(self._gateway)))
        request = header + _MAP.pack(self._nonce, TCP, internal, wanted, mapped("0.0.0.0"))

        def read(data: bytes) -> tuple[int, int, bytes] | None:
            if len(data) < _ANSWER.size + _MAP.size or data[:2] != bytes((2, ANSWER | MAP)):
                return None
            _, _, result, granted, _ = _ANSWER.unpack_from(data)
            nonce, protocol, port, _, _ = _MAP.unpack_from(data, _ANSWER.size)
            return (result, granted, data) if (nonce, protocol, port) == (self._nonce, TCP, internal) else None

        found = await ask(request, [self._target], self._gateway, read)
        if found is None:
            raise silent(self.name)
        result, granted, data = found
        if result:
            raise refused(self.name, PCP_RESULTS.get(result, f"its reason is number {result}"))
        _, _, _, port, address = _MAP.unpack_from(data, _ANSWER.size)
        if lifetime and not (granted and port):
            raise refused(self.name, "it grants nothing")
        return granted, unmapped(address), port


class NatPmp:
    """Fills the Router seat."""

    name = "NAT-PMP"

    def __init__(self, gateway: str, ports: Ports) -> None:
        self._gateway, self._target = gateway, (gateway, ports.pcp)

    async def map(self, internal: int, wanted: int, lifetime: int) -> Mapping:
        address = await self._address()
        granted, port = await self._ask(internal, wanted, lifetime)
        if not (granted and port):
            raise refused(self.name, "it grants nothing")
        return Mapping(self.name, address, port, internal, granted)

    async def unmap(self, mapping: Mapping) -> None:
        await self._ask(mapping.internal, 0, 0)

    async def _address(self) -> str:
        data = await self._request(bytes((0, _CONNECTED)), _CONNECTED, _NAT_ADDRESS.size, lambda _: True)
        return checked_address(self.name, str(ipaddress.IPv4Address(_NAT_ADDRESS.unpack_from(data)[4])))

    async def _ask(self, internal: int, wanted: int, lifetime: int) -> tuple[int, int]:
        request = _NAT_MAP.pack(0, _MAP_TCP, 0, internal, wanted, lifetime)
        data = await self._request(
            request, _MAP_TCP, _NAT_MAPPED.size, lambda data: bool(_NAT_MAPPED.unpack_from(data)[4] == internal)
        )
        _, _, _, _, _, port, granted = _NAT_MAPPED.unpack_from(data)
        return granted, port

    async def _request(self, request: bytes, opcode: int, size: int, fits: Callable[[bytes], bool]) -> bytes:
        """The answer. A refusal may be shorter than one. Raises LocalError."""

        def read(data: bytes) -> bytes | None:
            if len(data) < 4 or data[:2] != bytes((0, ANSWER | opcode)):
                return None
            return data if _result(data) or (len(data) >= size and fits(data)) else None

        data = await ask(request, [self._target], self._gateway, read)
        if data is None:
            raise silent(self.name)
        if result := _result(data):
            raise refused(self.name, NAT_RESULTS.get(result, f"its reason is number {result}"))
        return data


def _result(data: bytes) -> int:
    return int.from_bytes(data[2:4], "big")


async def find_pcp(gateway: str, ports: Ports) -> Router | None:
    """Which of the two the gateway speaks. PCP's ANNOUNCE changes nothing; a gateway with NAT-PMP alone answers it with
    its own version, as both RFCs have it.
    """
    request = _HEADER.pack(2, ANNOUNCE, 0, mapped(own_address(gateway)))

    def read(data: bytes) -> int | None:
        return data[0] if len(data) >= 4 and data[0] in (0, 2) and data[1] & ANSWER else None

    version = await ask(request, [(gateway, ports.pcp)], gateway, read)
    if version is None:
        return None
    return Pcp(gateway, ports) if version == 2 else NatPmp(gateway, ports)
