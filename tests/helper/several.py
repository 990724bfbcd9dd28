"""Several providers on one chain, and a user with one deposit for all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from tallystick_helper.chat import Account, Answer, Conversation
from tallystick_helper.provide import Provider
from tallystick_helper.up import Up
from tallystick_shared.deposit import Deposit
from tallystick_shared.market import Listing
from tests.helper.world import World

MARGIN = 2 * 3600


@dataclass
class Standing:
    """A provider that serves."""

    up: Up
    address: bytes


@contextlib.asynccontextmanager
async def providers(world: World, count: int, **money: int) -> AsyncIterator[list[Standing]]:
    """Each with its own owner, payee, node key, operator, ledger and socket; `money` are settings of that section."""
    async with contextlib.AsyncExitStack() as held:
        found = []
        for number in range(count):
            settings = world.settings(f"provider-{number}", money={"interval": 0.1, "expiry_margin": MARGIN, **money})
            up = Up(settings)
            held.push_async_callback(up.stop)
            await up.start()
            assert up.engine is not None and up.public is not None
            key = world.crypto.keccak256(b"provider %d" % number)
            await world.fund(key)
            owner = Provider(settings, world.crypto, world.rpc, world.where, key)
            endpoint = f"ws://127.0.0.1:{up.public.port}"
            await owner.provide(up.engine.capabilities(), endpoint, lambda name, transaction: None)
            await owner.fund(lambda name, transaction: None)
            await asyncio.wait_for(up.serving.wait(), 30)
            found.append(Standing(up, owner.address))
        yield found


async def session(world: World, deposit: Deposit, listing: Listing, prompts: int) -> int:
    """One visit: connect, some prompts, each paid, goodbye. Returns what the answers cost."""
    conversation = Conversation(world.crypto, world.store(), deposit, listing.usable(), low_latency=True)
    await conversation.connect()
    model, cost = listing.usable().offers[0].model, 0
    for _ in range(prompts):
        async for part in conversation.ask([("user", "hello")], model, 2):
            if isinstance(part, Answer):
                cost += part.amount
    await conversation.settle()
    await conversation.leave()
    return cost


async def transactions(world: World, since: int) -> list[dict[str, Any]]:
    """All that were mined after a block, whoever sent them."""
    newest = int(await world.rpc.request("eth_blockNumber", []), 16)
    blocks = [await world.rpc.request("eth_getBlockByNumber", [hex(n), True]) for n in range(since + 1, newest + 1)]
    return [sent for block in blocks for sent in block["transactions"]]


async def until_claimed(account: Account, deposit: Deposit, total: int, seconds: float = 20.0) -> None:
    """Waits until the payees of a channel have been paid so much; each claims by itself."""
    async with asyncio.timeout(seconds):
        while True:
            if (await account.state(deposit)).claimed >= total:
                return
            await asyncio.sleep(0.05)
