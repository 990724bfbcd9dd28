"""The node of `live_streams`, in a process of its own: `python -m tests.bench.live_node COUNT`.

It is a whole node on a chain of its own, with a synthetic engine and limits that let one address bring many; for each
stream there is a channel. It prints what a client needs to know and serves until its input is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick_helper.logs import configure
from tallystick_shared.deposit import Deposit, Terms, opening_call, plan
from tallystick_shared.messages import encode
from tests.bench.tokens import BATCH, RATE
from tests.helper.world import ETHER, Serving, World, new_world, serving, until

PER_BLOCK = 100
MANY = 100_000


async def deposits(world: World, provider: Serving, count: int) -> list[Deposit]:
    """So many channels, opened by anvil's leave without signatures, a block for each hundred."""
    listing, payer = await provider.listing(), world.crypto.secp256k1_address(world.user_key)
    made = [
        plan(world.crypto, world.where, listing, payer, Terms(ETHER // 1000), int(time.time())) for _ in range(count)
    ]
    await world.fund(world.user_key, count * ETHER)
    await world.rpc.request("anvil_autoImpersonateAccount", [True])
    await world.rpc.request("evm_setAutomine", [False])
    for first in range(0, count, PER_BLOCK):
        for deposit in made[first : first + PER_BLOCK]:
            call = opening_call(world.crypto, deposit) | {"from": "0x" + payer.hex(), "gas": hex(200_000)}
            await world.rpc.request("eth_sendTransaction", [call])
        await world.rpc.request("anvil_mine", ["0x1"])
    await world.rpc.request("evm_setAutomine", [True])
    table = provider.node.follower.table
    await until(lambda: all(table.get(deposit.channel_id(world.crypto)) for deposit in made), 60)
    return made


async def _serve(count: int) -> None:
    listen = {
        "unauthenticated_per_address": MANY,
        "unauthenticated_per_neighbourhood": MANY,
        "unauthenticated": MANY,
        "handshakes_per_address": MANY,
        "handshake_burst": MANY,
        "handshakes": MANY,
    }
    options = {"rate": RATE, "batch": BATCH, "slots": MANY, "queue": MANY, "context": 10**8}
    with tempfile.TemporaryDirectory() as folder:
        async with new_world(Path(folder)) as world:  # noqa: SIM117
            async with serving(
                world, engine={"options": options}, listen=listen, money={"interval": 60}, chain={"interval": 1.0}
            ) as provider:
                made = await deposits(world, provider, count)
                profile = (await provider.listing()).usable()
                told = {
                    "pid": os.getpid(),
                    "port": provider.up.public.port if provider.up.public else 0,
                    "chain_id": world.where.chain_id,
                    "registry": world.where.registry.hex(),
                    "provider": provider.provider.hex(),
                    "profile": encode(profile).hex(),
                    "deposits": [encode(deposit).hex() for deposit in made],
                }
                print(json.dumps(told), flush=True)
                await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def node(count: int) -> Iterator[dict[str, Any]]:
    """The process, while the block runs. Raises RuntimeError where it does not come up."""
    command = [sys.executable, "-m", "tests.bench.live_node", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the node did not come up")
            yield json.loads(line)
        finally:
            process.terminate()


if __name__ == "__main__":
    configure("error")
    asyncio.run(_serve(int(sys.argv[1])))
