"""Strangers who want to be in the way, over real sockets: what they take is bounded, and whoever pays is served.

How much later a first token comes while they are at it is a row of the bench (`strangers`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from tallystick_helper.chat import Answer, Conversation
from tallystick_shared import limits
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.session.events import Ready

from .attack import Attack, Target
from .knocks import Knock
from .proxy import Proxy, proxy
from .world import Serving, World, serving, until

UNITS = 100


@asynccontextmanager
async def besieged(world: World, chain: Proxy, rate: float, kinds: list[str]) -> AsyncIterator[tuple[Serving, Attack]]:
    """A node with the limits that hold where nothing is set, and strangers at it."""
    listen = {"handshake_burst": limits.HANDSHAKE_BURST.value}
    async with serving(world, chain={"rpc": [chain.url]}, listen=listen) as provider:
        attack = Attack(Target.of(world.where, await provider.listing()))
        running = asyncio.create_task(attack.run(rate, kinds))
        yield provider, attack
        await attack.stop()
        await running


class Watch:
    """The most strangers, connections and parked channels there ever were; the reads of channels, and the seconds."""

    def __init__(self, provider: Serving, chain: Proxy) -> None:
        self.strangers = self.connections = self.parked = self.reads = 0
        self._node, self._loop = provider.node, asyncio.get_running_loop()
        self._began = self._loop.time()
        self._selector = to_hex(provider.node.till._channels._contract.call("channelsOf", [])[:4])
        chain.forge = self._read
        self._task = asyncio.create_task(self._look())

    def _read(self, method: str, params: list[Any], result: Any) -> Any:
        self.reads += method == "eth_call" and params[0]["data"].startswith(self._selector)
        return result

    async def _look(self) -> None:
        while True:
            self.strangers = max(self.strangers, len(self._node.gate))
            self.connections = max(self.connections, len(self._node._connections))
            self.parked = max(self.parked, len(self._node.follower.table._waiting))
            await asyncio.sleep(0.01)

    @property
    def seconds(self) -> float:
        return self._loop.time() - self._began

    def stop(self) -> None:
        self._task.cancel()


async def ask(conversation: Conversation) -> Answer:
    async for part in conversation.ask([("user", "count the notches")], "loopback", UNITS):
        if isinstance(part, Answer):
            return part
    raise AssertionError("no answer")


@pytest.fixture
async def chain(world: World) -> AsyncIterator[Proxy]:
    async with proxy(world.url) as between:
        yield between


async def test_whoever_pays_is_served_among_all_of_them(world: World, chain: Proxy) -> None:
    """Slow, half, dripping, giant, fragmented, silent and unfunded ones at the same time, from everywhere."""
    kinds = ["half", "drip", "giant", "frames", "pings", "silent", "unfunded"]
    async with besieged(world, chain, 30.0, kinds) as (provider, attack):
        watch = Watch(provider, chain)
        deposit = await provider.deposit()
        await until(lambda: provider.node.follower.table.get(deposit.channel_id(world.crypto)))
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        for _ in range(2):
            answer = await ask(conversation)
            assert (answer.finish, answer.output_units, len(answer.text.split())) == ("length", UNITS, UNITS)
        await conversation.settle()
        # Who came before gets in again, with the ticket that it was given.
        await conversation.leave()
        again = await provider.conversation(deposit)
        await again.connect()
        assert (await ask(again)).output_units == UNITS
        await again.leave()
        watch.stop()
        assert all(attack.made[kind] > 3 for kind in kinds)
    assert watch.strangers <= limits.STRANGERS.value + limits.TICKET_HOLDERS.value
    assert watch.connections <= limits.STRANGERS.value + limits.TICKET_HOLDERS.value


async def test_a_flood_of_unfunded_channels_asks_the_chain_seldom(world: World, chain: Proxy) -> None:
    """Every one of them is signed and well-formed; none is on chain. The calls are bounded by time, not by them."""
    async with besieged(world, chain, 40.0, ["unfunded"]) as (provider, attack):
        watch = Watch(provider, chain)
        with capture_logs() as said:
            await until(lambda: attack.signed >= 120 and watch.reads, 60)
        asked, seconds, signed = watch.reads, watch.seconds, attack.signed
        watch.stop()
        assert asked <= limits.BACKFILL_BURST.value + limits.BACKFILL_CALLS.value * seconds + 1
        assert asked < signed / 2
        assert watch.parked <= limits.STRANGERS.value
        # Nor do they leave lines behind that would fill a disk.
        assert len([line for line in said if line["log_level"] != "debug"]) < 10
        # A channel that is there is served all the same, and is not asked for at all.
        deposit = await provider.deposit()
        await until(lambda: provider.node.follower.table.get(deposit.channel_id(world.crypto)))
        knock = await (await Knock.dial(provider)).enter(deposit)
        assert (await knock.until(Ready)).owed == 0
        await knock.websocket.close()
