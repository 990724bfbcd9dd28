"""A chain with the contracts on it, a provider's node over real sockets, and users: the two-party tests' ground."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallystick_helper.chain.deploy import deploy
from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chat import Account, Conversation
from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.demo import anvil
from tallystick_helper.node.service import Node
from tallystick_helper.provide import Provider
from tallystick_helper.settings import Settings
from tallystick_helper.store import UserStore
from tallystick_helper.up import Up
from tallystick_shared.chains import Deployment
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.market import Listing

CHAIN_ID = 31337
ETHER = 10**18
PRICE_IN, PRICE_OUT = 2_000_000 * 10**6, 6_000_000 * 10**6
HOUR = 3600


@dataclass
class World:
    """One chain and who is on it. Keys are 32 bytes; amounts are wei."""

    url: str
    rpc: HttpRpc
    where: Deployment
    folder: Path
    crypto: NativeCrypto = field(default_factory=NativeCrypto)
    owner_key: bytes = b"\x11" * 32
    user_key: bytes = b"\x22" * 32

    async def fund(self, key: bytes, amount: int = 10 * ETHER) -> None:
        await self.rpc.request("anvil_setBalance", ["0x" + self.crypto.secp256k1_address(key).hex(), hex(amount)])

    async def balance(self, address: bytes) -> int:
        return int(await self.rpc.request("eth_getBalance", ["0x" + address.hex(), "latest"]), 16)

    async def pass_time(self, seconds: int) -> None:
        """Moves the chain's clock on, and mines a block in which it shows."""
        await self.rpc.request("evm_increaseTime", [seconds])
        await self.rpc.request("evm_mine", [])

    def settings(self, name: str = "node", **changes: Any) -> Settings:
        """A node's settings on this chain; sections can be given as dictionaries."""
        values: dict[str, Any] = {
            "data_dir": self.folder / name,
            "chain": {
                "rpc": [self.url],
                "id": self.where.chain_id,
                "registry": "0x" + self.where.registry.hex(),
                "channels": "0x" + self.where.channels.hex(),
                "block": self.where.block,
                "interval": 0.05,
            },
            "page": {"port": 0},
            "admin": {"port": 0},
            "listen": {
                "host": "127.0.0.1",
                "port": 0,
                "handshake_burst": 1000,  # all come from one address here
                "dial_private": True,
            },
            "offer": {"price_in": PRICE_IN, "price_out": PRICE_OUT, "first_voucher": 0, "minimum_delay": 900},
            "money": {"interval": 0.1, "dust": True, "confirmations": 1},
            "engine": {"kind": "echo", "options": {"rate": 200.0}},
        }
        for section, given in changes.items():
            values[section] = {**values.get(section, {}), **given} if isinstance(given, dict) else given
        return Settings.model_validate(values)

    def account(self, key: bytes | None = None, name: str = "user") -> Account:
        store = UserStore(self.folder / name, self.crypto)
        return Account(self.crypto, self.rpc, self.where, key or self.user_key, store, poll=0.02)

    def store(self, name: str = "user") -> UserStore:
        return UserStore(self.folder / name, self.crypto)


@contextlib.asynccontextmanager
async def new_world(folder: Path, chain_id: int = CHAIN_ID, hardfork: str = "osaka") -> AsyncIterator[World]:
    """A fresh chain with the contracts deployed and both keys funded."""
    async with anvil(chain_id=chain_id, hardfork=hardfork) as url:
        rpc = HttpRpc([url])
        try:
            world = World(url, rpc, Deployment(chain_id, b"", b""), folder)
            await world.fund(world.owner_key)
            await world.fund(world.user_key)
            world.where = await deploy(Sender(rpc, world.owner_key, chain_id, poll=0.01), chain_id)
            yield world
        finally:
            await rpc.aclose()


@dataclass
class Serving:
    """A provider at work."""

    world: World
    up: Up
    settings: Settings
    provider: bytes
    place: int = 0

    @property
    def node(self) -> Node:
        running = self.up.places[self.place].running
        assert running is not None
        return running.node

    async def listing(self) -> Listing:
        return await self.world.account().choose(self.provider)

    async def deposit(self, amount: int = ETHER // 100, **terms: int) -> Deposit:
        """A new deposit of the world's user with this provider."""
        opened, _ = await self.world.account().open(await self.listing(), Terms(amount, **terms))
        return opened

    async def conversation(self, deposit: Deposit, **options: bool) -> Conversation:
        """Not connected yet."""
        return Conversation(self.world.crypto, self.world.store(), deposit, (await self.listing()).usable(), **options)


@contextlib.asynccontextmanager
async def serving(world: World, name: str = "node", **changes: Any) -> AsyncIterator[Serving]:
    """A node that is announced on the world's chain and serves."""
    settings = world.settings(name, **changes)
    up = Up(settings)
    try:
        await up.start()
        assert up.engine is not None and up.public is not None
        owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
        endpoint = f"ws://127.0.0.1:{up.public.port}"
        await owner.provide(up.engine.models(), endpoint, lambda name, transaction: None)
        await owner.fund(lambda name, transaction: None)
        await until(lambda: up.node is not None)
        yield Serving(world, up, settings, owner.address)
    finally:
        await up.stop()


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Waits for something that no event announces. Fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


async def until_it_is(condition: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> None:
    """The same for a condition that has to be asked for."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)
