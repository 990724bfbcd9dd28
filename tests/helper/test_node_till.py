"""When the till claims; that it is paid is shown with a chain, in test_node_service."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tallystick_helper.chain.table import Tracked
from tallystick_helper.ledger import ChannelRow
from tallystick_helper.node.till import Till, TillRules
from tallystick_helper.up import Up
from tallystick_shared.channel import ChannelState, Config
from tallystick_shared.voucher import Signed

from .world import Serving, World, serving, until

HOUR = 3600
EXPIRY = 1_000_000
DELAY = 4 * HOUR
CONFIG = Config(b"\1" * 20, b"\2" * 20, b"\3" * 32, bytes(20), DELAY, b"\4" * 32)
RULES = TillRules(threshold=1000, margin=HOUR, interval=1.0)


def till() -> Till:
    unused: Any = None
    return Till(unused, unused, unused, unused, unused, b"", RULES)


def row(amount: int, proof: tuple[bytes, ...] = ()) -> ChannelRow:
    return ChannelRow(b"\7" * 32, CONFIG, bytes(32), proof, Signed(amount, b"s"), amount, False, False)


def due(amount: int, now: int, *, claimed: int = 0, closing: bool = False, deposit: int = 10_000) -> bool:
    return till().is_due(row(amount), Tracked(ChannelState(deposit, claimed, EXPIRY), closing), now)


@pytest.mark.parametrize(
    ("amount", "claimed", "expected"), [(999, 0, False), (1000, 0, True), (1000, 1, False), (2001, 1001, True)]
)
def test_enough_is_unclaimed(amount: int, claimed: int, expected: bool) -> None:
    assert due(amount, 0, claimed=claimed) is expected


def test_half_of_the_delay_is_left_after_a_close_request() -> None:
    assert not due(1, EXPIRY - DELAY // 2 - 1, closing=True)
    assert due(1, EXPIRY - DELAY // 2, closing=True)
    assert not due(1, EXPIRY - DELAY // 2)


def test_the_margin_before_the_end() -> None:
    assert not due(1, EXPIRY - HOUR - 1)
    assert due(1, EXPIRY - HOUR)


def test_nothing_to_claim_is_never_due() -> None:
    assert not due(0, EXPIRY)
    assert not due(5, EXPIRY, claimed=5)
    # Beyond the cap nothing would be paid.
    assert not due(5000, EXPIRY, claimed=2000, deposit=2000)


def test_below_the_root_the_channels_sum_says_nothing() -> None:
    deep = row(400, (b"\5" * 32,))
    known = Tracked(ChannelState(10_000, 9_999, EXPIRY))
    assert till().is_due(deep, known, EXPIRY - HOUR)
    assert not till().is_due(deep, known, 0)


async def test_one_claim_serves_many_channels(provider: Serving) -> None:
    world = provider.world
    deposits = [await provider.deposit(10**15) for _ in range(3)]
    for number, deposit in enumerate(deposits):
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        async for _ in conversation.ask([("user", "hello there")], "loopback", 10 + number):
            pass
        await conversation.settle()
        await conversation.leave()
    ids = [deposit.channel_id(world.crypto) for deposit in deposits]
    await until(lambda: not provider.node._connections)
    rows = [one for one in await provider.node.ledger.live_channels() if one.channel_id in ids]
    before = await world.balance(provider.provider)
    paid = await provider.node.till.claim(bytes(20), rows)
    assert paid == sum(one.voucher.amount for one in rows) == await world.balance(provider.provider) - before
    assert await provider.node.till.claim(bytes(20), rows) == 0


async def test_a_claim_left_under_way_is_not_sent_twice(world: World) -> None:
    async with serving(world, money={"interval": 60}) as provider:
        deposit = await provider.deposit(10**15)
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        async for _ in conversation.ask([("user", "hello there")], "loopback", 10):
            pass
        await conversation.settle()
        await conversation.leave()
        rows = await provider.node.ledger.live_channels()
        operator = provider.node.identity.operator
        await world.rpc.request("evm_setAutomine", [False])
        claiming = asyncio.create_task(provider.node.till.claim(bytes(20), rows))
        for _ in range(500):
            if await provider.node.ledger.unmined():
                break
            await asyncio.sleep(0.01)
        claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
    # Another process takes over: everything is due at once, but that channel's claim is out already.
    up = Up(world.settings(money={"threshold": 1, "interval": 0.05}))
    await up.start()
    node = up.node
    assert node is not None
    await until(lambda: rows[0].channel_id in node.till._busy)
    assert await node.till.look() == 0
    await world.rpc.request("evm_mine", [])
    await until(lambda: rows[0].channel_id not in node.till._busy)
    assert await node.ledger.unmined() == []
    count = await world.rpc.request("eth_getTransactionCount", ["0x" + operator.hex(), "pending"])
    assert int(count, 16) == 1
    await up.stop()
