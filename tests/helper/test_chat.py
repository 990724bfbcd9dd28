"""A terminal user's account: what an earlier run left on its way is gone on with."""

from __future__ import annotations

import asyncio

import pytest

from tallystick_shared.deposit import Terms
from tallystick_shared.errors import Code, LocalError

from .world import Serving, until


async def test_an_opening_left_under_way_is_waited_for_and_not_made_twice(provider: Serving) -> None:
    world, listing = provider.world, await provider.listing()
    await world.rpc.request("evm_setAutomine", [False])
    opening = asyncio.create_task(world.account().open(listing, Terms(10**15)))
    await until(lambda: any(kept.transaction for kept in world.store().deposits()))
    opening.cancel()
    finding = asyncio.create_task(world.account().find(listing))
    done, _ = await asyncio.wait([finding], timeout=0.3)
    assert not done
    await world.rpc.request("evm_mine", [])
    found = await finding
    (kept,) = world.store().deposits()
    assert found == kept and int(found.amount) == 10**15


async def test_an_opening_that_the_chain_forgot_is_not_waited_for(provider: Serving) -> None:
    world, listing = provider.world, await provider.listing()
    await world.rpc.request("evm_setAutomine", [False])
    opening = asyncio.create_task(world.account().open(listing, Terms(10**15)))
    await until(lambda: any(kept.transaction for kept in world.store().deposits()))
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await world.rpc.request("anvil_dropAllTransactions", [])
    assert await world.account().find(listing) is None


async def test_nothing_is_kept_of_an_opening_that_cannot_be_paid(provider: Serving) -> None:
    poor = provider.world.account(b"\x33" * 32)
    with pytest.raises(LocalError) as caught:
        await poor.open(await provider.listing(), Terms(10**15))
    assert (caught.value.code, caught.value.values["held"]) == (Code.NOT_ENOUGH_MONEY, "0 wei")
    assert provider.world.store().deposits() == []
