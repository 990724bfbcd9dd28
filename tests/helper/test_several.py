"""One deposit, several providers: each serves and is paid up to its cap, whatever the others do."""

from __future__ import annotations

import pytest

from tallystick_helper.chat import Conversation
from tallystick_shared.deposit import Terms
from tallystick_shared.errors import Code, PeerError
from tests.helper.several import MARGIN, Standing, providers, session, transactions, until_claimed
from tests.helper.world import ETHER, World
from tests.shared.tools import refused

ONE_PROMPT = 22_000_000
"""Wei, at the prices of the tests' world: nine units of input and two of output, or so."""


@pytest.fixture
async def three(world: World):
    async with providers(world, 3) as standing:
        yield standing


async def test_three_providers_are_paid_from_one_deposit(world: World, three: list[Standing]) -> None:
    account = world.account()
    listings = [await account.choose(one.address) for one in three]
    since = int(await world.rpc.request("eth_blockNumber", []), 16)
    terms = Terms(ETHER // 100)
    deposits, _ = await account.open_several(listings, terms, [2, 1, 1])
    assert [deposit.cap for deposit in deposits] == [ETHER // 200, ETHER // 400, ETHER // 400]
    # Twice each, in turn: what was signed to one is not the others' matter, and goes on where it was.
    costs = [0, 0, 0]
    for _ in range(2):
        for at, (deposit, listing) in enumerate(zip(deposits, listings, strict=True)):
            costs[at] += await session(world, deposit, listing, at + 1)
    assert costs[0] > 0 and costs[1] == 2 * costs[0] and costs[2] == 3 * costs[0]
    assert len(await transactions(world, since)) == 1

    before = [await world.balance(deposit.payee) for deposit in deposits]
    await world.pass_time(terms.life - MARGIN + 60)
    await until_claimed(account, deposits[0], sum(costs))
    after = [await world.balance(deposit.payee) for deposit in deposits]
    assert [late - early for late, early in zip(after, before, strict=True)] == costs
    await world.pass_time(MARGIN)
    await account.withdraw(deposits[1])
    state = await account.state(deposits[0])
    assert state.ended and state.claimed == sum(costs)
    assert len(await transactions(world, since)) == 1 + 3 + 1
    assert world.store().deposits() == []


async def test_nobody_closes_for_the_others(world: World, three: list[Standing]) -> None:
    account = world.account()
    listings = [await account.choose(one.address) for one in three]
    deposits, _ = await account.open_several(listings, Terms(ETHER // 100))
    conversation = Conversation(world.crypto, world.store(), deposits[0], listings[0].usable(), low_latency=True)
    await conversation.connect()
    with refused(Code.CLOSE_FAILED, PeerError):
        await conversation.close()
    await conversation.leave()
    assert not (await account.state(deposits[0])).ended


async def test_a_deposit_is_found_again_for_each_of_them(world: World, three: list[Standing]) -> None:
    account = world.account()
    listings = [await account.choose(one.address) for one in three]
    deposits, _ = await account.open_several(listings, Terms(ETHER // 100))
    assert [await account.find(listing) for listing in listings] == deposits


async def test_a_threshold_counts_what_this_payee_was_paid(world: World) -> None:
    """The channel's word tells the sum of all payees only; a node that took its vouchers for unpaid would claim every
    later trifle by itself.
    """
    async with providers(world, 2, threshold=5 * ONE_PROMPT) as standing:
        account = world.account()
        listings = [await account.choose(one.address) for one in standing]
        deposits, _ = await account.open_several(listings, Terms(ETHER // 100))
        first = await session(world, deposits[0], listings[0], 5)
        await until_claimed(account, deposits[0], first)
        since = int(await world.rpc.request("eth_blockNumber", []), 16)
        assert await session(world, deposits[0], listings[0], 1) == first // 5
        running = standing[0].up.running
        assert running is not None and await running.node.till.look() == 0
        assert await transactions(world, since) == []
