"""`tallystick registry show`: every provider as the chain shows it, whatever is wrong with it."""

from __future__ import annotations

import pytest

from tallystick_helper.chain.sender import Sender
from tallystick_helper.registry_commands import registry_now
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.registry import Registry

from .world import CHAIN_ID, ETHER, PRICE_IN, Serving

STAKE = 10**15


async def stranger(provider: Serving, key: bytes, profile: bytes) -> bytes:
    """Registers somebody with these bytes; the address."""
    world = provider.world
    await world.fund(key)
    sender = Sender(world.rpc, key, CHAIN_ID, poll=0.01)
    registry = Registry(world.crypto, world.where.registry)
    await sender.transact(world.where.registry, registry.register(profile), ETHER)
    return sender.address


async def test_providers_with_what_they_offer_and_what_is_wrong(provider: Serving) -> None:
    broken = await stranger(provider, b"\x33" * 32, b"nonsense")
    settings = provider.world.settings("user")
    count, rows = await registry_now(settings, None, 100)
    assert count == 2
    good, bad = sorted(rows, key=lambda row: bool(row.fault))
    assert good.listing.provider == provider.provider and good.stake == STAKE and good.fault == ""
    assert good.announced is not None and 0 <= good.now - good.announced < 600
    assert (bad.listing.provider, bad.stake, bad.listing.profile) == (broken, ETHER, None)
    assert bad.fault.startswith("bad_profile")
    values = good.values()
    assert values["profile"]["offers"][0]["model"] == "loopback"
    assert values["profile"]["offers"][0]["price_in"] == str(PRICE_IN)
    assert values["profile"]["payee"] == "0x" + provider.provider.hex()
    assert (bad.values()["profile"], values["fault"]) == (None, None)
    assert (await registry_now(settings, None, 1))[0] == 2 and len((await registry_now(settings, None, 1))[1]) == 1


async def test_one_of_them_and_a_stranger(provider: Serving) -> None:
    settings = provider.world.settings("user")
    _, (row,) = await registry_now(settings, provider.provider, 1)
    assert row.listing.profile is not None
    with pytest.raises(PeerError) as caught:
        await registry_now(settings, b"\1" * 20, 1)
    assert caught.value.code is Code.NOT_REGISTERED


async def test_who_leaves_is_shown(provider: Serving) -> None:
    world = provider.world
    registry = Registry(world.crypto, world.where.registry)
    await Sender(world.rpc, world.owner_key, CHAIN_ID, poll=0.01).transact(
        world.where.registry, registry.request_exit()
    )
    _, (row,) = await registry_now(world.settings("user"), provider.provider, 1)
    assert row.leaves > row.now
