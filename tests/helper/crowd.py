"""A crowd of registered providers, quickly: their profiles are signed, their stakes locked, by anvil's leave without
their signatures on the transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tallystick_shared.evm.registry import Registry
from tallystick_shared.messages import amount_bytes
from tallystick_shared.profile import VERSION, Offer, Profile, registry_domain

from .world import CHAIN_ID, ETHER, World, until_it_is

STAKE = 10**15
AT_ONCE = 20
NOWHERE = "ws://127.0.0.1:9"
OFFER = Offer("crowd", "text", amount_bytes(10**12), amount_bytes(10**12), "token", 16, 64, 8192, bytes(32))


class Crowd:
    """Providers by number. Their keys are made of it; nobody listens at their endpoint."""

    def __init__(self, world: World) -> None:
        self.world, self.registry = world, Registry(world.crypto, world.where.registry)
        self.blobs: dict[bytes, bytes] = {}

    def key(self, number: int) -> bytes:
        return (0x10000 + number).to_bytes(32, "big")

    def address(self, number: int) -> bytes:
        return self.world.crypto.secp256k1_address(self.key(number))

    def profile(self, number: int, epoch: int = 1) -> Profile:
        crypto, owner = self.world.crypto, self.address(number)
        unsigned = Profile(
            VERSION, (NOWHERE,), crypto.x25519_public(self.key(number)), owner, owner, (bytes(20),), amount_bytes(0),
            900, amount_bytes(0), amount_bytes(10**9), 1, epoch, (OFFER,),
        )  # fmt: skip
        domain = registry_domain(CHAIN_ID, self.world.where.registry)
        return unsigned.signed(crypto, domain, self.key(number))

    async def _send(self, number: int, data: bytes, value: int = 0) -> None:
        transaction = {
            "from": "0x" + self.address(number).hex(),
            "to": "0x" + self.world.where.registry.hex(),
            "data": "0x" + data.hex(),
            "value": hex(value),
            "gas": hex(2_000_000),
        }
        sent = await self.world.rpc.request("eth_sendTransaction", [transaction])
        if await self.world.rpc.request("anvil_getAutomine", []):  # it answers before it has mined
            await until_it_is(lambda: self.world.rpc.request("eth_getTransactionReceipt", [sent]))

    async def _enter(self, number: int) -> None:
        blob = self.profile(number).encode()
        self.blobs[self.address(number)] = blob
        await self.world.rpc.request("anvil_setBalance", ["0x" + self.address(number).hex(), hex(ETHER)])
        await self._send(number, self.registry.register(blob), STAKE)

    @contextlib.asynccontextmanager
    async def _one_block(self) -> AsyncIterator[None]:
        """What is sent inside is mined at its end, in one block."""
        await self.world.rpc.request("anvil_autoImpersonateAccount", [True])
        await self.world.rpc.request("evm_setAutomine", [False])
        yield
        await self.mine()
        await self.world.rpc.request("evm_setAutomine", [True])

    async def register(self, *numbers: int) -> None:
        """All of them in one block, in this order."""
        async with self._one_block():
            for number in numbers:
                await self._enter(number)

    async def announce(self, number: int, epoch: int) -> None:
        blob = self.profile(number, epoch).encode()
        self.blobs[self.address(number)] = blob
        await self._send(number, self.registry.announce(blob))

    async def announce_bytes(self, number: int, blob: bytes) -> None:
        """Anything at all."""
        await self._send(number, self.registry.announce(blob))

    async def leave(self, *numbers: int) -> None:
        """They ask to go, a week passes, they go; their addresses come off the list in this order."""
        for number in numbers:
            await self._send(number, self.registry.request_exit())
        await self.world.pass_time(8 * 24 * 3600)
        for number in numbers:
            await self._send(number, self.registry.exit())
            self.blobs.pop(self.address(number), None)

    async def mine(self, blocks: int = 1) -> None:
        await self.world.rpc.request("anvil_mine", [hex(blocks)])

    async def fill(self, count: int, per_block: int = 100) -> None:
        """So many of them, in whatever order."""
        for first in range(0, count, per_block):
            async with self._one_block():
                for some in range(first, min(count, first + per_block), AT_ONCE):
                    numbers = range(some, min(count, first + per_block, some + AT_ONCE))
                    await asyncio.gather(*(self._enter(number) for number in numbers))
