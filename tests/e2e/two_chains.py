"""A node on two chains, in a thread of its own: paid in the coin on the first, in a token on the second."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from tallystick_helper.chain.sender import Sender
from tallystick_helper.up import Up
from tests.e2e.stack import Demo
from tests.e2e.wallet import TestWallet
from tests.helper.test_allowance import issue
from tests.helper.two_chains import OTHER_ID, announce, section
from tests.helper.world import World, new_world

TOKENS = 10**9
OFFER = {"price_in": 2 * 10**6, "price_out": 6 * 10**6, "window": 1000, "minimum_cap": 10**5}


@dataclass
class Both:
    """Where they are. `give` mints a thousand of the token for an address."""

    first: Demo
    second: Demo
    token: str
    loop: asyncio.AbstractEventLoop
    world: World

    def give(self, address: str) -> None:
        mint = self.world.crypto.keccak256(b"mint(address,uint256)")[:4]
        data = mint + encode(["address", "uint256"], [address, TOKENS])
        owner = Sender(self.world.rpc, self.world.owner_key, OTHER_ID, poll=0.01)
        sent = owner.transact(bytes.fromhex(self.token[2:]), data)
        asyncio.run_coroutine_threadsafe(sent, self.loop).result(20)


class Traveller(TestWallet):
    """A wallet that knows the first chain; the second it has to be told."""

    __test__ = False

    def __init__(self, both: Both) -> None:
        super().__init__(both.first, chain_id=both.first.chain_id, known={both.first.chain_id})
        self._chains = {both.first.chain_id: both.first, both.second.chain_id: both.second}
        both.second.call("anvil_setBalance", self.address, hex(10**19))

    def request(self, method: str, params: list[Any]) -> Any:
        answer = super().request(method, params)
        self.demo = self._chains[self.chain_id]
        return answer


@contextlib.asynccontextmanager
async def _town(folder: Path, files: Path) -> AsyncIterator[tuple[World, World, str, str]]:
    async with contextlib.AsyncExitStack() as held:
        one = await held.enter_async_context(new_world(folder / "one"))
        other = await held.enter_async_context(new_world(folder / "other", OTHER_ID))
        token = "0x" + (await issue(other, "Coin", 6)).address.hex()
        further = {**section(other, other.url), "name": "Sidechain", "offer": {**OFFER, "tokens": [token]}}
        up = Up(one.settings(chains={"other": further}, page={"files": files}, chain={"name": "Mainchain"}))
        held.push_async_callback(up.stop)
        await up.start()
        await announce(one, up, 0)
        await announce(other, up, 1)
        assert up.page is not None
        yield one, other, f"http://127.0.0.1:{up.page.port}/", token


def _demo(world: World, page: str) -> Demo:
    where = world.where
    return Demo(page, world.url, where.chain_id, "0x" + where.registry.hex(), "0x" + where.channels.hex(), "", "", 0)


@contextlib.contextmanager
def two_chains(folder: Path, files: Path) -> Iterator[Both]:
    """Up, while the block runs."""
    ready, over = threading.Event(), threading.Event()
    found: list[Both] = []

    async def live() -> None:
        async with _town(folder, files) as (one, other, page, token):
            found.append(Both(_demo(one, page), _demo(other, page), token, asyncio.get_running_loop(), other))
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    assert ready.wait(60), "the two chains did not come up"
    try:
        yield found[0]
    finally:
        over.set()
        thread.join(30)
