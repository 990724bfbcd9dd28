"""A deposit's ends, against a real chain and a real node: with its provider, alone, and what is told before."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tallystick_helper.chain.sender import Sender
from tallystick_helper.channel_commands import close_now, list_now, request_now, show_now, top_up_now, withdraw_now
from tallystick_helper.deposits import Status
from tallystick_helper.keys import Secret
from tallystick_helper.quote import Quote
from tallystick_helper.settings import Settings
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import to_hex

from .test_allowance import issue, provider_of, stubborn
from .world import ETHER, HOUR, Serving, World, serving

DAY = 24 * HOUR


class Person:
    """The user of the world, agreeing to all it is shown, in order; `alone` is what it says when the provider is
    gone.
    """

    def __init__(self, world: World, alone: bool = False) -> None:
        self.world, self._alone = world, alone
        self.settings: Settings = world.settings("user")
        self.key = Secret(world.user_key)
        self.quotes: list[Quote] = []
        self.faults: list[TallystickError] = []

    async def agree(self, quote: Quote) -> None:
        quote.check()
        self.quotes.append(quote)

    async def alone(self, fault: TallystickError) -> bool:
        self.faults.append(fault)
        return self._alone

    async def balance(self) -> int:
        return await self.world.balance(self.world.crypto.secp256k1_address(self.world.user_key))

    async def close(self, name: str) -> dict[str, Any]:
        return await close_now(self.settings, name, self.key, self.agree, self.alone)

    async def request(self, name: str) -> dict[str, Any]:
        return await request_now(self.settings, name, self.key, self.agree)

    async def withdraw(self, name: str) -> dict[str, Any]:
        return await withdraw_now(self.settings, name, self.key, self.agree)

    async def status(self, name: str) -> Status:
        return (await show_now(self.settings, name)).status


def id_of(world: World, deposit: Deposit) -> str:
    return "0x" + deposit.channel_id(world.crypto).hex()


@contextlib.asynccontextmanager
async def gone(world: World, **terms: int) -> AsyncIterator[tuple[str, Deposit]]:
    """A deposit whose provider is not there any more."""
    async with serving(world) as provider:
        deposit = await provider.deposit(**terms)
    yield id_of(world, deposit), deposit


async def spend(provider: Serving, deposit: Deposit) -> int:
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    amount = 0
    async for piece in conversation.ask([("user", "hello there")], "loopback", 10):
        amount = getattr(piece, "amount", 0)
    await conversation.settle()
    await conversation.leave()
    return amount


async def refused(work: Any) -> TallystickError:
    with pytest.raises(TallystickError) as caught:
        await work
    return caught.value


async def test_the_provider_closes_and_the_rest_is_back(provider: Serving) -> None:
    world = provider.world
    me, deposit = Person(world), await provider.deposit()
    spent = await spend(provider, deposit)
    view = await show_now(me.settings, id_of(world, deposit))
    assert (view.status, view.held.owed, view.held.alone) == (Status.OPEN, spent, deposit)
    before = await me.balance()
    done = await me.close(id_of(world, deposit))
    assert (int(done["paid"]), int(done["refund"])) == (spent, deposit.cap - spent)
    assert await me.balance() - before == deposit.cap - spent
    (quote,) = me.quotes
    assert (quote.costs, quote.back) == ((), view.rest)
    assert await list_now(me.settings, None, every=True) == []


async def test_a_provider_that_is_gone_is_told_and_nothing_is_sent(world: World) -> None:
    me = Person(world)
    async with gone(world) as (name, _):
        error = await refused(me.close(name))
        assert error.code is Code.CLOSE_FAILED and me.faults[0].code is Code.PROVIDER_GONE
        assert await me.status(name) is Status.OPEN


async def test_alone_it_is_asked_for_and_taken_back_after_the_notice(world: World) -> None:
    me = Person(world, alone=True)
    async with gone(world, delay=HOUR) as (name, deposit):
        early = await refused(me.withdraw(name))
        assert early.code is Code.TOO_EARLY and "request-close" in early.values["sooner"]
        before = await me.balance()
        asked = await me.close(name)
        fee = before - await me.balance()
        (_, quote) = me.quotes
        assert fee <= quote.most and (quote.value, quote.back) == (0, deposit.cap)
        assert abs(asked["expiry"] - time.time() - HOUR) < 60
        assert await me.status(name) is Status.CLOSING
        assert (await refused(me.request(name))).code is Code.TOO_EARLY
        early = await refused(me.withdraw(name))
        assert (early.code, early.values["expiry"]) == (Code.TOO_EARLY, asked["expiry"])
        await world.pass_time(HOUR + 60)
        assert await me.status(name) is Status.EXPIRED
        assert (await refused(me.request(name))).code is Code.CHANNEL_EXPIRING
        before = await me.balance()
        done = await me.withdraw(name)
        assert int(done["refund"]) == deposit.cap
        assert before + deposit.cap - await me.balance() <= me.quotes[-1].most
        assert await list_now(me.settings, None, every=True) == []


async def test_anybody_may_take_it_back_for_the_payer(world: World) -> None:
    me = Person(world)
    async with gone(world, life=HOUR, delay=900) as (name, deposit):
        await world.pass_time(3 * HOUR)
        before = await me.balance()
        me.key = Secret(world.owner_key)
        done = await me.close(name)  # expired: closing is taking it back
        assert done["refund"] == str(deposit.cap)
        assert await me.balance() == before + deposit.cap


async def test_only_the_payer_asks_for_the_end_or_puts_in_more(world: World) -> None:
    me = Person(world)
    me.key = Secret(world.owner_key)
    async with gone(world) as (name, _):
        fault, payer = await refused(me.request(name)), world.crypto.secp256k1_address(world.user_key)
        assert (fault.code, fault.values["payer"]) == (Code.WRONG_KEY, to_hex(payer))
        more = top_up_now(me.settings, name, me.key, "5wei", None, me.agree)
        assert (await refused(more)).code is Code.WRONG_KEY
        assert me.quotes == []


async def test_more_is_put_in_for_longer(world: World) -> None:
    me = Person(world)
    async with gone(world) as (name, deposit):
        done = await top_up_now(me.settings, name, me.key, "0.02", 30 * DAY, me.agree)
        assert me.quotes[0].value == ETHER // 50
        assert done["deposit"] == str(deposit.cap + ETHER // 50)
        view = await show_now(me.settings, name)
        assert (view.status, view.state.deposit) == (Status.OPEN, deposit.cap + ETHER // 50)
        assert view.state.expiry == done["expiry"] == view.held.agreed
        # Asked for its end afterwards, its expiry is still above the first one, and yet it closes.
        await me.request(name)
        assert await me.status(name) is Status.CLOSING


async def test_too_little_money_for_the_fee_is_told_before(world: World) -> None:
    me = Person(world)
    async with gone(world) as (name, _):
        await world.fund(world.user_key, 10**9)
        error = await refused(me.request(name))
        assert error.code is Code.NOT_ENOUGH_MONEY and error.values["held"] == "0.000000001 ETH"


async def test_one_that_never_arrived_is_absent_and_one_on_its_way_is_sent(world: World) -> None:
    me = Person(world)
    async with gone(world) as (_, deposit):
        config = msgspec.structs.replace(deposit.config, salt=b"\5" * 32)
        lost = msgspec.structs.replace(deposit, config=config, transaction="")
        world.store().save_deposit(lost)
        assert await me.status(id_of(world, lost)) is Status.ABSENT
        world.store().save_deposit(msgspec.structs.replace(lost, transaction=deposit.transaction))
        assert await me.status(id_of(world, lost)) is Status.SENT
        assert (await refused(me.withdraw(id_of(world, lost)))).code is Code.UNKNOWN_CHANNEL
        assert len(await list_now(me.settings, None, every=False)) == 2
        assert await list_now(me.settings, b"\1" * 20, every=False) == []


@pytest.mark.parametrize("name", ["0x", "zz", "0x1234", ""])
async def test_an_id_that_none_has(world: World, name: str) -> None:
    with pytest.raises(LocalError) as caught:
        await show_now(Person(world).settings, name)
    assert caught.value.code is Code.UNKNOWN_DEPOSIT


async def test_a_deposit_in_a_token_is_told_in_the_token_and_topped_up_by_an_approval(world: World) -> None:
    token, me = await issue(world, "Coin", 6), Person(world, alone=True)
    async with provider_of(world, token) as provider:
        deposit = await provider.deposit(5 * 10**6, token=token.address, delay=HOUR)
    name = id_of(world, deposit)
    values = (await show_now(me.settings, name)).values()
    assert (values["deposit"], values["symbol"], values["decimals"]) == ("5000000", "COIN", 6)
    done = await top_up_now(me.settings, name, me.key, "1.5", None, me.agree)
    assert (done["deposit"], done["symbol"]) == ("6500000", "COIN")
    assert [quote.value for quote in me.quotes] == [0, 0] and "1.5 COIN" in me.quotes[0].what
    await me.request(name)
    assert me.quotes[-1].back is None and me.quotes[-1].notes == ("Back  6.5 COIN",)
    await world.pass_time(HOUR + 60)
    user = world.crypto.secp256k1_address(world.user_key)
    before = await token.balance(world.rpc, user)
    assert (await me.withdraw(name))["refund"] == "6500000"
    assert await token.balance(world.rpc, user) == before + 6_500_000


async def test_an_allowance_that_stands_is_cleared_before_a_top_up_where_the_token_wants_it(world: World) -> None:
    token, me = await stubborn(world), Person(world)
    async with provider_of(world, token) as provider:
        deposit = await provider.deposit(5 * 10**6, token=token.address)
    user = Sender(world.rpc, world.user_key, world.where.chain_id, poll=0.01)
    await user.transact(token.address, token.approve(world.where.channels, 7))
    done = await top_up_now(me.settings, id_of(world, deposit), me.key, "9wei", None, me.agree)
    assert done["deposit"] == "5000009"
    assert [quote.what.split()[0] for quote in me.quotes] == ["Take", "Let", "Put"]
    assert await token.allowance(world.rpc, user.address, world.where.channels) == 0


async def test_more_of_a_token_than_one_has_is_refused(world: World) -> None:
    token, me = await issue(world, "Coin", 6), Person(world)
    async with provider_of(world, token) as provider:
        deposit = await provider.deposit(5 * 10**6, token=token.address)
    error = await refused(top_up_now(me.settings, id_of(world, deposit), me.key, "1000", None, me.agree))
    assert (error.code, error.values["held"]) == (Code.NOT_ENOUGH_MONEY, "995 COIN")


async def test_a_deposit_with_several_providers_is_one_and_ends_by_request(provider: Serving) -> None:
    world, me, first = provider.world, Person(provider.world), await provider.listing()
    profile = msgspec.structs.replace(first.usable(), payee=b"\7" * 20, operator=b"\x08" * 20)
    second = dataclasses.replace(first, provider=b"\x09" * 20, profile=profile)
    deposits, _ = await world.account().open_several([first, second], Terms(10**15))
    (view,) = await list_now(me.settings, None, every=False)
    assert {party.deposit.provider for party in view.held.parties} == {first.provider, second.provider}
    assert [one["cap"] for one in view.values()["providers"]] == [str(10**15 // 2)] * 2
    name = id_of(world, deposits[0])
    error = await refused(me.close(name))
    assert error.code is Code.CLOSE_FAILED and "several" in str(me.faults[0])
    await me.request(name)
    assert await me.status(name) is Status.CLOSING
