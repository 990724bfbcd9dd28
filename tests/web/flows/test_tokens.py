"""Deposits in a token, from the page: by a permit, by an approval, and topped up; on a real chain with a real node."""

from __future__ import annotations

import asyncio

import pytest
from eth_abi.abi import encode

from tallystick_helper.chain.sender import Sender
from tallystick_shared.evm.token import Token
from tallystick_web.figures import plain
from tallystick_web.purse.paying import Way
from tallystick_web.state import DepositPhase, State
from tests.helper.test_allowance import issue, provider_of
from tests.helper.world import World
from tests.web.seats import until

from .real import Town

PURSE = 10**9
SEND, SIGN = "eth_sendTransaction", "eth_signTypedData_v4"


async def holding(world: World, name: str, *constructor: int) -> tuple[Town, Token]:
    """A page whose wallet holds a thousand of a token with six decimals."""
    token = await issue(world, name, *constructor)
    town = await asyncio.to_thread(Town, world)
    owner = Sender(world.rpc, world.owner_key, world.where.chain_id, poll=0.01)
    mint = world.crypto.keccak256(b"mint(address,uint256)")[:4]
    await owner.transact(token.address, mint + encode(["address", "uint256"], [town.wallet.address, PURSE]))
    return town, token


async def deposited(town: Town, amount: str = "2.5") -> State:
    await town.read()
    town.app.heard("open-deposit")
    await until(town.app, lambda state: state.purse.balance is not None)
    await town.app.idle()
    town.app.heard("input:amount", amount)
    town.app.heard("deposit")
    return await until(town.app, lambda state: state.deposit.usable or state.notice is not None)


@pytest.mark.parametrize(
    ("name", "constructor", "way", "prompts"),
    [("Coin", (6,), Way.PERMIT, [SIGN, SEND]), ("Odd", (), Way.APPROVE, [SEND, SEND])],
    ids=["permit", "approval"],
)
async def test_a_deposit_in_a_token(
    world: World, name: str, constructor: tuple[int, ...], way: Way, prompts: list[str]
) -> None:
    town, token = await holding(world, name, *constructor)
    user = bytes.fromhex(town.wallet.address[2:])
    async with provider_of(world, token) as provider:
        decimals = await token.decimals(world.rpc)
        state = await deposited(town, plain(2_500_000, decimals))
        assert state.notice is None and state.deposit.amount == 2_500_000
        assert state.purse.way is way and way.prompts == len(prompts)
        assert town.wallet.prompts[1:] == prompts
        assert state.coin.decimals == decimals and state.coin.symbol
        assert await token.balance(world.rpc, user) == PURSE - 2_500_000
        assert await token.allowance(world.rpc, user, world.where.channels) == 0, "no more than the deposit was allowed"

        town.app.heard("open-top-up")
        town.app.heard("input:more", plain(1_500_000, decimals))
        town.app.heard("top-up")
        state = await until(town.app, lambda state: state.deposit.amount == 4_000_000)
        await town.app.idle()
        kinds = [entry.kind for entry in town.state.book.entries]
        assert kinds == [*(["approval"] if way is Way.APPROVE else []), "deposit", "approval", "top_up"]
        assert {entry.state for entry in town.state.book.entries} == {"confirmed"}

        town.app.heard("ask", "What does it cost?")
        await until(town.app, lambda state: state.running and len(state.turns[-1].text) > 100)
        town.app.heard("stop")
        await until(town.app, lambda state: not state.running and state.deposit.durable >= state.deposit.owed)
        town.app.heard("close-deposit")
        state = await until(town.app, lambda state: state.deposit.phase is DepositPhase.ENDED)
        assert state.deposit.paid + state.deposit.refunded == 4_000_000 and state.deposit.paid > 0
        assert await token.balance(world.rpc, user) == PURSE - state.deposit.paid
        assert await token.balance(world.rpc, provider.provider) == state.deposit.paid
        await town.app.idle()
        assert [entry.symbol for entry in town.state.book.entries][-2:] == [state.coin.symbol] * 2


async def test_saying_no_to_the_permit_leaves_everything_as_it_was(world: World) -> None:
    town, token = await holding(world, "Coin", 6)
    town.wallet.refuse = {SIGN}
    async with provider_of(world, token):
        state = await deposited(town)
        assert state.notice is not None and state.notice.name == "refused"
        assert state.deposit.phase is DepositPhase.NONE and not state.book.entries
        assert not any(name.startswith(("deposit", "aside")) for name in town.vault.values)


async def test_a_wallet_that_cannot_sign_approves_instead(world: World) -> None:
    town, token = await holding(world, "Coin", 6)
    town.wallet.unsupported = {SIGN}
    async with provider_of(world, token):
        state = await deposited(town)
        assert state.deposit.usable and town.wallet.prompts[1:] == [SIGN, SEND, SEND]


async def test_more_than_the_wallet_has_is_never_asked_for(world: World) -> None:
    town, token = await holding(world, "Coin", 6)
    async with provider_of(world, token):
        state = await deposited(town, "1000.000001")
        assert state.notice is not None and state.notice.name == "not_enough_money"
        assert town.wallet.prompts == ["eth_requestAccounts"]


async def test_a_deposit_in_the_coin_grows(world: World, provider: object) -> None:
    town = await asyncio.to_thread(Town, world)
    await town.read()
    for intent, argument in (("open-deposit", ""), ("input:amount", "0.5"), ("deposit", "")):
        town.app.heard(intent, argument)
    await until(town.app, lambda state: state.deposit.usable)
    town.app.heard("open-top-up")
    town.app.heard("input:more", "0.25")
    town.app.heard("top-up")
    state = await until(town.app, lambda state: state.deposit.amount == 75 * 10**16)
    await town.app.idle()
    await town.reload()
    await town.app.idle()
    state = await until(town.app, lambda state: state.deposit.usable)
    assert state.deposit.amount == 75 * 10**16, "also after a reload"
    town.app.heard("ask", "With all of it")
    await until(town.app, lambda state: state.running and len(state.turns[-1].text) > 40)
    town.app.heard("stop")
    await until(town.app, lambda state: not state.running)
    await town.page.chat.hang_up()
    await town.app.idle()
