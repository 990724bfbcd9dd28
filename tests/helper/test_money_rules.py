"""The rules of money that need a node's disk, engine and chain, by their numbers in section 5 of the protocol."""

from __future__ import annotations

import pytest

from tallystick_helper.node.claims import batches
from tallystick_shared.deposit import Terms
from tallystick_shared.errors import Code, PeerError, TallystickError

from .test_node_service import answer_of, cost
from .world import ETHER, HOUR, Serving, World, serving, until

# -- rule 10: the first-voucher minimum

GAS = 10**14
"""Dearer than any claim on the test's chain, and far more than one unit costs."""


async def abandoned(provider: Serving, count: int) -> None:
    """Users who each ask for one unit and are never heard of again."""
    for _ in range(count):
        conversation = await provider.conversation(await provider.deposit(ETHER // 100, life=24 * HOUR, delay=HOUR))
        await conversation.connect()
        await answer_of(conversation, 1)
        await conversation.settle()
        await conversation.leave()
    await until(lambda: not provider.node._connections)


@pytest.mark.parametrize("first", [GAS, 0])
async def test_rule_10_a_provider_is_not_left_with_claims_that_their_gas_would_eat(world: World, first: int) -> None:
    """Tiny users who vanish. With the minimum their one voucher pays its own claim and more; the control, without it,
    leaves the node with less than the gas.
    """
    async with serving(world, money={"dust": False}, offer={"first_voucher": first}) as provider:
        await abandoned(provider, 2)
        node = provider.node
        rows = await node.ledger.live_channels()
        assert [row.voucher.amount for row in rows] == 2 * [first or cost(1)]
        spent = await world.balance(node.identity.operator)
        earned = await world.balance(node.identity.payee)
        paid = sum([await node.till.claim(batch) for batch in batches(rows)])
        spent -= await world.balance(node.identity.operator)
        earned = await world.balance(node.identity.payee) - earned
        assert paid == earned == 2 * first
        assert earned > 2 * spent if first else spent == 0


async def test_rule_10_a_deposit_below_the_minimum_is_not_made_and_not_taken(world: World) -> None:
    async with serving(world, offer={"first_voucher": GAS}) as provider:
        account, listing = world.account(), await provider.listing()
        with pytest.raises(TallystickError) as caught:
            await account.open(listing, Terms(GAS - 1))
        assert (caught.value.code, caught.value.values["minimum"]) == (Code.DEPOSIT_TOO_SMALL, GAS)
        deposit = await provider.deposit(GAS)
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        assert (await answer_of(conversation, 1)).output_units == 1
        await conversation.leave()


async def test_rule_10_a_hardly_used_deposit_closes_for_the_minimum(world: World) -> None:
    async with serving(world, offer={"first_voucher": GAS}) as provider:
        deposit = await provider.deposit(ETHER // 100)
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        await answer_of(conversation, 1)
        before = await world.balance(provider.provider)
        await conversation.close()
        await conversation.leave()
        await until(lambda: deposit.channel_id(world.crypto) not in provider.node.till._closing)
        assert await world.balance(provider.provider) - before == GAS


async def test_rule_10_a_dearer_minimum_than_the_one_agreed_is_not_signed(world: World) -> None:
    async with serving(world, offer={"first_voucher": GAS}) as provider:
        deposit = await provider.deposit(ETHER // 100)
        conversation = await provider.conversation(deposit)
        conversation.user.session.purse.first = 2 * GAS  # what a newer profile says
        await conversation.connect()
        with pytest.raises(PeerError) as caught:
            await answer_of(conversation, 1)
        assert caught.value.code is Code.ADVANCE_TOO_LARGE
        assert conversation.user.session.signed == 0
        await conversation.leave()
