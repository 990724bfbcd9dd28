"""Ports of a router: each protocol, refusals, garbage, other machines' answers, leases and their renewal."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from tallystick_helper.router import Mapping, PortKeeper, datagrams, open_port, routers, xml
from tallystick_helper.router.gateway import from_proc, from_table
from tallystick_helper.router.upnp import location_of, service_of
from tallystick_shared.errors import Code, LocalError

from .router_gateway import DESCRIPTION, HERE, Gateway, gateway_of

PROTOCOLS = {"pcp": "PCP", "nat-pmp": "NAT-PMP", "upnp": "UPnP"}
ALL = pytest.mark.parametrize("speaks", PROTOCOLS)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not answer is asked twice, for a moment."""
    monkeypatch.setattr(datagrams, "TRIES", (0.05, 0.1))


async def opened(gateway: Gateway, wanted: int = 8766) -> Mapping:
    return (await open_port(8766, wanted, HERE, gateway.ports))[1]


async def fault(gateway: Gateway) -> LocalError:
    with pytest.raises(LocalError) as caught:
        await opened(gateway)
    return caught.value


@ALL
async def test_a_port_is_opened_renewed_and_taken_back(speaks: str) -> None:
    async with gateway_of(speaks) as gateway:
        router, mapping = await open_port(8766, 8766, HERE, gateway.ports)
        assert mapping == Mapping(PROTOCOLS[speaks], "203.0.113.7", 8766, 8766, 3600)
        assert gateway.mapped == {8766: (8766, 3600)} and mapping.url == "ws://203.0.113.7:8766"
        assert await router.map(8766, mapping.port, 3600) == mapping
        await router.unmap(mapping)
        assert not gateway.mapped


@ALL
async def test_a_refusal_is_told_with_its_reason(speaks: str) -> None:
    async with gateway_of(speaks, refuses=606 if speaks == "upnp" else 2) as gateway:
        told = await fault(gateway)
        assert told.code is Code.ROUTER_REFUSED and told.values["reason"] == "it does not allow that"
        assert told.values["protocol"] == PROTOCOLS[speaks]
    async with gateway_of(speaks, refuses=999 if speaks == "upnp" else 99) as gateway:
        assert "99" in (await fault(gateway)).values["reason"]


@ALL
async def test_another_port_is_taken_where_the_wished_one_is_gone(speaks: str) -> None:
    async with gateway_of(speaks, taken=frozenset({8766})) as gateway:
        mapping = await opened(gateway)
        assert mapping.port != 8766 and gateway.mapped[mapping.port][0] == 8766


@ALL
@pytest.mark.parametrize(
    "garbled",
    [lambda data: data[: len(data) // 2], lambda data: os.urandom(len(data)), lambda _: b"", lambda data: data * 999],
    ids=["cut", "noise", "empty", "long"],
)
async def test_garbage_is_no_answer(speaks: str, garbled: object) -> None:
    async with gateway_of(speaks, garbled=garbled) as gateway:
        told = await fault(gateway)
        assert told.code in (Code.NO_ROUTER, Code.ROUTER_REFUSED)
        assert not gateway.mapped or speaks != "upnp"


async def test_the_first_protocol_that_grants_is_taken() -> None:
    async with gateway_of("pcp", "nat-pmp", "upnp") as gateway:
        assert [router.name for router in await routers(HERE, gateway.ports)] == ["PCP", "UPnP"]
        assert (await opened(gateway)).protocol == "PCP"
    async with gateway_of("pcp", "upnp", refuses=2) as gateway:
        gateway.description = DESCRIPTION
        assert (await fault(gateway)).values["protocol"] == "PCP"


async def test_nobody_answers() -> None:
    async with gateway_of() as gateway:
        told = await fault(gateway)
        assert told.code is Code.NO_ROUTER and told.values["gateway"] == HERE


async def test_an_address_that_is_none_is_no_success() -> None:
    for speaks in PROTOCOLS:
        async with gateway_of(speaks, external="0.0.0.0") as gateway:
            assert (await fault(gateway)).code is Code.ROUTER_REFUSED
    async with gateway_of("upnp", external="&lt;none&gt;") as gateway:
        assert (await fault(gateway)).code is Code.ROUTER_REFUSED
    async with gateway_of("pcp", external="100.64.3.4") as gateway:
        assert not (await opened(gateway)).public  # behind another router


async def test_a_router_that_knows_only_mappings_for_ever() -> None:
    async with gateway_of("upnp", forever=True) as gateway:
        assert (await opened(gateway)).lifetime == 0 and gateway.mapped == {8766: (8766, 0)}


async def test_another_machines_answer_is_not_read() -> None:
    """The gateway is 127.0.0.2 here; what answers is 127.0.0.1."""
    async with gateway_of("pcp", "upnp") as gateway:
        seen = await datagrams.ask(b"\2" + bytes(23), [(HERE, gateway.ports.pcp)], "127.0.0.2", lambda data: data)
        assert seen is None and "nothing" not in gateway.asked
    away = b"HTTP/1.1 200 OK\r\nLocation: %s\r\n\r\n"
    for url in (b"http://203.0.113.9/x", b"https://127.0.0.1/", b"http://127.0.0.1@evil/", b"http://127.0.0.1:x/", b""):
        assert location_of(away % url, HERE) is None
    assert location_of(away % b"http://127.0.0.1:5000/x", HERE) == "http://127.0.0.1:5000/x"
    assert location_of(b"NOTIFY * HTTP/1.1\r\nLocation: http://127.0.0.1/\r\n\r\n", HERE) is None


async def test_a_description_that_leads_elsewhere_is_not_followed() -> None:
    async with gateway_of("upnp", control="http://203.0.113.9/control") as gateway:
        assert (await fault(gateway)).code is Code.NO_ROUTER
    base = "<URLBase>http://203.0.113.9/</URLBase><device>"
    elsewhere = DESCRIPTION.format(control="/c").replace("<device>", base, 1)
    assert service_of(xml.parse(elsewhere.encode()), f"http://{HERE}/d", HERE) is None


async def test_xml_defines_nothing_and_fetches_nothing() -> None:
    lol = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><root>&b;</root>'
    outside = '<!DOCTYPE foo [<!ENTITY x SYSTEM "file:///etc/passwd">]><root>&x;</root>'
    deep, wide = "<a>" * 99 + "</a>" * 99, "<r>" + "<a/>" * 9000 + "</r>"
    for bad in (lol, outside, deep, wide, "<a>", "", "<a>&undefined;</a>", '<?xml version="1.0" encoding="nope"?><a/>'):
        with pytest.raises(xml.BadXml):
            xml.parse(bad.encode())
    with pytest.raises(xml.BadXml):
        xml.parse(b"<a>" + b"x" * xml.MOST_BYTES + b"</a>")
    tree = xml.parse(b'<r xmlns="urn:x"><n:Code xmlns:n="urn:y"> 7 </n:Code><Code>8</Code></r>')
    assert tree.value("Code") == "7" and tree.value("none") == ""


async def test_a_lease_is_renewed_and_the_port_closed_at_the_end() -> None:
    async with gateway_of("nat-pmp", longest=1) as gateway:
        keeper = PortKeeper(8766, 8766, HERE, gateway.ports)
        keeper.start()
        assert (await keeper.opened()).lifetime == 1
        await gateway.until(lambda: gateway.asked.count("map") >= 3)
        assert keeper.values()["open"] and keeper.values()["endpoint"] == "ws://203.0.113.7:8766"
        await keeper.stop()
        assert not gateway.mapped and gateway.asked[-1] == "unmap"


async def test_a_keeper_goes_on_after_failures() -> None:
    async with gateway_of("pcp", refuses=8) as gateway:
        keeper = PortKeeper(8766, 8766, HERE, gateway.ports, again=0.05)
        keeper.start()
        with pytest.raises(LocalError):
            await keeper.opened()
        why = {"error": "ROUTER_REFUSED", "protocol": "PCP", "reason": "it has no room for more"}
        assert keeper.values() == {"open": False, **why}
        gateway.refuses = 0
        await gateway.until(lambda: bool(gateway.mapped))
        await keeper.stop()
        assert not gateway.mapped


async def test_a_router_that_forgot_is_asked_again_and_one_that_is_gone_is_left() -> None:
    async with gateway_of("upnp", longest=7200) as gateway:
        keeper = PortKeeper(8766, 8766, HERE, gateway.ports, lifetime=1)
        keeper.start()
        await keeper.opened()
        gateway.mapped.clear()
        await gateway.until(lambda: bool(gateway.mapped))
    await asyncio.wait_for(keeper.stop(), 5)
    assert keeper.mapping is None


def test_the_default_gateway_is_read_from_what_the_system_shows(tmp_path: Path) -> None:
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    gateway, other = (
        f"{int.from_bytes(socket.inet_aton(one), sys.byteorder):08X}" for one in ("192.168.1.1", "10.8.0.1")
    )
    rows = (
        f"tun0\t00000000\t{other}\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        f"eth0\t00000000\t{gateway}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\nbroken\n"
    )
    assert from_proc(head + rows) == "192.168.1.1"
    assert from_proc(head) is None and from_proc("") is None
    mac = "Routing tables\n\nDestination Gateway Flags Netif\ndefault link#4 UCS en1\ndefault 192.168.1.1 UGScg en0\n"
    windows = "Network Destination Netmask Gateway Interface Metric\n 0.0.0.0 0.0.0.0 192.168.1.1 192.168.1.50 25\n"
    assert from_table(mac) == from_table(windows) == "192.168.1.1"
    assert from_table("nothing\n") is None
