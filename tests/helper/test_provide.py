"""Becoming a provider: one registration, announcements for what changed, nothing for what did not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tallystick_helper.announcement import Announcement
from tallystick_helper.engines import open_engine
from tallystick_helper.keys import KeyStore
from tallystick_helper.provide import Provided, Provider
from tallystick_helper.quote import Quote
from tallystick_helper.registering import default_endpoint
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.market import Market
from tallystick_shared.messages import amount_int

from .world import CHAIN_ID, ETHER, PRICE_IN, PRICE_OUT, World

ENDPOINT = "ws://192.0.2.1:8766"


async def provide(world: World, endpoint: str = ENDPOINT, **changes: object) -> Provided:
    settings = world.settings(**changes)
    engine = await open_engine("echo", {}, settings.data_dir)
    owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
    told: list[str] = []
    done = await owner.provide(engine.capabilities(), endpoint, lambda name, transaction: told.append(name))
    assert told == list(done.transactions)
    await engine.close()
    return done


async def test_first_register_then_nothing_then_announce(world: World) -> None:
    first = await provide(world)
    assert list(first.transactions) == ["register"]
    again = await provide(world)
    assert again.transactions == {}
    assert again.announced == first.announced
    dearer = await provide(world, offer={"price_out": PRICE_OUT * 2})
    assert list(dearer.transactions) == ["announce"]
    listing = (await Market(world.crypto, CHAIN_ID, world.where.registry).listings(world.rpc))[0]
    profile = listing.usable()
    assert amount_int(profile.offers[0].price_out) == PRICE_OUT * 2
    assert profile.epoch == first.announced.profile(world.crypto).epoch + 1
    assert Announcement.load(world.settings().data_dir) == dearer.announced


async def test_each_transaction_is_shown_before_it_is_sent(world: World) -> None:
    settings = world.settings()
    engine = await open_engine("echo", {}, settings.data_dir)
    owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
    quotes: list[Quote] = []
    before = await world.balance(owner.address)

    async def agree(quote: Quote) -> None:
        quote.check()
        quotes.append(quote)

    done = await owner.provide(engine.capabilities(), ENDPOINT, lambda name, transaction: None, agree)
    await engine.close()
    assert list(done.transactions) == ["register"]
    assert [quote.value for quote in quotes] == [settings.offer.stake]
    paid = before - await world.balance(owner.address)
    assert sum(quote.value for quote in quotes) < paid <= sum(quote.value + quote.most for quote in quotes)


async def test_who_says_no_sends_nothing(world: World) -> None:
    settings = world.settings()
    engine = await open_engine("echo", {}, settings.data_dir)
    owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
    before = await world.balance(owner.address)

    async def disagree(quote: Quote) -> None:
        raise LocalError(Code.REFUSED)

    with pytest.raises(LocalError):
        await owner.provide(engine.capabilities(), ENDPOINT, lambda name, transaction: None, disagree)
    await engine.close()
    assert await world.balance(owner.address) == before


async def test_the_profile_says_what_the_settings_say(world: World) -> None:
    payee = "0x" + "77" * 20
    done = await provide(world, payee=payee, offer={"minimum_cap": 10**30, "minimum_delay": 7200, "window": 5})
    profile, keys = done.announced.profile(world.crypto), KeyStore(world.settings().data_dir)
    assert profile.endpoints == (ENDPOINT,)
    assert profile.payee == b"\x77" * 20
    assert profile.operator == world.crypto.secp256k1_address(keys.operator().reveal())
    assert profile.node_key == world.crypto.x25519_public(keys.node().reveal())
    assert (amount_int(profile.minimum_cap), profile.minimum_delay, amount_int(profile.window)) == (10**30, 7200, 5)
    assert profile.offers[0].price.input == PRICE_IN
    assert profile.minimum_suite == 2


async def test_the_first_voucher_comes_to_what_a_claim_costs(world: World) -> None:
    """Where nothing is set. It stays while the price of gas is neither half nor twice what it was then."""

    async def announced(gwei: int, **offer: Any) -> int:
        await world.rpc.request("anvil_setNextBlockBaseFeePerGas", [hex(gwei * 10**9)])
        await world.rpc.request("evm_mine", [])
        done = await provide(world, offer={"first_voucher": None, **offer})
        return amount_int(done.announced.profile(world.crypto).first_voucher)

    first = await announced(10)
    assert 52_000 * 10 * 10**9 < first < 10**15
    assert await announced(14) == first
    assert await announced(100) > 5 * 10**15
    assert await announced(10, first_voucher=7) == 7
    await world.rpc.request("anvil_setCode", ["0x" + "66" * 20, "0x60"])
    assert await announced(10, tokens=["0x" + "66" * 20]) == 0


async def test_the_operator_is_filled_up_when_it_runs_low(world: World) -> None:
    settings = world.settings(money={"gas": ETHER // 100})
    owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)

    async def fund() -> list[str]:
        return list(await owner.fund(lambda name, transaction: None))

    operator = (await provide(world)).announced.profile(world.crypto).operator
    assert await world.balance(operator) == 0  # not a part of registering
    assert await fund() == ["fund"] and await world.balance(operator) == ETHER // 100
    assert await fund() == []
    await world.rpc.request("anvil_setBalance", ["0x" + operator.hex(), hex(ETHER // 1000)])
    assert await fund() == ["fund"] and await world.balance(operator) == ETHER // 100


@pytest.mark.parametrize("endpoint", ["http://x", "ws://", "ws://" + "x" * 250])
async def test_an_endpoint_that_nobody_could_dial_is_refused(world: World, endpoint: str) -> None:
    with pytest.raises(LocalError) as caught:
        await provide(world, endpoint)
    assert caught.value.code is Code.BAD_SETTINGS


async def test_a_payee_that_could_never_take_its_money_is_refused(world: World) -> None:
    owner = world.crypto.secp256k1_address(world.owner_key)
    before = await world.balance(owner)
    for payee in (bytes(20), world.where.channels, world.where.registry):
        with pytest.raises(LocalError) as caught:
            await provide(world, payee="0x" + payee.hex())
        assert caught.value.code is Code.BAD_SETTINGS
        assert caught.value.values["payee"] == "0x" + payee.hex() and "payee" in caught.value.values["reason"]
    assert await world.balance(owner) == before


async def test_a_token_that_is_not_on_the_chain_is_refused(world: World) -> None:
    native, nowhere = "0x" + bytes(20).hex(), "0x" + "66" * 20
    with pytest.raises(LocalError) as caught:
        await provide(world, offer={"tokens": [native, nowhere]})
    assert (caught.value.code, caught.value.values["token"]) == (Code.BAD_SETTINGS, nowhere)
    await world.rpc.request("anvil_setCode", [nowhere, "0x60"])
    assert "register" in (await provide(world, offer={"tokens": [native, nowhere]})).transactions


async def test_too_poor_to_register(world: World) -> None:
    await world.fund(world.owner_key, 1)
    with pytest.raises(LocalError) as caught:
        await provide(world)
    assert caught.value.code is Code.NOT_ENOUGH_MONEY


def test_the_endpoint_without_a_setting_is_this_machine() -> None:
    from tallystick_helper.settings import Settings

    assert default_endpoint(Settings.model_validate({"listen": {"port": 5}})) == "ws://127.0.0.1:5"


async def test_each_model_may_have_its_own_price(world: World) -> None:
    settings = world.settings(offer={"models": {"loopback": {"price_out": PRICE_OUT * 3}}})
    engine = await open_engine("echo", {}, settings.data_dir)
    other = dataclasses.replace(engine.capabilities(), model="other")
    owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
    done = await owner.provide((*engine.models(), other), ENDPOINT, lambda name, transaction: None)
    await engine.close()
    prices = {offer.model: offer.price for offer in done.announced.profile(world.crypto).offers}
    assert {model: price.output for model, price in prices.items()} == {"loopback": PRICE_OUT * 3, "other": PRICE_OUT}
    assert {price.input for price in prices.values()} == {PRICE_IN}
    assert settings.offer.credit_window() == 300 * PRICE_OUT * 3 // 10**6
