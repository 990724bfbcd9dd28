"""Which provider answers: by price, by wish, and the next one where the first cannot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tallystick_shared.evm.rpc import to_hex

from .gateways import Local, gateway
from .world import ETHER, PRICE_OUT, Serving, World, serving

SAID = [{"role": "user", "content": "x"}]


@contextlib.asynccontextmanager
async def two(world: World, **options: Any) -> AsyncIterator[tuple[Serving, Serving, Local]]:
    """A cheap and a dear provider of the same model, a deposit with each, and a gateway."""
    async with contextlib.AsyncExitStack() as held:
        found = []
        for number, price in enumerate((PRICE_OUT, 5 * PRICE_OUT)):
            world.owner_key = bytes([0x50 + number]) * 32
            await world.fund(world.owner_key)
            engine = {"options": {"rate": 50.0, **(options if number == 0 else {})}}
            node = serving(world, f"node{number}", engine=engine, offer={"price_out": price})
            found.append(await held.enter_async_context(node))
            await found[-1].deposit(ETHER // 10)
        yield found[0], found[1], await held.enter_async_context(gateway(world))


async def answered(local: Local, **provider: Any) -> str:
    """The address of who answered."""
    more = {"extra_body": {"provider": provider}} if provider else {}
    got = await local.client.chat.completions.create(model="loopback", messages=SAID, max_tokens=1, **more)
    address: str = got.tallystick["provider"]
    return address


async def test_the_cheapest_unless_the_request_says_otherwise(world: World) -> None:
    async with two(world) as (cheap, dear, local):
        cheap_at, dear_at = to_hex(cheap.provider), to_hex(dear.provider)
        assert await answered(local) == cheap_at
        assert await answered(local, ignore=[cheap_at]) == dear_at
        assert await answered(local, only=[dear_at]) == dear_at
        assert await answered(local, order=[dear_at]) == dear_at
        # The dear one has been measured by now, both have: whoever was first to answer is known.
        assert await answered(local, sort="latency") in (cheap_at, dear_at)
        assert await answered(local, quantizations=["int4", "unknown"]) == cheap_at
        for words, said in ((["int4"], "no_providers"), ("int4", "unsupported_parameter")):
            with pytest.raises(openai.APIStatusError) as none:
                await answered(local, quantizations=words)
            assert none.value.code == said
        between = str(3 * PRICE_OUT / ETHER)
        assert await answered(local, order=[dear_at], max_price={"completion": between}) == cheap_at
        with pytest.raises(openai.InternalServerError) as caught:
            await answered(local, only=[dear_at], max_price={"completion": between})
        assert caught.value.code == "no_providers"
        rows = (await local.http.get("models")).json()["data"]
        assert [one["provider"] for one in rows[0]["tallystick"]] == [cheap_at, dear_at]


async def test_where_the_first_is_full_the_next_one_answers(world: World) -> None:
    async with two(world, slots=1, queue=0) as (_, dear, local):
        stream = await local.client.chat.completions.create(
            model="loopback", messages=SAID, max_tokens=500, stream=True
        )
        assert await answered(local) == to_hex(dear.provider)
        with pytest.raises(openai.RateLimitError):
            await answered(local, allow_fallbacks=False)
        await stream.close()


async def test_where_the_first_is_gone_the_next_one_answers(world: World) -> None:
    async with two(world) as (cheap, dear, local):
        assert await answered(local) == to_hex(cheap.provider)
        await cheap.up.stop()
        assert await answered(local) == to_hex(dear.provider)
