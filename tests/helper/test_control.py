"""Words to a running node, over its admin listener: by its holder alone."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import httpx2
import pytest

from tallystick_helper.chat import Answer
from tallystick_helper.commands import provide_now
from tallystick_helper.engines.echo import EchoEngine, EchoOptions
from tallystick_helper.gateway.key import ApiKey
from tallystick_helper.keys import Secret
from tallystick_helper.running import FILE, KEY, RunningNode
from tallystick_helper.terminal import Consent
from tallystick_shared.advert import read_advert
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.profile import registry_domain

from .shell import Shell
from .world import ETHER, PRICE_OUT, Serving, World, serving, until


def node_of(provider: Serving) -> RunningNode:
    found = RunningNode.find(provider.settings.data_dir)
    assert found is not None
    return found


async def ask(provider: Serving, conversation: object, units: int = 8) -> Answer:
    async for piece in conversation.ask([("user", "one two three")], "loopback", units):  # type: ignore[attr-defined]
        if isinstance(piece, Answer):
            return piece
    raise AssertionError("no answer")


async def test_a_pause_refuses_what_is_new_and_ends_nothing(provider: Serving) -> None:
    node, deposit = node_of(provider), await provider.deposit()
    talking = await provider.conversation(deposit)
    await talking.connect()
    running = asyncio.create_task(ask(provider, talking, 200))
    await until(lambda: provider.node.working)
    assert (await node.command("/pause"))["resting"] == "paused"
    other = await provider.conversation(await provider.deposit())
    await other.connect()
    with pytest.raises(TallystickError) as caught:
        await ask(provider, other)
    assert caught.value.code is Code.RESTING
    me = provider.node
    domain = registry_domain(me.identity.chain_id, me.identity.registry)
    advert = read_advert(me.crypto, domain, me.identity.provider, me.profile, me.advert(), me.now())
    assert advert.load.busy
    drained = asyncio.create_task(node.command("/drain"))
    assert (await running).output_units == 200
    assert (await drained)["chains"][""]["requests"] == 0
    assert (await node.command("/resume"))["resting"] is None
    assert (await ask(provider, other)).output_units == 8
    for one in (talking, other):
        await one.settle()
        await one.leave()


async def test_who_is_denied_can_still_close(provider: Serving) -> None:
    node, deposit = node_of(provider), await provider.deposit()
    talking = await provider.conversation(deposit)
    await talking.connect()
    await ask(provider, talking)
    payer = to_hex(deposit.config.payer)
    assert (await node.command("/deny", account=payer))["denied"] == [payer]
    with pytest.raises(PeerError) as caught:
        await ask(provider, talking)
    assert caught.value.code is Code.DENIED
    assert await talking.close()
    await talking.leave()
    assert (await node.command("/allow", account=payer))["denied"] == []
    with pytest.raises(LocalError) as wrong:
        await node.command("/deny", account="0x12")
    assert wrong.value.code is Code.BAD_SETTINGS


async def test_another_engine_while_requests_run(provider: Serving) -> None:
    node, deposit = node_of(provider), await provider.deposit()
    talking = await provider.conversation(deposit)
    await talking.connect()
    running = asyncio.create_task(ask(provider, talking, 100))
    await until(lambda: provider.node.working)
    assert [able.model for able in await node.models()] == ["loopback"]
    assert (await node.command("/engine", engine={"kind": "toy"}))["models"] != ["loopback"]
    assert (await running).output_units == 100
    with pytest.raises(LocalError) as caught:
        await node.command("/engine", engine={"kind": "nothing"})
    assert caught.value.code is Code.BAD_SETTINGS
    await talking.leave()


class Gate:
    """A call of the node that waits until it is let through."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.reached, self.open, self._call = asyncio.Event(), asyncio.Event(), getattr(owner, name)
        patch.setattr(owner, name, self._wait)

    async def _wait(self, *values: object) -> object:
        self.reached.set()
        await self.open.wait()
        return await self._call(*values)


async def test_what_one_model_was_charged_for_no_other_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is changed while the first payment is on its way to the disk."""
    async with serving(world, offer={"first_voucher": ETHER // 1000}) as provider:
        node, deposit = node_of(provider), await provider.deposit()
        talking = await provider.conversation(deposit)
        await talking.connect()
        gate, first = Gate(monkeypatch, provider.node.ledger, "store_voucher"), provider.up.door
        asked = asyncio.create_task(ask(provider, talking))
        await gate.reached.wait()
        assert not provider.node.engine.load().running  # it is not begun
        assert (await node.command("/engine", engine={"kind": "toy"}))["models"] != ["loopback"]
        gate.open.set()
        answer = await asked
        assert answer.output_units == 8 and answer.text.startswith("one two three")
        assert first is provider.up.door
        await talking.leave()


async def test_a_model_that_goes_before_its_input_came_costs_nothing(
    provider: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    talking = await provider.conversation(await provider.deposit())
    await talking.connect()
    gate = Gate(monkeypatch, provider.node.ledger, "open_request")
    asked = asyncio.create_task(ask(provider, talking))
    await gate.reached.wait()
    other, door = EchoEngine(EchoOptions(name="loopback")), provider.up.door
    other._capabilities = replace(other.capabilities(), manifest=bytes(32))  # its name, but other files
    assert door is not None
    door.swap(other)
    gate.open.set()
    with pytest.raises(PeerError) as caught:
        await asked
    assert caught.value.code is Code.UNKNOWN_MODEL
    (channel,) = provider.node._channels.values()
    assert channel.account.owed == 0
    await talking.leave()


async def test_strangers_and_web_pages_are_refused(provider: Serving) -> None:
    origin, key = node_of(provider).origin, ApiKey(provider.settings.data_dir, KEY).text()
    good = {"Authorization": f"Bearer {key}", "Origin": origin}
    api = ApiKey(provider.settings.data_dir).text()
    async with httpx2.AsyncClient(trust_env=False) as client:
        for headers, status in (
            (good, 200),
            ({"Origin": origin}, 401),
            ({**good, "Authorization": "Bearer " + api}, 401),  # who may ask others may not command
            ({"Authorization": f"Bearer {key}"}, 403),
            ({**good, "Origin": "http://evil.example"}, 403),
            ({**good, "Host": "evil.example"}, 421),
        ):
            assert (await client.post(f"{origin}/node/resume", headers=headers)).status_code == status
        assert (await client.post(f"{origin}/node/pause", headers=good, content=b"{")).status_code == 400
        assert (await client.post(f"{origin}/node/pause", headers=good, json={"what": 1})).json()[
            "error"
        ] == "BAD_REQUEST"
    assert oct((provider.settings.data_dir / "keys" / "control.token").stat().st_mode)[-3:] == "600"


async def test_the_commands(provider: Serving) -> None:
    shell = Shell(provider.world)
    shell.flags = ["--data-dir", str(provider.settings.data_dir)]
    with pytest.raises(LocalError) as caught:
        await RunningNode.need(provider.world.folder / "nowhere").ask()
    assert caught.value.code is Code.NO_NODE
    assert (await node_of(provider).ask())["chains"][""]["offers"][0]["model"] == "loopback"
    shown, _ = await shell.text("pause", "--for", "2h")
    assert re.search(r"loopback: [0-9.]+ ETH in, [0-9.]+ ETH out, for a million units", shown)
    assert "paused until" in shown and "0x" + provider.provider.hex() in shown
    await provider.up.stop()
    assert not (provider.settings.data_dir / FILE).exists()
    assert (await shell.json("resume"))["pid"] is None


async def test_prices_and_models_change_by_one_announcement_each(provider: Serving) -> None:
    """No restart: who is connected goes on, new requests go by what is announced."""
    world, node = provider.world, provider.node
    key, own = Secret(world.owner_key), {"listen": {"endpoint": node.profile.endpoints[0]}}

    async def provide(**changes: object) -> dict[str, object]:
        settings = world.settings(**own, **changes)
        return await provide_now(settings, key, lambda name, transaction: None, Consent(yes=True))

    dearer = await provide(offer={"price_out": PRICE_OUT * 2})
    assert dearer["models"] == ["loopback"] and len(dearer["transactions"]) == 1  # type: ignore[arg-type]
    await until(lambda: provider.node.profile.offers[0].price.output == PRICE_OUT * 2)
    other = await provide(engine={"kind": "toy", "options": {}})
    assert other["model"] != "loopback" and len(other["transactions"]) == 1  # type: ignore[arg-type]
    await until(lambda: provider.node.profile.offers[0].model == other["model"])
    assert provider.node is node
