"""One deposit, several providers: each serves and is paid up to its cap, whatever the others do."""

from __future__ import annotations

import time

import msgspec
import pytest

from tallystick_helper.chain.sender import Sender
from tallystick_helper.chat import Conversation
from tallystick_shared.channel import leaf, root_of
from tallystick_shared.deposit import Deposit, Place, Terms, opening_call, plan
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.rpc import to_bytes
from tallystick_shared.market import Listing
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


async def in_two_places(world: World, listing: Listing, amount: int) -> tuple[Deposit, Deposit]:
    """A channel whose tree holds one payee twice, three levels deep and one: no honest client makes such a tree."""
    crypto, salts = world.crypto, (b"\1" * 32, b"\2" * 32)
    payer, now = crypto.secp256k1_address(world.user_key), int(time.time())
    whole = plan(crypto, world.where, listing, payer, Terms(amount), now)
    deep, near = (leaf(crypto, whole.payee, whole.closer, salt) for salt in salts)
    others = (b"\3" * 32, b"\4" * 32)
    branch = root_of(crypto, deep, others)
    config = msgspec.structs.replace(whole.config, root=root_of(crypto, near, (branch,)))
    places = (Place(salts[0], (*others, near)), Place(salts[1], (branch,)))
    first, second = (msgspec.structs.replace(whole, config=config, place=place) for place in places)
    call = opening_call(crypto, first)
    sender = Sender(world.rpc, world.user_key, world.where.chain_id, poll=0.01)
    await sender.transact(world.where.channels, to_bytes(call["data"]), amount)
    return first, second


async def test_a_payee_in_two_places_is_claimed_from_the_nearer(world: World) -> None:
    """Proven first three levels deep, then one level deep and served up to that cap: all of it is claimed."""
    async with providers(world, 1, threshold=1) as (standing,):
        account = world.account()
        listing = await account.choose(standing.address)
        deep, near = await in_two_places(world, listing, 16 * ONE_PROMPT)
        assert (deep.cap, near.cap) == (2 * ONE_PROMPT, 8 * ONE_PROMPT)
        cost = await session(world, deep, listing, 1)
        cost += await session(world, near, listing, 5)
        await until_claimed(account, near, cost)
