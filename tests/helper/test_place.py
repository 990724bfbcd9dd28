"""One node on two chains: both served at once, each with its own money, and neither held up by the other."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.up import Up
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.records import Frame, Hello

from .two_chains import Pair, section
from .world import ETHER, Serving, new_world, until


async def talk(conversation: Conversation, units: int = 40) -> Answer:
    asked = conversation.ask([("user", "count the notches on this stick")], "loopback", units)
    *_, answer = [piece async for piece in asked]
    assert isinstance(answer, Answer)
    return answer


async def meet(provider: Serving) -> tuple[Deposit, Conversation]:
    deposit = await provider.deposit()
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    return deposit, conversation


async def until_claimed(provider: Serving, deposit: Deposit, amount: int) -> None:
    """The node saw its own claim, and the chain says the same."""
    world, node = provider.world, provider.node
    channel_id = deposit.channel_id(world.crypto)
    await until(lambda: (known := node.follower.table.get(channel_id)) and known.state.claimed == amount, 20)
    assert (await Channels(world.crypto, world.where.channels).state(world.rpc, channel_id)).claimed == amount


async def test_both_chains_pay_at_the_same_time(pair: Pair) -> None:
    both = (pair.first, pair.second)
    met = await asyncio.gather(*map(meet, both))
    answers = await asyncio.gather(*(talk(conversation) for _, conversation in met))
    assert [answer.output_units for answer in answers] == [40, 40]
    await asyncio.gather(*(conversation.settle() for _, conversation in met))
    for provider, (deposit, conversation), answer in zip(both, met, answers, strict=True):
        await until_claimed(provider, deposit, answer.amount)
        await conversation.leave()
    one, other = (provider.node for provider in both)
    assert one.engine is other.engine and one.gate is other.gate
    assert one.ledger is not other.ledger
    ledgers = sorted(path.name.split("-")[1] for path in pair.up.settings.data_dir.glob("ledger-*.sqlite"))
    assert ledgers == ["31337", "8453"]
    assert [row.channel_id for row in await one.ledger.live_channels()] == [met[0][0].channel_id(one.crypto)]


async def test_a_dead_rpc_of_one_chain_holds_up_nothing_of_the_other(pair: Pair) -> None:
    other_deposit, other_talk = await meet(pair.second)
    before = await talk(other_talk)
    await other_talk.settle()
    pair.second_rpc.dead = True
    # The other chain opens, serves and claims as if nothing were; and what was admitted here is still served.
    deposit, conversation = await meet(pair.first)
    answer = await talk(conversation)
    await conversation.settle()
    await until_claimed(pair.first, deposit, answer.amount)
    after = await talk(other_talk)
    await other_talk.settle()
    # Nobody new is taken where the chain cannot be asked, and the reason may pass.
    stranger = await pair.second.deposit()
    early = await pair.second.conversation(stranger)
    with pytest.raises(TallystickError):
        await early.connect()
    await early.leave()
    pair.second_rpc.dead = False
    await until_claimed(pair.second, other_deposit, before.amount + after.amount)
    retry = await pair.second.conversation(stranger)
    await retry.connect()
    for one in (conversation, other_talk, retry):
        await one.leave()


async def test_a_chain_that_is_down_at_the_start_is_joined_later(pair: Pair) -> None:
    await pair.up.stop()
    pair.second_rpc.dead = True
    up = Up(pair.up.settings)
    try:
        await up.start()
        assert [place.running is not None for place in up.places] == [True, False]
        assert up.public is not None
        async with connect(f"ws://127.0.0.1:{up.public.port}", compression=None, proxy=None) as websocket:
            where = pair.second.world.where
            hello = Hello(where.chain_id, where.registry, pair.second.provider).encode()
            await websocket.send(bytes([Frame.HELLO]) + hello)
            assert await websocket.recv() == bytes([Frame.REFUSED]) + struct.pack(">H", Code.DRAINING)
        pair.second_rpc.dead = False
        await until(lambda: len(up.nodes) == 2)
        assert up.urls()["chains"] == {"other": "0x" + pair.second.provider.hex()}
    finally:
        await up.stop()


async def test_two_sections_for_one_chain_are_refused(pair: Pair) -> None:
    await pair.up.stop()
    first = pair.up.settings.chain.model_dump(exclude_unset=True)
    chains = {"again": {**first, "id": None}, "other": pair.up.settings.chains["other"]}
    up = Up(pair.first.world.settings(chains=chains))
    file = pair.up.settings.data_dir / "announced.json"
    (pair.up.settings.data_dir / "announced-again.json").write_bytes(file.read_bytes())
    try:
        await up.start()
        assert [place.running is not None for place in up.places] == [True, False, True]
        assert "another section" in up.places[1]._fault
    finally:
        await up.stop()


async def test_the_price_can_differ_by_chain(tmp_path: Path) -> None:
    async with new_world(tmp_path) as world:
        chains = {"other": {**section(world, world.url), "offer": {"price_out": 5 * ETHER}}}
        settings = world.settings(chains=chains, engine={"kind": "none"})
        there = settings.on("other")
        assert (there.offer.price_out, there.offer.price_in) == (5 * ETHER, settings.offer.price_in)
        assert (there.place, settings.place) == ("other", "")
