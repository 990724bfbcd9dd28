"""The page's market, from a real chain and two real nodes: few calls, everything checked, and what is missing told."""

from __future__ import annotations

import asyncio

from tallystick_web.state import UNREAD
from tests.helper.crowd import Crowd
from tests.helper.test_guest import informed, two_nodes
from tests.helper.world import Serving, World

from .real import Town


async def filled(world: World, nodes: tuple[Serving, ...], crowd: int) -> Town:
    """Two nodes and a crowd, both nodes knowing all of it."""
    made = Crowd(world)
    await made.fill(crowd)
    known = await informed(nodes, crowd + len(nodes))
    town = await asyncio.to_thread(Town, world)
    town.known = known
    return town


async def test_a_market_from_two_providers_in_two_calls(world: World) -> None:
    async with two_nodes(world) as nodes:
        town = await filled(world, nodes, 60)
        town.wallets.pruned = True
        state = await town.read()
        assert town.wallets.asked.count("eth_call") == 2 and "eth_getLogs" not in town.wallets.asked
        assert len(state.market.choices) == state.market.count == 62
        assert not any(choice.fault for choice in state.market.choices)
        assert (state.market.missing, state.market.wrong) == (0, False)
        assert {listing.provider for listing in town.page.market.informants()} >= {node.provider for node in nodes}


async def test_without_an_answer_the_chains_logs_are_read(world: World) -> None:
    async with two_nodes(world) as nodes:
        town = await filled(world, nodes, 20)
        town.host.gone = True
        state = await town.read()
        assert "eth_getLogs" in town.wallets.asked
        assert len(state.market.choices) == 22 and state.market.missing == 0


async def test_what_nobody_gives_is_told_and_stays_in_the_list(world: World) -> None:
    async with two_nodes(world) as nodes:
        town = await filled(world, nodes, 20)
        town.host.gone, town.wallets.pruned = True, True
        state = await town.read()
        assert (state.market.count, state.market.missing) == (22, 20)
        assert sum(choice.fault == UNREAD for choice in state.market.choices) == 20
        town.host.gone = False
        await town.page.market.read()
        assert town.page.app.state.market.missing == 0
