"""Two providers who use each other: what each spends at the other, the other earns, and each does both at once."""

from __future__ import annotations

import asyncio
import contextlib

from tallystick_helper.chat import Account
from tallystick_shared.deposit import Terms
from tallystick_shared.money import Price

from .gateways import Local, local_api
from .world import ETHER, PRICE_IN, PRICE_OUT, Serving, World, serving

UNITS = 20


async def deposit(world: World, mine: Serving, theirs: Serving, key: bytes) -> bytes:
    """A deposit kept in my node's own data directory, with them. Returns its channel's id."""
    await world.fund(key)
    account: Account = world.account(key, mine.settings.data_dir.name)
    opened, _ = await account.open(await account.choose(theirs.provider), Terms(ETHER))
    return opened.channel_id(world.crypto)


async def ask(local: Local, model: str, word: str) -> tuple[str, int]:
    """What it said, and what that cost, by a stream of the stock client."""
    stream = await local.client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": word}], max_tokens=UNITS, stream=True
    )
    text, cost = "", 0
    async for chunk in stream:
        text += chunk.choices[0].delta.content or ""
        if chunk.choices[0].finish_reason:
            cost = int(chunk.tallystick["amount"])
    return text, cost


async def test_a_uses_b_while_b_uses_a_and_both_earn(world: World) -> None:
    async with contextlib.AsyncExitStack() as held:
        nodes = []
        for name in ("a", "b"):
            world.owner_key = name.encode() * 32
            await world.fund(world.owner_key)
            engine = {"options": {"name": f"model-{name}", "rate": 200.0}}
            nodes.append(await held.enter_async_context(serving(world, name, engine=engine)))
        a, b = nodes
        ids = [await deposit(world, a, b, b"\x33" * 32), await deposit(world, b, a, b"\x44" * 32)]
        locals_ = [await held.enter_async_context(local_api(node.up)) for node in nodes]
        answers = await asyncio.gather(
            *(ask(locals_[0], "model-b", "hazel") for _ in range(3)),
            *(ask(locals_[1], "model-a", "willow") for _ in range(3)),
        )
        words = [" ".join([word] * UNITS) for word in ("hazel",) * 3 + ("willow",) * 3]
        assert [text for text, _ in answers] == words
        price = Price(PRICE_IN, PRICE_OUT)
        assert {cost for _, cost in answers} == {price.amount(5, UNITS)}
        for local in locals_:
            assert local.up.admin is not None
            await local.up.admin.gateway.close()  # the last voucher is paid before goodbye
        for channel, earner in zip(ids, (b, a), strict=True):
            row = await earner.node.ledger.channel(channel)
            assert row is not None and row.voucher.amount == row.owed == 3 * price.amount(5, UNITS)
