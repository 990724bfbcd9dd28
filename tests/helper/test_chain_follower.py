"""The follower on a real chain: logs become channels, reorganisations take them back, a restart goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallystick_helper.chain.follower import PATIENCE, Follower
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.table import ChannelTable
from tallystick_helper.ledger import Ledger
from tallystick_shared.channel import NATIVE, Config, channels_domain
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError

from .world import CHAIN_ID, HOUR, World

PAYEE = b"\x0c" * 20


class Desk:
    """A follower and a payer, on one chain."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.channels = Channels(world.crypto, world.where.channels)
        self.sender = Sender(world.rpc, world.user_key, CHAIN_ID, poll=0.01)
        self.ledger = Ledger(world.folder / "ledger.sqlite")

    def follower(self, rpc: Any = None) -> Follower:
        return Follower(
            rpc or self.world.rpc,
            self.channels,
            self.ledger,
            ChannelTable(),
            start=self.world.where.block,
            interval=0.01,
        )

    async def config(self, number: int) -> Config:
        return Config(self.sender.address, self.sender.address, b"\1" * 32, NATIVE, HOUR, bytes([number]) * 32)

    def id_of(self, config: Config) -> bytes:
        return config.channel_id(self.world.crypto, channels_domain(CHAIN_ID, self.world.where.channels))

    async def now(self) -> int:
        block = await self.world.rpc.request("eth_getBlockByNumber", ["latest", False])
        return int(block["timestamp"], 16)

    async def open(self, number: int, amount: int = 1000) -> Config:
        config = await self.config(number)
        data = self.channels.open(config, await self.now() + 50 * HOUR, amount)
        await self.sender.transact(self.channels.address, data, amount)
        return config


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    made = Desk(world)
    yield made
    made.ledger.close()


async def test_channels_appear_and_change(desk: Desk) -> None:
    follower = desk.follower()
    await follower.prepare()
    assert await follower.look()
    assert not await follower.look()
    config = await desk.open(1)
    blocks: list[int] = []

    async def listener() -> None:
        blocks.append(follower.head.number)

    follower.on_block.append(listener)
    assert await follower.look()
    known = follower.table.get(desk.id_of(config))
    assert known is not None and known.state.deposit == 1000
    await desk.sender.transact(desk.channels.address, desk.channels.top_up(config, 0, 500), 500)
    await desk.sender.transact(desk.channels.address, desk.channels.request_close(config))
    await follower.look()
    known = follower.table.get(desk.id_of(config))
    assert known is not None and known.closing and known.state.deposit == 1500
    assert known.state.expiry <= await desk.now() + HOUR
    assert len(blocks) == 2


async def test_a_reorganisation_takes_a_channel_back(desk: Desk) -> None:
    follower = desk.follower()
    await follower.prepare()
    await follower.look()
    kept = await desk.open(1)
    await follower.look()
    snapshot = await desk.world.rpc.request("evm_snapshot", [])
    gone = await desk.open(2)
    await desk.sender.transact(desk.channels.address, desk.channels.top_up(kept, 0, 500), 500)
    await follower.look()
    assert len(follower.table) == 2
    await desk.world.rpc.request("evm_revert", [snapshot])
    await desk.world.rpc.request("anvil_mine", ["0x4"])
    await follower.look()
    assert follower.table.get(desk.id_of(gone)) is None
    known = follower.table.get(desk.id_of(kept))
    assert known is not None and known.state.deposit == 1000


async def test_an_end_that_a_reorganisation_took_back_is_none_in_the_ledger(desk: Desk) -> None:
    follower = desk.follower()
    await follower.prepare()
    config = await desk.open(1)
    channel_id = desk.id_of(config)
    await desk.ledger.store_channel(channel_id, config, bytes(32), (), PAYEE, PAYEE)
    await desk.sender.transact(desk.channels.address, desk.channels.request_close(config))
    await desk.world.pass_time(HOUR)
    await follower.look()
    snapshot = await desk.world.rpc.request("evm_snapshot", [])
    await desk.sender.transact(desk.channels.address, desk.channels.withdraw(config))
    await follower.look()
    known = follower.table.get(channel_id)
    assert known is not None and known.state.ended
    await desk.ledger.end_channel(channel_id)
    await desk.world.rpc.request("evm_revert", [snapshot])
    await desk.world.rpc.request("anvil_mine", ["0x4"])
    await follower.look()
    assert [row.channel_id for row in await desk.ledger.live_channels()] == [channel_id]


async def test_a_node_that_lags_takes_no_channel_back(desk: Desk) -> None:
    follower = desk.follower()
    await follower.prepare()
    await follower.look()
    snapshot = await desk.world.rpc.request("evm_snapshot", [])
    config = await desk.open(1)
    await follower.look()
    # A chain that is shorter looks like a node that has not seen the end of it yet.
    await desk.world.rpc.request("evm_revert", [snapshot])
    for _ in range(PATIENCE):
        assert not await follower.look()
        assert follower.table.get(desk.id_of(config)) is not None
    assert await follower.look()
    assert follower.table.get(desk.id_of(config)) is None


async def test_a_state_read_ahead_of_its_logs_is_not_counted_twice(desk: Desk) -> None:
    follower = desk.follower()
    await follower.prepare()
    await follower.look()
    config = await desk.open(1)
    await desk.sender.transact(desk.channels.address, desk.channels.top_up(config, 0, 500), 500)
    channel_id = desk.id_of(config)
    follower.table.put(channel_id, await desk.channels.state(desk.world.rpc, channel_id))
    await follower.look()
    known = follower.table.get(channel_id)
    assert known is not None and known.state.deposit == 1500


async def test_a_restart_goes_on_where_it_was(desk: Desk) -> None:
    first = desk.follower()
    await first.prepare()
    config = await desk.open(1)
    await desk.ledger.store_channel(desk.id_of(config), config, bytes(32), (), PAYEE, PAYEE)
    await desk.sender.transact(desk.channels.address, desk.channels.request_close(config))
    await first.look()
    await desk.world.rpc.request("anvil_mine", ["0x20"])
    await first.look()
    asked: list[int] = []

    class Watched:
        async def request(self, method: str, params: list[Any]) -> Any:
            if method == "eth_getLogs":
                asked.append(int(params[0]["fromBlock"], 16))
            return await desk.world.rpc.request(method, params)

    second = desk.follower(Watched())
    await second.prepare()
    known = second.table.get(desk.id_of(config))
    assert known is not None and known.closing and known.state.deposit == 1000
    await second.look()
    assert min(asked) > first.head.number - 20


async def test_another_chain_under_the_same_name_is_read_from_the_start(desk: Desk) -> None:
    await desk.ledger.store_cursor(3, "0xother")
    config = await desk.open(1)
    follower = desk.follower()
    await follower.prepare()
    await follower.look()
    assert follower.table.get(desk.id_of(config)) is not None


async def test_a_chain_that_refuses_long_ranges_is_asked_for_short_ones(desk: Desk) -> None:
    config = await desk.open(1)
    await desk.world.rpc.request("anvil_mine", ["0x40"])

    class Strict:
        async def request(self, method: str, params: list[Any]) -> Any:
            if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 10:
                raise RpcError(-32005, "range too wide")
            return await desk.world.rpc.request(method, params)

    follower = desk.follower(Strict())
    await follower.prepare()
    await follower.look()
    assert follower.table.get(desk.id_of(config)) is not None


async def test_a_channel_read_ahead_of_its_logs_goes_with_a_reorganisation_of_just_these_blocks(desk: Desk) -> None:
    follower = desk.follower()
    await follower.prepare()
    await follower.look()
    snapshot = await desk.world.rpc.request("evm_snapshot", [])
    config = await desk.open(9)
    channel_id = desk.id_of(config)
    await follower.put_ahead(channel_id, await desk.channels.state(desk.world.rpc, channel_id))
    await desk.world.rpc.request("evm_revert", [snapshot])
    await desk.world.rpc.request("anvil_mine", ["0x20"])  # more blocks than are read twice
    await follower.look()
    assert follower.table.get(channel_id) is None


async def test_a_channel_read_ahead_is_asked_for_no_longer_once_its_log_is_seen(desk: Desk) -> None:
    follower = desk.follower()
    await follower.prepare()
    await follower.look()
    channel_id = desk.id_of(await desk.open(10))
    await follower.put_ahead(channel_id, await desk.channels.state(desk.world.rpc, channel_id))
    assert follower._ahead
    await follower.look()
    assert not follower._ahead
    known = follower.table.get(channel_id)
    assert known is not None
    assert known.state.deposit == 1000


async def test_what_happened_while_a_node_told_of_a_head_that_is_none_is_read_afterwards(
    desk: Desk, world: World
) -> None:
    """It names a block far ahead, until the chain has passed it. A request of that time must not be lost."""
    lies: list[int] = []

    class Liar:
        async def request(self, method: str, params: list[Any]) -> Any:
            if lies and method == "eth_getBlockByNumber" and params[0] == "latest":
                block = await world.rpc.request(method, params)
                return {**block, "number": hex(lies[0]), "hash": "0x" + "ab" * 32}
            if lies and method == "eth_getLogs":
                return []
            return await world.rpc.request(method, params)

    follower = desk.follower(Liar())
    config = await desk.open(1)
    await follower.look()
    lies.append(follower.head.number + 30)
    await follower.look()
    await desk.sender.transact(desk.channels.address, desk.channels.request_close(config))
    await world.rpc.request("anvil_mine", [hex(60)])
    lies.clear()
    await follower.look()
    known = follower.table.get(desk.id_of(config))
    assert known is not None and known.closing
