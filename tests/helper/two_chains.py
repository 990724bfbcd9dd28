"""A node on two chains, and the two sides' ground on each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_helper.provide import Provider
from tallystick_helper.up import Up

from .proxy import Proxy, proxy
from .world import Serving, World, new_world

OTHER_ID = 8453


@dataclass
class Pair:
    """A node on two chains; the second chain's RPC can be silenced."""

    up: Up
    first: Serving
    second: Serving
    second_rpc: Proxy


def section(world: World, rpc: str) -> dict[str, Any]:
    return {**world.settings().chain.model_dump(exclude_unset=True), "rpc": [rpc]}


async def announce(world: World, up: Up, place: int) -> Serving:
    settings = up.places[place].settings
    owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
    assert up.engine is not None and up.public is not None
    await owner.provide(up.engine.capabilities(), f"ws://127.0.0.1:{up.public.port}", lambda name, sent: None)
    await owner.fund(lambda name, sent: None)
    await up.places[place].serving.wait()
    return Serving(world, up, settings, owner.address, place)


@asynccontextmanager
async def on_two_chains(folder: Path) -> AsyncIterator[Pair]:
    """Two fresh chains, and a node that is announced on both and serves."""
    async with AsyncExitStack() as held:
        one = await held.enter_async_context(new_world(folder / "one"))
        other = await held.enter_async_context(new_world(folder / "other", OTHER_ID))
        between = await held.enter_async_context(proxy(other.url))
        up = Up(one.settings(chains={"other": section(other, between.url)}, money={"threshold": 1}))
        held.push_async_callback(up.stop)
        await up.start()
        yield Pair(up, await announce(one, up, 0), await announce(other, up, 1), between)
