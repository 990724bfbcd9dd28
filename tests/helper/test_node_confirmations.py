"""Deposits near the end of the chain: what is served for them, and what a reorganisation costs the node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tallystick_helper.chain.follower import Follower
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.table import ChannelTable
from tallystick_helper.ledger import ChannelRow, Ledger
from tallystick_helper.node.budget import Budget
from tallystick_helper.node.confirmations import YOUNG, Confirmations, Depths
from tallystick_shared.channel import Config
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.voucher import Signed

from .test_node_service import answer_of
from .world import ETHER, PRICE_OUT, Serving, World, serving, until

STEP = 3 * 10**8
WINDOW = 10**8
CONFIG = Config(b"\1" * 20, b"\2" * 20, b"\3" * 32, bytes(20), 3600, b"\4" * 32)


# -- how deep


@pytest.mark.parametrize(
    ("cap", "blocks"), [(0, 1), (STEP - 1, 1), (STEP, 2), (4 * STEP, 5), (11 * STEP, 12), (10**30, 12)]
)
def test_the_depth_grows_with_the_cap(cap: int, blocks: int) -> None:
    assert Depths(12, STEP).needed(cap) == blocks


def test_without_credit_all_need_the_whole_depth_and_with_one_block_none_more() -> None:
    assert [Depths(12, 0).needed(cap) for cap in (0, 10**30)] == [12, 12]
    assert [Depths(1, step).needed(10**30) for step in (0, 1)] == [1, 1]


# -- on a chain


class Bench:
    """What stands before a node's service, on a real chain that moves when the test says so."""

    def __init__(self, world: World, follower: Follower, limit: int, most: int) -> None:
        self.world, self.follower, self.budget = world, follower, Budget(limit)
        channels = Channels(world.crypto, world.where.channels)
        self.confirmations = Confirmations(world.rpc, channels, follower, Depths(most, STEP), self.budget)
        self.confirmations.patience = 0.0

    async def mine(self, blocks: int = 1) -> None:
        await self.world.rpc.request("anvil_mine", [hex(blocks)])
        await self.follower.look()
        await self.confirmations.look()

    async def refused(self, channel_id: bytes, owed: int) -> None:
        with pytest.raises(PeerError) as caught:
            await self.confirmations.cover(channel_id, 0, owed)
        assert caught.value.code is Code.UNCONFIRMED


@asynccontextmanager
async def bench(provider: Serving, folder: Path, limit: int = STEP, most: int = 4) -> AsyncIterator[Bench]:
    world = provider.world
    ledger = Ledger(folder / "bench.sqlite")
    channels = Channels(world.crypto, world.where.channels)
    follower = Follower(world.rpc, channels, ledger, ChannelTable(), start=world.where.block)
    try:
        await follower.look()
        yield Bench(world, follower, limit, most)
    finally:
        ledger.close()


async def opened(provider: Serving, made: Bench, amount: int) -> bytes:
    deposit = await provider.deposit(amount)
    await made.follower.look()
    return deposit.channel_id(provider.world.crypto)


async def test_a_small_deposit_counts_at_once_and_a_large_one_by_and_by(provider: Serving, tmp_path: Path) -> None:
    async with bench(provider, tmp_path) as made:
        large, small = await opened(provider, made, 2 * STEP), await opened(provider, made, STEP - 1)
        assert await made.confirmations.counted(small, 0) == STEP - 1
        assert await made.confirmations.counted(large, 0) == 0
        assert await made.confirmations.cover(large, 0, STEP) == 0
        assert made.budget.taken == STEP
        await made.refused(large, STEP + 1)
        await made.mine()  # the third block on it, with the one of the small deposit
        assert made.budget.taken == 0
        assert await made.confirmations.cover(large, 0, 2 * STEP) == 2 * STEP
        assert await made.confirmations.counted(large, 3) == 2 * STEP >> 3


async def test_all_young_deposits_share_one_budget(provider: Serving, tmp_path: Path) -> None:
    async with bench(provider, tmp_path, most=100) as made:
        many = [await opened(provider, made, 50 * STEP) for _ in range(3)]
        for channel_id in many[:2]:
            await made.confirmations.cover(channel_id, 0, STEP // 2)
        await made.refused(many[2], 1)
        await made.mine(60)
        await made.confirmations.cover(many[2], 0, 50 * STEP)
        assert made.budget.taken == 0


async def test_whoever_waits_goes_on_with_the_block_that_confirms(provider: Serving, tmp_path: Path) -> None:
    async with bench(provider, tmp_path, limit=0) as made:
        made.confirmations.patience = 30.0
        channel_id = await opened(provider, made, STEP)
        waiting = asyncio.create_task(made.confirmations.cover(channel_id, 0, STEP))
        await made.mine()
        assert await waiting == STEP


async def test_what_a_reorganisation_took_is_lost_for_as_long_as_the_deepest_deposit_waits(
    provider: Serving, tmp_path: Path
) -> None:
    async with bench(provider, tmp_path) as made:
        snapshot = await made.world.rpc.request("evm_snapshot", [])
        channel_id = await opened(provider, made, 9 * STEP)
        await made.confirmations.cover(channel_id, 0, STEP)
        await made.world.rpc.request("evm_revert", [snapshot])
        await made.mine(2)
        assert made.follower.table.get(channel_id) is None
        assert await made.confirmations.counted(channel_id, 0) == 0
        assert made.budget.share(YOUNG, channel_id) == STEP
        await made.mine(3)
        assert made.budget.taken == STEP
        await made.mine()
        assert made.budget.taken == 0


async def test_a_start_gives_the_budget_no_second_time(provider: Serving, tmp_path: Path) -> None:
    """Also for a deposit that a reorganisation took meanwhile; what lies deep enough by then is no credit."""
    async with bench(provider, tmp_path) as made:
        snapshot = await made.world.rpc.request("evm_snapshot", [])
        channel_id = await opened(provider, made, 9 * STEP)
        row = ChannelRow(channel_id, CONFIG, b"", (), Signed(0, b""), STEP // 2, False, False, b"", b"")
        untouched = replace(row, channel_id=b"\x07" * 32, owed=0)
        restarted = Bench(made.world, made.follower, STEP, 4)
        await restarted.confirmations.restore([row, untouched])
        assert restarted.budget.taken == STEP // 2
        await restarted.refused(channel_id, STEP + 1)
        await made.world.rpc.request("evm_revert", [snapshot])
        await restarted.mine(4)
        assert restarted.budget.taken == STEP // 2
        await restarted.mine(4)
        assert restarted.budget.taken == 0


async def test_after_a_start_what_is_deep_enough_is_no_credit(provider: Serving, tmp_path: Path) -> None:
    async with bench(provider, tmp_path) as made:
        channel_id = await opened(provider, made, 9 * STEP)
        await made.mine(3)
        row = ChannelRow(channel_id, CONFIG, b"", (), Signed(0, b""), 9 * STEP, False, False, b"", b"")
        restarted = Bench(made.world, made.follower, STEP, 4)
        await restarted.confirmations.restore([row])
        assert restarted.budget.taken == 0 and not restarted.confirmations._young


# -- in service


async def spend(provider: Serving, deposit: Deposit) -> TallystickError | None:
    """Asks for more than two steps' worth and pays, until the provider says no."""
    conversation = await provider.conversation(deposit, low_latency=True)
    try:
        await conversation.connect()
        await answer_of(conversation, 120)
    except TallystickError as error:
        return error
    finally:
        await conversation.leave()
    return None


async def delivered(provider: Serving, deposit: Deposit) -> int:
    """What the node did for a deposit so far, in smallest units."""
    await until(lambda: not provider.node._connections)
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    return row.owed if row else 0


@pytest.mark.parametrize("confirmations", [6, 1])
async def test_deposits_that_a_reorganisation_takes_back_cost_no_more_than_the_budget(
    world: World, confirmations: int
) -> None:
    """Three rich deposits in the newest blocks are served as far as they go; then their payer brings about a longer
    chain without them. All they ever got is the budget. The control believes the newest block, and loses more.
    """
    money = {"confirmations": confirmations, "unconfirmed": STEP}
    async with serving(world, money=money, offer={"window": WINDOW}, engine={"options": {"rate": 2000.0}}) as provider:
        provider.node.confirmations.patience = 0.0
        snapshot = await world.rpc.request("evm_snapshot", [])
        deposits = [await provider.deposit(ETHER // 100) for _ in range(3)]
        refusals = [await spend(provider, deposit) for deposit in deposits]
        await world.rpc.request("evm_revert", [snapshot])
        await world.rpc.request("anvil_mine", ["0x5"])
        lost = sum([await delivered(provider, deposit) for deposit in deposits])
        if confirmations == 1:
            assert refusals == [None, None, None] and lost > STEP
        else:
            assert [refusal and refusal.code for refusal in refusals] == 3 * [Code.UNCONFIRMED]
            assert STEP // 2 < lost <= STEP


async def test_who_was_refused_is_served_once_the_deposit_is_deep_enough(world: World) -> None:
    money = {"confirmations": 6, "unconfirmed": STEP}
    async with serving(world, money=money, offer={"window": WINDOW}, engine={"options": {"rate": 2000.0}}) as provider:
        provider.node.confirmations.patience = 0.0
        deposit = await provider.deposit(ETHER // 100)
        refusal = await spend(provider, deposit)
        assert refusal is not None and refusal.code is Code.UNCONFIRMED
        await world.rpc.request("anvil_mine", ["0x5"])
        await until(lambda: not provider.node.confirmations._young)
        assert await spend(provider, deposit) is None
        assert await delivered(provider, deposit) > 2 * STEP


async def test_a_top_up_that_a_reorganisation_takes_back_counts_no_longer(world: World) -> None:
    """The cap follows the chain down again: what the top-up would have paid for is neither served nor taken."""
    async with serving(world, offer={"window": WINDOW}, engine={"options": {"rate": 2000.0}}) as provider:
        channels, node = Channels(world.crypto, world.where.channels), provider.node
        deposit = await provider.deposit(STEP)
        richer = msgspec.structs.replace(deposit, amount=str(100 * STEP))
        conversation = await provider.conversation(richer, low_latency=True)
        await conversation.connect()
        account = node._channels[deposit.channel_id(world.crypto)].account
        snapshot = await world.rpc.request("evm_snapshot", [])
        top_up = channels.top_up(deposit.channel_config(), 0, 99 * STEP)
        await Sender(world.rpc, world.user_key, world.where.chain_id, poll=0.01).transact(
            world.where.channels, top_up, 99 * STEP
        )
        await until(lambda: account.cap == 100 * STEP)
        await answer_of(conversation, 10)
        await world.rpc.request("evm_revert", [snapshot])
        await world.rpc.request("anvil_mine", ["0x4"])
        await until(lambda: account.cap == STEP)
        assert (await answer_of(conversation, 120)).output_units < STEP * 10**6 // PRICE_OUT
        await conversation.leave()
        assert await delivered(provider, deposit) <= STEP
        row = await node.ledger.channel(deposit.channel_id(world.crypto))
        assert row is not None and row.voucher.amount <= STEP
