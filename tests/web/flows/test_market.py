"""The page's market, from a real chain and two real nodes: few calls, everything checked, and what is missing told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tallystick_shared.evm.rpc import RpcError
from tallystick_web.main import Page, start
from tallystick_web.state import UNREAD, State
from tests.e2e.stack import Demo
from tests.e2e.wallet import TestWallet
from tests.helper.crowd import Crowd
from tests.helper.test_guest import informed, two_nodes
from tests.helper.world import Serving, World, new_world
from tests.web.seats import MemoryVault

from .real import RealWallets, RealWorld, page_of


class Watched(RealWallets):
    """A wallet that counts, and whose node has no logs where `pruned`."""

    def __init__(self, wallet: TestWallet) -> None:
        super().__init__(wallet)
        self.asked: list[str] = []
        self.pruned = False

    async def request(self, wallet: str, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_getLogs" and self.pruned:
            raise RpcError(-32005, "logs are not kept")
        return await super().request(wallet, method, params)


class Town:
    """A page over a world of providers."""

    def __init__(self, world: World) -> None:
        self.world, self.host = world, RealWorld()
        where = world.where
        self.demo = Demo(
            "", world.url, where.chain_id, "0x" + where.registry.hex(), "0x" + where.channels.hex(), "", "", 0
        )
        self.wallets = Watched(TestWallet(self.demo, where.chain_id))
        self.page: Page = page_of(self.wallets, MemoryVault(), self.host)
        self.known: dict[bytes, bytes] = {}

    async def read(self) -> State:
        """Opened, connected, and the market read."""
        site = {
            "chain_id": self.demo.chain_id,
            "registry": self.demo.registry,
            "channels": self.demo.channels,
            "block": self.world.where.block,
            "known": {"0x" + provider.hex(): "0x" + blob.hex() for provider, blob in self.known.items()},
        }
        await start(self.page, json.dumps(site))
        await self.page.app.idle()
        self.page.app.heard("connect")
        await self.page.app.idle()
        return self.page.app.state


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with new_world(tmp_path) as made:
        yield made


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
