"""Requests for the end of a channel, kept over restarts and taken back by reorganisations, on a real chain."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tallystick_helper.chain.follower import Follower
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.table import ChannelTable
from tallystick_helper.ledger import Ledger
from tallystick_shared.channel import NATIVE, Config, channels_domain
from tallystick_shared.errors import Code
from tallystick_shared.evm.channels import Channels

from .knocks import Knock
from .world import CHAIN_ID, HOUR, World, serving


class Desk:
    """A payer with one channel, and a follower that may start again."""

    def __init__(self, world: World) -> None:
        self.world, self.channels = world, Channels(world.crypto, world.where.channels)
        self.sender = Sender(world.rpc, world.user_key, CHAIN_ID, poll=0.01)
        self.config = Config(self.sender.address, self.sender.address, b"\1" * 32, NATIVE, HOUR, b"\2" * 32)
        self.id = self.config.channel_id(world.crypto, channels_domain(CHAIN_ID, world.where.channels))

    async def start(self) -> None:
        """As a node starts, on what an earlier one left."""
        self.ledger = Ledger(self.world.folder / "ledger.sqlite")
        start = self.world.where.block
        self.follower = Follower(self.world.rpc, self.channels, self.ledger, ChannelTable(), start=start, interval=0.01)
        await self.follower.prepare()
        await self.follower.look()

    async def restart(self) -> None:
        self.ledger.close()
        await self.start()

    async def expiry(self) -> int:
        return (await self.channels.state(self.world.rpc, self.id)).expiry

    async def send(self, data: bytes, value: int = 0) -> None:
        await self.sender.transact(self.channels.address, data, value)

    async def open(self) -> None:
        block = await self.world.rpc.request("eth_getBlockByNumber", ["latest", False])
        await self.send(self.channels.open(self.config, int(block["timestamp"], 16) + 50 * HOUR, 1000), 1000)

    async def extend(self, by: int) -> None:
        await self.send(self.channels.top_up(self.config, await self.expiry() + by, 1), 1)

    async def closing(self) -> bool:
        await self.follower.look()
        return await self.follower.closings.of(self.id)


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    made = Desk(world)
    await made.open()
    await made.start()
    yield made
    made.ledger.close()


async def test_a_request_is_kept_until_a_later_end_undoes_it(desk: Desk) -> None:
    assert not await desk.closing()
    await desk.send(desk.channels.request_close(desk.config))
    assert await desk.closing()
    await desk.restart()
    assert await desk.closing()
    await desk.extend(0)  # more money, no more time
    assert await desk.closing()
    await desk.extend(HOUR)
    assert not await desk.closing()
    await desk.restart()
    assert not await desk.closing()
    await desk.send(desk.channels.request_close(desk.config))
    assert await desk.closing()


async def test_an_extension_that_was_read_ahead_of_its_log(desk: Desk) -> None:
    """The state is read after the logs, and may show already what only the next look's logs tell."""
    table = desk.follower.table
    await desk.send(desk.channels.request_close(desk.config))
    assert await desk.closing() and table.get(desk.id).closing  # type: ignore[union-attr]
    await desk.extend(HOUR)
    await desk.follower.read([desk.id])
    assert table.get(desk.id).closing  # type: ignore[union-attr]
    assert not await desk.closing()
    assert not table.get(desk.id).closing  # type: ignore[union-attr]


async def test_what_happened_while_nobody_looked(desk: Desk) -> None:
    await desk.closing()
    await desk.send(desk.channels.request_close(desk.config))
    await desk.world.rpc.request("anvil_mine", ["0x20"])
    await desk.restart()
    assert await desk.closing()


async def test_a_reorganisation_takes_it_back(desk: Desk) -> None:
    snapshot = await desk.world.rpc.request("evm_snapshot", [])
    await desk.send(desk.channels.request_close(desk.config))
    assert await desk.closing()
    await desk.world.rpc.request("evm_revert", [snapshot])
    await desk.world.rpc.request("anvil_mine", ["0x3"])
    assert not await desk.closing()
    assert not desk.follower.table.get(desk.id).closing  # type: ignore[union-attr]


async def test_a_ledger_from_before_is_followed_from_the_start(desk: Desk) -> None:
    await desk.send(desk.channels.request_close(desk.config))
    await desk.world.rpc.request("anvil_mine", ["0x20"])
    assert await desk.closing()
    await desk.ledger.run(lambda db: db.execute("DROP TABLE closings"))
    await desk.restart()
    assert await desk.closing()


async def test_a_channel_that_ended_leaves_nothing(desk: Desk) -> None:
    await desk.send(desk.channels.request_close(desk.config))
    assert await desk.closing()
    await desk.world.pass_time(2 * HOUR)
    await desk.send(desk.channels.withdraw(desk.config))
    assert not await desk.closing()
    assert await desk.ledger.run(lambda db: db.execute("SELECT count(*) FROM closings").fetchone()[0]) == 0


async def test_a_node_that_started_again_serves_no_channel_whose_end_was_asked_for(world: World) -> None:
    """It never served it, so its ledger has no row of it; the end is still far, and only the request speaks against
    it.
    """
    async with serving(world, money={"expiry_margin": 60}) as provider:
        deposit = await provider.deposit(life=24 * HOUR, delay=HOUR)
        await world.account().request_close(deposit)
        await world.rpc.request("anvil_mine", ["0x20"])
        await provider.node.follower.look()
    async with serving(world, money={"expiry_margin": 60}) as provider:
        assert provider.node.follower.table.get(deposit.channel_id(world.crypto)) is None
        knock = await Knock.dial(provider)
        await knock.greet()
        await knock.auth(deposit)
        assert await knock.end() is Code.CHANNEL_EXPIRING
