"""A node behind a router: its port is asked for where somebody wished so, announced, and given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.commands import provide_now
from tallystick_helper.doctor import CHECKS, Finding, Patient, State, examine
from tallystick_helper.keys import Secret
from tallystick_helper.router_port import mapped_once, wanted_port
from tallystick_helper.running import RunningNode
from tallystick_helper.settings import Settings
from tallystick_helper.terminal import Consent
from tallystick_helper.up import Up

from .router_gateway import HERE, Gateway, gateway_of
from .world import World, until


def behind(gateway: Gateway, **more: object) -> dict[str, Any]:
    """The settings of a router."""
    return {"address": HERE, "pcp": gateway.ports.pcp, "ssdp": gateway.ports.ssdp, **more}


async def look(world: World, settings: Settings) -> Finding:
    """What the doctor says of the router."""
    wanted = [check for check in CHECKS if check.name in ("rpc", "contracts", "registered", "router")]
    node = RunningNode.find(settings.data_dir)
    patient = Patient(settings, world.crypto, HttpRpc(settings.chain.rpc), node=node)
    try:
        return (await examine(wanted, patient))[-1].finding
    finally:
        await patient.aclose()


async def test_a_node_asks_for_its_port_announces_it_and_gives_it_back(world: World) -> None:
    async with gateway_of("pcp", external="198.51.100.4", longest=1) as gateway:
        settings = world.settings(router=behind(gateway))
        up = Up(settings)
        await up.start()
        try:
            assert gateway.asked == [] and up.router is None  # nobody wished it
            assert (await look(world, settings)).state is State.OK and gateway.asked == []
            wished = world.settings(router=behind(gateway, map_port=True))
            done = await provide_now(wished, Secret(world.owner_key), lambda name, sent: None, Consent(yes=True))
            assert up.public is not None and done["endpoint"] == f"ws://198.51.100.4:{up.public.port}"
            assert up.urls()["endpoint"] == done["endpoint"]
            await until(lambda: up.node is not None)
            found = await look(world, wished)
            assert found.state is State.DOUBT and "not public" in found.says  # an address of documentation
            gateway.external = "1.2.3.4"  # the router was given another address; the next renewal sees it
            await until(lambda: up.router and up.router.mapping and up.router.mapping.external == "1.2.3.4")
            found = await look(world, wished)
            assert found.state is State.DOUBT and "announced is ws://198.51.100.4" in found.says
        finally:
            await up.stop()
        assert not gateway.mapped and gateway.asked[-1] == "unmap"


async def test_a_router_that_refuses_is_a_line_of_the_doctor(world: World) -> None:
    async with gateway_of("nat-pmp", refuses=2) as gateway:
        settings = world.settings(router=behind(gateway, map_port=True))
        told = await look(world, settings)
        assert told.state is State.OK and told.values["protocols"] == ["NAT-PMP"] and not gateway.mapped
        up = Up(settings)
        await up.start()
        try:
            await until(lambda: up.router is not None and up.router.fault is not None)
            told = await look(world, settings)
            assert told.state is State.BAD and "it does not allow that" in told.says and "by hand" in told.mend
            state = await RunningNode.need(settings.data_dir).command("/port", on=False)
            assert state["router"] is None and up.router is None
        finally:
            await up.stop()


async def test_the_port_that_is_known_is_asked_for_again(world: World, tmp_path: Path) -> None:
    for endpoint, wanted in (("ws://1.2.3.4:9000/", 9000), ("wss://host.example/", 8766), (None, 8766)):
        settings = Settings.model_validate({"data_dir": tmp_path, "listen": {"endpoint": endpoint}})
        assert wanted_port(settings, 8766) == wanted
    async with gateway_of("upnp") as gateway:
        settings = Settings.model_validate({"data_dir": tmp_path, "router": behind(gateway)})
        assert (await mapped_once(settings)).port == 8766 and gateway.mapped
