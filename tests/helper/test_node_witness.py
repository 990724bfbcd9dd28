"""Two sources before credit beyond the window: a lying RPC really stands between the node and its chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from eth_abi.abi import decode, encode

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.node.budget import Budget
from tallystick_helper.node.witness import GOOD_FOR, Sworn, Witness, lowest
from tallystick_shared.channel import ChannelState
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import to_bytes, to_hex

from .proxy import Clock, Forge, Proxy, proxy
from .world import ETHER, HOUR, Serving, World, serving

WINDOW = 10**8


def lies(world: World, change: Callable[[ChannelState], ChannelState]) -> Forge:
    """Tells other words of channels than the contract does."""
    selector = to_hex(Channels(world.crypto, world.where.channels)._contract.call("channelsOf", [])[:4])

    def word(true: int) -> int:
        state = change(ChannelState.from_word(true))
        return state.deposit | state.claimed << 112 | state.expiry << 224

    def forge(method: str, params: list[Any], result: Any) -> Any:
        if method != "eth_call" or not params[0]["data"].startswith(selector):
            return result
        (words,) = decode(["uint256[]"], to_bytes(result))
        return to_hex(encode(["uint256[]"], [[word(true) for true in words]]))

    return forge


def richer(state: ChannelState) -> ChannelState:
    """A hundred times the deposit, and a day more."""
    return ChannelState(100 * state.deposit, state.claimed, state.expiry + 24 * HOUR)


class Bench:
    """A witness with two sources, and a channel of which they speak."""

    def __init__(self, world: World, sources: list[Any], budget: int = 0) -> None:
        self.now = 0.0
        channels = Channels(world.crypto, world.where.channels)
        self.witness = Witness(sources, channels, Budget(budget), pause=0.01, clock=lambda: self.now)
        self.checked: list[ChannelState] = []

    def check(self, state: ChannelState) -> None:
        self.checked.append(state)
        if state.ended:
            raise PeerError(Code.CHANNEL_ENDED)

    async def swear(self, channel_id: bytes, amount: int, depth: int = 0) -> Sworn:
        return await self.witness.swear(channel_id, depth, amount, WINDOW, self.check)

    async def refused(self, channel_id: bytes, amount: int) -> Code:
        with pytest.raises(PeerError) as caught:
            await self.swear(channel_id, amount)
        return caught.value.code


@asynccontextmanager
async def between(world: World, clock: Clock | None = None) -> AsyncIterator[tuple[Proxy, Proxy, HttpRpc]]:
    """Two RPCs of one chain, each of which can be made to lie or be silent."""
    async with proxy(world.url) as first, proxy(world.url) as second:
        rpc = HttpRpc([first.url, second.url], clock=clock or Clock())
        yield first, second, rpc
        await rpc.aclose()


async def opened(provider: Serving, amount: int = 10**15) -> bytes:
    return (await provider.deposit(amount)).channel_id(provider.world.crypto)


# -- what two sources say


async def test_both_say_the_same(provider: Serving) -> None:
    world = provider.world
    channel_id = await opened(provider)
    async with between(world) as (first, second, rpc):
        bench = Bench(world, rpc.each())
        sworn = await bench.swear(channel_id, 10**15)
        assert sworn == Sworn(10**15, GOOD_FOR)
        assert (first.asked["eth_call"], second.asked["eth_call"]) == (1, 1)
        assert sworn.covers(10**15, GOOD_FOR - 1)
        assert not sworn.covers(10**15 + 1, 0) and not sworn.covers(1, GOOD_FOR)
        assert await bench.swear(channel_id, 1, depth=3) == Sworn(10**15 >> 3, GOOD_FOR)
        # Above the cap, and a channel that is not there: the chain's word, not a quarrel.
        assert await bench.refused(channel_id, 10**15 + 1) is Code.ABOVE_CAP
        assert await bench.refused(b"\x01" * 32, 1) is Code.UNKNOWN_CHANNEL


@pytest.mark.parametrize("liar", [0, 1])
async def test_the_lower_word_counts(provider: Serving, liar: int) -> None:
    world = provider.world
    channel_id = await opened(provider)
    async with between(world) as (*both, rpc):
        bench = Bench(world, rpc.each())
        both[liar].forge = lies(world, richer)
        assert await bench.swear(channel_id, 10**15) == Sworn(10**15, GOOD_FOR)
        true = await Channels(world.crypto, world.where.channels).state(world.rpc, channel_id)
        assert bench.checked == [true]
        assert await bench.refused(channel_id, 10**15 + 1) is Code.UNCONFIRMED
        assert both[liar].asked["eth_call"] == 1 + 4


async def test_a_hidden_end_is_a_quarrel_and_a_known_end_an_end(provider: Serving) -> None:
    world = provider.world
    channel_id = await opened(provider)
    ended: Callable[[ChannelState], ChannelState] = lambda state: ChannelState(0, 0, 1)  # noqa: E731
    async with between(world) as (first, second, rpc):
        bench = Bench(world, rpc.each())
        second.forge = lies(world, ended)
        assert await bench.refused(channel_id, 500) is Code.UNCONFIRMED
        first.forge = second.forge
        assert await bench.refused(channel_id, 500) is Code.CHANNEL_ENDED


async def test_a_source_that_is_a_block_behind_gets_a_second_look(provider: Serving) -> None:
    world = provider.world
    channel_id = await opened(provider)
    async with between(world) as (_, second, rpc):
        late = lies(world, lambda state: ChannelState(0, 0, 0))
        second.forge = lambda method, params, result: (
            late(method, params, result) if second.asked.get("eth_call", 0) < 2 else result
        )
        assert (await Bench(world, rpc.each()).swear(channel_id, 500)).cap == 10**15


async def test_the_third_is_asked_where_one_is_silent(provider: Serving) -> None:
    world = provider.world
    channel_id = await opened(provider)
    async with between(world) as (first, _, rpc), proxy(world.url) as third:
        more = HttpRpc([third.url])
        first.dead = True
        assert (await Bench(world, [*rpc.each(), *more.each()]).swear(channel_id, 500)).cap == 10**15
        assert third.asked["eth_call"] == 1
        await more.aclose()


async def test_one_source_alone_has_a_budget(provider: Serving) -> None:
    world = provider.world
    one, other = await opened(provider), await opened(provider)
    clock = Clock()
    async with between(world, clock) as (_, second, rpc):
        bench = Bench(world, rpc.each(), budget=1000)
        second.dead = True
        assert not (await bench.swear(one, WINDOW + 600)).covers(1, 0)
        await bench.swear(one, WINDOW + 700)
        assert await bench.refused(other, WINDOW + 301) is Code.UNCONFIRMED
        await bench.swear(other, WINDOW + 300)
        assert await bench.refused(one, WINDOW + 701) is Code.UNCONFIRMED
        second.dead = False
        clock.now += 60
        assert (await bench.swear(one, 10**15)).cap == 10**15


def test_the_lowest_of_two_words() -> None:
    assert lowest([ChannelState(5, 1, 9), ChannelState(4, 2, 8)]) == ChannelState(4, 2, 8)
    assert not lowest([ChannelState(5, 1, 9), ChannelState(0, 0, 0)]).known
    assert lowest([ChannelState(5, 1, 9), ChannelState(0, 0, 1)]).ended


def test_one_address_is_no_two_sources(world: World) -> None:
    channels = Channels(world.crypto, world.where.channels)
    assert [Witness([world.rpc] * count, channels, Budget(0)).able for count in (0, 1, 2)] == [False, False, True]


# -- in service


async def ask(conversation: Conversation, units: int) -> Answer:
    asked = conversation.ask([("user", "count the notches on this stick")], "loopback", units)
    *_, answer = [piece async for piece in asked]
    assert isinstance(answer, Answer)
    return answer


async def connected(provider: Serving, deposit: Deposit) -> Conversation:
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    return conversation


async def until_refused(conversation: Conversation) -> TallystickError:
    """Asks and pays until the provider says no."""
    with pytest.raises(TallystickError) as caught:
        for _ in range(5):
            await ask(conversation, 40)
            await conversation.settle()
    return caught.value


async def test_a_forged_deposit_is_served_no_further_than_the_true_one(world: World) -> None:
    """The payer and the first RPC are in league: both say that the deposit is a hundred times what it is."""
    true = 3 * 10**8
    async with (
        proxy(world.url, lies(world, richer)) as liar,
        proxy(world.url) as honest,
        # Looking seldom, the node asks for the single channel, so that it hears the lie.
        serving(world, chain={"rpc": [liar.url, honest.url], "interval": 30.0}, offer={"window": WINDOW}) as provider,
    ):
        node = provider.node
        node.witness._pause = 0.01
        deposit = await provider.deposit(true)
        conversation = await connected(provider, msgspec.structs.replace(deposit, amount=str(100 * true)))
        channel = node._channels[deposit.channel_id(world.crypto)]
        assert channel.account.cap == 100 * true
        refusal = await until_refused(conversation)
        assert refusal.code is Code.UNCONFIRMED
        assert honest.asked["eth_call"] >= 1
        (row,) = await node.ledger.live_channels()
        assert WINDOW < row.voucher.amount <= true
        assert row.owed - row.voucher.amount <= WINDOW
        await conversation.leave()


async def test_a_channel_that_only_one_knows_gets_the_window_and_no_more(world: World) -> None:
    nothing = lies(world, lambda state: ChannelState(0, 0, 0))
    async with (
        proxy(world.url) as first,
        proxy(world.url, nothing) as second,
        serving(world, chain={"rpc": [first.url, second.url]}, offer={"window": WINDOW}) as provider,
    ):
        provider.node.witness._pause = 0.01
        conversation = await connected(provider, await provider.deposit(ETHER // 100))
        assert (await until_refused(conversation)).code is Code.UNCONFIRMED
        (row,) = await provider.node.ledger.live_channels()
        assert row.voucher.amount <= WINDOW
        assert row.owed <= 2 * WINDOW
        await conversation.leave()


async def test_one_of_two_may_be_silent_within_the_budget(world: World) -> None:
    async with proxy(world.url) as first, proxy(world.url) as second:
        rpc = [first.url, second.url]
        async with serving(
            world, chain={"rpc": rpc}, offer={"window": WINDOW}, money={"unconfirmed": ETHER}
        ) as provider:
            second.dead = True
            conversation = await connected(provider, await provider.deposit(ETHER // 100))
            answer = await ask(conversation, 40)
            await conversation.settle()
            assert answer.amount > WINDOW
            rows = await provider.node.ledger.live_channels()
            assert [row.voucher.amount for row in rows] == [answer.amount]
            await conversation.leave()
