"""Attacks on a node's money that reviews found: real connections, a real chain, and what the attacker got of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.node.connection import AUTH_DEADLINE
from tallystick_shared.chat import chat_input
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.messages import Voucher, amount_bytes
from tallystick_shared.session import Request
from tallystick_shared.session import serving as serving_module
from tallystick_shared.session.events import Closed, Finished, VoucherDurable
from tallystick_shared.session.purse import Purse
from tallystick_shared.session.tables import StreamState

from .knocks import Knock
from .test_allowance import issue
from .test_node_service import INPUT_UNITS, MODEL, PROMPT, answer_of, cost
from .world import ETHER, PRICE_IN, PRICE_OUT, Serving, World, serving, until

UNIT_IN, UNIT_OUT = PRICE_IN // 10**6, PRICE_OUT // 10**6
WINDOW = 10**8
FAST = {"options": {"rate": 2000.0}}


class Miser(Purse):
    """Signs for nothing, whatever it got and whatever it is asked for; remembers what it was asked for."""

    asked_first: list[int]

    def first_amount(self, request: Request) -> int:
        return 0

    def pay_first(self, amount: int) -> PeerError | None:
        self.asked_first.append(amount)
        return None

    @property
    def wanted(self) -> bool:
        return False


def made_mean(conversation: Conversation) -> Miser:
    session = conversation.user.session
    mean = Miser(session.purse.limits, session.streams)
    mean.asked_first = []
    session.purse = mean
    return mean


def sever(conversation: Conversation) -> None:
    """The user is gone, and its line dead, without a goodbye."""
    assert conversation._run is not None
    conversation._run.cancel()
    socket = conversation.user._socket
    assert socket is not None
    socket._connection.transport.abort()  # type: ignore[attr-defined]


@asynccontextmanager
async def mean(provider: Serving, deposit: Deposit, number: int) -> AsyncIterator[tuple[Conversation, Miser]]:
    """One of several connections of a deposit, with a memory of its own and nothing in it; in the end it is cut."""
    conversation = Conversation(
        provider.world.crypto, provider.world.store(f"mean{number}"), deposit, (await provider.listing()).usable()
    )
    conversation.user.session.hello = replace(conversation.user.session.hello, flags=0)
    miser = made_mean(conversation)
    await conversation.connect()
    try:
        yield conversation, miser
    finally:
        sever(conversation)
        await conversation.leave()


async def ask(conversation: Conversation, units: int = 500) -> int:
    return await conversation.user.ask("chat", b"", chat_input(PROMPT), MODEL, units)


async def owed(provider: Serving, deposit: Deposit) -> int:
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    assert row is not None
    return row.owed


async def test_attack_take_the_window_drop_and_open_again_for_ever(world: World) -> None:
    """Each time with an empty memory, never signing: all rounds together get one window, and then not one unit more."""
    async with serving(world, offer={"window": WINDOW}, engine=FAST) as provider:
        deposit = await provider.deposit()
        async with mean(provider, deposit, 0) as (conversation, _):
            await ask(conversation)
            channel = provider.node._channels[deposit.channel_id(world.crypto)]
            await until(lambda: paused(provider))
        taken = channel.account.owed
        assert WINDOW - UNIT_OUT < taken <= WINDOW
        for number in range(1, 5):
            async with mean(provider, deposit, number) as (conversation, miser):
                await ask(conversation)
                await until(lambda miser=miser: miser.asked_first)
                assert miser.asked_first == [taken + INPUT_UNITS * UNIT_IN]
        await until(lambda: not provider.node._connections)
        assert await owed(provider, deposit) == taken


def paused(provider: Serving) -> bool:
    """Does every stream that was begun wait for money?"""
    begun = [held.state for held in streams(provider) if held.started]
    return bool(begun) and set(begun) == {StreamState.PAUSED}


def streams(provider: Serving) -> list[Any]:
    return [held for one in provider.node._connections for held in one.session.streams.values()]


async def test_attack_the_same_over_a_restart(world: World) -> None:
    """The node forgets nothing of it either."""
    taken = []
    deposit: Deposit | None = None
    for number in range(2):
        async with serving(world, offer={"window": WINDOW}, engine=FAST) as provider:
            deposit = deposit or await provider.deposit()
            async with mean(provider, deposit, number) as (conversation, miser):
                await ask(conversation)
                await until(lambda m=miser, p=provider: m.asked_first or paused(p))
            await until(lambda p=provider: not p.node._connections)
            taken.append(await owed(provider, deposit))
    assert WINDOW - UNIT_OUT < taken[0] == taken[1] <= WINDOW


async def test_attack_thirty_two_streams_on_four_connections_multiply_no_window(world: World) -> None:
    options = {"options": {"rate": 500.0, "slots": 32, "queue": 32}}
    async with serving(world, offer={"window": WINDOW}, engine=options) as provider:
        deposit = await provider.deposit()
        async with AsyncExitStack() as held:
            every = [await held.enter_async_context(mean(provider, deposit, number)) for number in range(4)]
            await asyncio.gather(*(ask(conversation) for conversation, _ in every for _ in range(8)))
            account = provider.node._channels[deposit.channel_id(world.crypto)].account

            def told() -> int:
                """Each of them has either started, or was told what to pay first."""
                return sum(len(miser.asked_first) for _, miser in every) + sum(one.started for one in streams(provider))

            await until(lambda: told() >= 32 and paused(provider))
            assert len(streams(provider)) == 32
            assert account.durable == 0 and WINDOW - UNIT_OUT < account.owed <= WINDOW
        await until(lambda: not provider.node._connections)
        assert await owed(provider, deposit) <= WINDOW


async def test_attack_a_voucher_above_the_cap_is_refused_and_not_kept(provider: Serving) -> None:
    deposit = await provider.deposit(cost(20))
    knock = await Knock.dial(provider)
    await knock.enter(deposit)
    good, above = (knock.session._sign(deposit.cap + more) for more in (0, 1))
    knock.session.purse.sign(good.amount)
    for voucher in (good, above):
        knock.session._post(Voucher(amount_bytes(voucher.amount), voucher.signature, ()), at_once=True)
        await knock.flush()
        if voucher is good:
            await knock.until(VoucherDurable)
    assert await knock.end() is Code.ABOVE_CAP
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    assert row is not None and row.voucher == good


async def test_attack_a_paused_client_holds_no_slot_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One slot, and somebody who takes the window and then neither pays nor goes. Whoever pays is served after it."""
    monkeypatch.setattr(serving_module, "PAUSE_LIMIT", 1.0)
    options = {"options": {"rate": 500.0, "slots": 1, "queue": 4}}
    async with serving(world, offer={"window": WINDOW}, engine=options) as provider:
        deposit = await provider.deposit()
        async with mean(provider, deposit, 0) as (conversation, _):
            await ask(conversation)
            await until(lambda: paused(provider))
            honest = await provider.conversation(await provider.deposit())
            await honest.connect()
            assert (await answer_of(honest, 10)).output_units == 10
            await honest.leave()
            ended = [event for event in await seen(conversation) if isinstance(event, Finished)]
            assert [event.finish for event in ended] == ["interrupted"]


async def seen(conversation: Conversation) -> list[Any]:
    """Events up to the end of a stream."""
    events = []
    while not events or not isinstance(events[-1], Finished | Closed):
        events.append(await conversation._events.get())
    return events


async def test_attack_a_proof_that_is_never_sent_holds_nothing(
    provider: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers who finish the handshake and fall silent are ended in time; who pays does not notice."""
    monkeypatch.setattr("tallystick_helper.node.connection.AUTH_DEADLINE", 0.5)
    assert AUTH_DEADLINE == 5.0
    knocks = [await Knock.dial(provider) for _ in range(6)]
    for knock in knocks:
        await knock.greet()
    honest = await provider.conversation(await provider.deposit())
    await honest.connect()
    assert (await answer_of(honest, 3)).output_units == 3
    assert [await knock.end() for knock in knocks] == 6 * [Code.TIMED_OUT]
    await until(lambda: len(provider.node._connections) == 1)
    await honest.leave()


class SameNumber(NativeCrypto):
    """Asks under one request id, for ever."""

    def __init__(self, number: bytes) -> None:
        self._number = number

    def random(self, size: int) -> bytes:
        return self._number[:size] if size == 16 else super().random(size)


def image(world: World) -> dict[str, bytes]:
    """What a loss of power would leave of the ledger's files at this moment."""
    return {file.name: file.read_bytes() for file in (world.folder / "node").glob("ledger-*") if "shm" not in file.name}


@pytest.mark.parametrize("crashed", [False, True])
async def test_attack_a_retry_after_a_restart_is_not_billed_twice(world: World, crashed: bool) -> None:
    """The same request again, after the node had stopped, or had lost its power in the middle of the answer."""
    number, billed = SameNumber(os.urandom(16)), []
    async with serving(world) as provider:
        deposit = await provider.deposit()
        conversation = await provider.conversation(deposit)
        conversation.user._crypto = number
        await conversation.connect()
        asked = conversation.ask(PROMPT, MODEL, 20)
        await anext(asked)
        crash = await provider.node.ledger.run(lambda _: image(world))
        answer = [piece async for piece in asked][-1]
        assert isinstance(answer, Answer) and answer.amount == cost(20)
        await conversation.settle()
        await conversation.leave()
        await until(lambda: not provider.node._connections)
        billed.append(await owed(provider, deposit))
    if crashed:
        for file in (world.folder / "node").glob("ledger-*"):
            file.unlink()
        for name, data in crash.items():
            (world.folder / "node" / name).write_bytes(data)
    async with serving(world) as provider:
        conversation = await provider.conversation(deposit)
        conversation.user._crypto = number
        await conversation.connect()
        billed.append(await owed(provider, deposit))
        again = await answer_of(conversation, 20)
        assert (again.finish, again.text) == ("gone", "")
        await conversation.leave()
        await until(lambda: not provider.node._connections)
        billed.append(await owed(provider, deposit))
    assert billed[0] == cost(20) and billed[1] == billed[2] <= billed[0]
    assert crashed or billed[1] == billed[0]


async def test_attack_amounts_above_64_bits_in_an_18_decimal_token(world: World) -> None:
    """One answer costs more than 2**64 smallest units: from the profile over wire and disk to the payee's balance."""
    token = await issue(world, "Coin", 18)
    mint = world.crypto.keccak256(b"mint(address,uint256)")[:4]
    user = world.crypto.secp256k1_address(world.user_key)
    await world.account(world.owner_key)._sender.transact(
        token.address, mint + bytes(12) + user + (1000 * ETHER).to_bytes(32, "big")
    )
    dear = {"price_in": 10**6 * ETHER, "price_out": 2 * 10**6 * ETHER, "tokens": ["0x" + token.address.hex()]}
    async with serving(world, offer={**dear, "window": 100 * ETHER}) as provider:
        account, listing = world.account(), await provider.listing()
        deposit, _ = await account.open(listing, Terms(500 * ETHER, token=token.address))
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        answer = await answer_of(conversation, 40)
        await conversation.settle()
        spent = INPUT_UNITS * ETHER + 40 * 2 * ETHER
        assert answer.amount == spent > 1 << 64
        row = await provider.node.ledger.channel(deposit.channel_id(world.crypto))
        assert row is not None and row.voucher.amount == row.owed == spent
        kind = "SELECT typeof(amount), length(amount), typeof(owed), length(owed) FROM channels"
        assert await provider.node.ledger.run(lambda db: db.execute(kind).fetchone()) == ("blob", 16, "blob", 16)
        kept = await world.store().load(deposit.account_id(world.crypto))
        assert kept is not None and kept.signed == kept.owed == spent
        await conversation.close()
        await provider.node.till.finish()
        await conversation.leave()
        assert await token.balance(world.rpc, provider.provider) == spent
        assert (await Channels(world.crypto, world.where.channels).state(world.rpc, row.channel_id)).ended
