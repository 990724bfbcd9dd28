"""Two parties, one chain, real sockets: who owes what, whoever stops when."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import msgspec
import pytest

from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.engines.echo import EchoEngine, EchoOptions
from tallystick_helper.engines.seat import Task
from tallystick_helper.ledger import ChannelRow
from tallystick_helper.node.connection import Connection
from tallystick_helper.node.service import IDLE_LIMIT, SESSION_LIMIT
from tallystick_helper.store import UserStore
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.money import Price
from tallystick_shared.session import Resume
from tallystick_shared.session.events import CloseAsked, Closed, Ready
from tallystick_shared.voucher import Signed

from .knocks import Knock
from .world import ETHER, HOUR, PRICE_IN, PRICE_OUT, Serving, World, serving, until, until_it_is

MODEL = "loopback"
PROMPT = [("user", "count the notches on this stick")]
INPUT_UNITS = 10


def cost(output_units: int, input_units: int = INPUT_UNITS) -> int:
    return Price(PRICE_IN, PRICE_OUT).amount(input_units, output_units)


async def answer_of(
    conversation: Conversation, max_units: int = 40, messages: list[tuple[str, str]] = PROMPT
) -> Answer:
    async for piece in conversation.ask(messages, MODEL, max_units):
        if isinstance(piece, Answer):
            return piece
    raise AssertionError("no answer")


async def transactions_of(world: World, address: bytes) -> int:
    return int(await world.rpc.request("eth_getTransactionCount", ["0x" + address.hex(), "latest"]), 16)


async def test_a_cooperative_session_pays_exactly(provider: Serving) -> None:
    world = provider.world
    user = world.crypto.secp256k1_address(world.user_key)
    operator = provider.node.identity.operator
    sent_before = await transactions_of(world, operator)
    deposit = await provider.deposit()
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    answers = [await answer_of(conversation, units) for units in (40, 25)]
    payee_before, user_before = await world.balance(provider.provider), await world.balance(user)
    transaction = await conversation.close()
    await conversation.leave()
    await until(lambda: not provider.node.till.is_closing(deposit.channel_id(world.crypto)))
    spent = sum(answer.amount for answer in answers)
    assert [answer.amount for answer in answers] == [cost(40), cost(25)]
    assert await world.balance(provider.provider) - payee_before == spent
    assert await world.balance(user) - user_before == deposit.cap - spent
    assert len(transaction) == 32
    assert await transactions_of(world, operator) - sent_before == 1
    assert await transactions_of(world, user) == 1


async def test_a_later_connection_goes_on_with_the_same_deposit(provider: Serving) -> None:
    deposit = await provider.deposit()
    for known in (False, True):  # by the ticket that the first one got
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        (connection,) = provider.node._connections
        assert connection.session.ticket_holder is known
        await answer_of(conversation)
        await conversation.settle()
        await conversation.leave()
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    assert row is not None
    assert row.voucher.amount == row.owed == 2 * cost(40)


async def test_cancel_stops_engine_and_meter(world: World) -> None:
    async with serving(world, engine={"options": {"rate": 50.0}}) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        asked = conversation.ask(PROMPT, MODEL, 1000)
        first = await anext(asked)
        assert isinstance(first, str)
        engine = provider.node.engine
        assert engine.load().running == 1
        await conversation.user.stop(1)
        await until(lambda: engine.load().running == 0, 0.25 + 0.5)
        answer = [piece async for piece in asked][-1]
        assert isinstance(answer, Answer)
        assert answer.finish == "cancelled"
        assert answer.amount == cost(answer.output_units)
        assert len(answer.text.split()) == answer.output_units
        await conversation.leave()


async def abandon(conversation: Conversation, after: int) -> int:
    """Cuts the socket without a goodbye once `after` pieces came, for good. Returns the units received."""
    units = 0
    async for _ in conversation.ask(PROMPT, MODEL, 1000):
        stream = conversation.user.session.streams[1]
        units = stream.units
        after -= 1
        if not after:
            break
    assert conversation._run is not None
    conversation._run.cancel()
    socket = conversation.user._socket
    assert socket is not None
    socket._connection.transport.abort()  # type: ignore[attr-defined]
    return units


async def wiped(provider: Serving) -> None:
    """The client never comes back for what was kept."""
    node = provider.node
    await until(lambda: len(node.detached.shelf) == 1 and not node._connections)
    node.detached.tick(node.ticker.now() + node.detached.shelf.limits.seconds)
    await until(lambda: not node._channels and not node.engine.load().running)


async def test_a_closed_tab_leaves_both_whole(world: World) -> None:
    async with serving(world, engine={"options": {"rate": 50.0}}, money={"expiry_margin": 60}) as provider:
        user = world.crypto.secp256k1_address(world.user_key)
        deposit = await provider.deposit(life=HOUR, delay=HOUR)
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        await abandon(conversation, 12)
        channel_id = deposit.channel_id(world.crypto)
        await wiped(provider)
        assert provider.node.engine.load().running == 0
        row = await provider.node.ledger.channel(channel_id)
        assert row is not None
        assert row.owed >= row.voucher.amount > 0
        assert row.owed - row.voucher.amount <= int.from_bytes(provider.node.profile.window, "big")
        # The user asks for the end on its own; half the delay later the provider claims, then the rest is free.
        account = world.account()
        await account.request_close(deposit)
        await until(lambda: bool((known := provider.node.follower.table.get(channel_id)) and known.closing))
        payee_before = await world.balance(provider.provider)
        await world.pass_time(HOUR // 2 + 1)
        channels = Channels(world.crypto, world.where.channels)

        async def claimed() -> int:
            return (await channels.state(world.rpc, channel_id)).claimed

        await until_it_is(claimed)
        assert await claimed() == row.voucher.amount
        assert await world.balance(provider.provider) - payee_before == row.voucher.amount
        await world.pass_time(HOUR)
        before = await world.balance(user)
        receipt = await account.withdraw(deposit)
        assert (
            await world.balance(user)
            == before - receipt.gas_used * receipt.gas_price + deposit.cap - row.voucher.amount
        )


async def test_a_restarted_node_claims_what_an_earlier_one_earned(world: World) -> None:
    async with serving(world) as provider:
        deposit = await provider.deposit(life=24 * HOUR, delay=HOUR)
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        answer = await answer_of(conversation)
        await conversation.settle()
        await conversation.leave()
    await world.account().request_close(deposit)
    await world.pass_time(HOUR // 2 + 1)
    async with serving(world) as provider:
        channels = Channels(world.crypto, world.where.channels)

        async def claimed() -> int:
            return (await channels.state(world.rpc, deposit.channel_id(world.crypto))).claimed

        await until_it_is(claimed)
        assert await claimed() == answer.amount


async def test_what_was_claimed_is_not_served_for_again_after_the_ledger_was_lost(world: World) -> None:
    async with serving(world, money={"threshold": 1}) as provider:
        deposit = await provider.deposit()
        first = await spent(provider, deposit)
        table, channel_id = provider.node.follower.table, deposit.channel_id(world.crypto)
        await until(lambda: (known := table.get(channel_id)) is not None and known.state.claimed == first)
        await until(lambda: not provider.node.till._busy and not provider.node._connections)
        await provider.node.ledger.run(lambda db: db.execute("DELETE FROM channels"))
        second = await spent(provider, deposit)
        row = await provider.node.ledger.channel(channel_id)
        assert row is not None and row.voucher.amount == row.owed == first + second


async def spent(provider: Serving, deposit: Deposit) -> int:
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    answer = await answer_of(conversation)
    await conversation.settle()
    await conversation.leave()
    await until(lambda: not provider.node._connections)
    return answer.amount


async def test_claims_at_the_threshold(world: World) -> None:
    async with serving(world, money={"threshold": cost(40)}) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        before = await world.balance(provider.provider)
        await answer_of(conversation, 20)
        await answer_of(conversation, 30)
        await conversation.settle()
        paid = cost(20) + cost(30)

        async def got() -> bool:
            return await world.balance(provider.provider) - before == paid

        await until_it_is(got)
        await conversation.leave()


async def refusal(conversation: Conversation) -> TallystickError:
    with pytest.raises(TallystickError) as caught:
        await conversation.connect()
    await conversation.leave()
    return caught.value


async def test_an_unknown_channel_is_refused_as_retryable(provider: Serving) -> None:
    deposit = await provider.deposit()
    stranger = Deposit(
        deposit.chain_id,
        deposit.registry,
        deposit.channels,
        type(deposit.config)(*deposit.channel_config().abi()[:5], os.urandom(32)),
        deposit.key,
        deposit.provider,
        deposit.payee,
        deposit.closer,
        deposit.amount,
        deposit.expiry,
    )
    error = await refusal(await provider.conversation(stranger))
    assert error.code is Code.UNKNOWN_CHANNEL


async def test_a_channel_that_comes_while_it_is_awaited_is_taken(provider: Serving) -> None:
    world, account = provider.world, provider.world.account()
    await world.rpc.request("evm_setAutomine", [False])
    opening = asyncio.create_task(account.open(await provider.listing(), Terms(ETHER // 100)))
    await until(lambda: bool(world.store().deposits()))
    deposit = world.store().deposits()[0]
    conversation = await provider.conversation(deposit)
    connecting = asyncio.create_task(conversation.connect())
    await until(lambda: any(one._authing for one in provider.node._connections))

    async def left() -> int:
        return int(await world.rpc.request("eth_getTransactionCount", ["0x" + account.address.hex(), "pending"]), 16)

    await until_it_is(left)
    await world.rpc.request("evm_mine", [])
    await connecting
    await opening
    await conversation.leave()


async def test_an_expiring_channel_is_refused(world: World) -> None:
    async with serving(world, money={"expiry_margin": 3 * HOUR}) as provider:
        deposit = await provider.deposit(life=2 * HOUR, delay=HOUR)
        assert (await refusal(await provider.conversation(deposit))).code is Code.CHANNEL_EXPIRING


async def test_a_close_request_ends_service(provider: Serving) -> None:
    deposit = await provider.deposit()
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    await provider.world.account().request_close(deposit)
    await until(lambda: conversation.user.session.closed)
    await conversation.leave()
    assert (await refusal(await provider.conversation(deposit))).code is Code.CHANNEL_EXPIRING


async def test_a_channel_that_a_reorganisation_took_back_is_not_served_any_longer(world: World) -> None:
    async with serving(world) as provider:
        snapshot = await world.rpc.request("evm_snapshot", [])
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        await world.rpc.request("evm_revert", [snapshot])
        await world.rpc.request("anvil_mine", ["0x4"])
        await until(lambda: conversation.user.session.closed)
        await conversation.leave()


async def test_a_small_deposit_ends_the_answer_in_time(provider: Serving) -> None:
    deposit = await provider.deposit(cost(20))
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    answer = await answer_of(conversation, 1000)
    assert answer.output_units == 20
    assert answer.amount == deposit.cap
    with pytest.raises(PeerError) as caught:
        await answer_of(conversation)
    assert caught.value.code is Code.DEPOSIT_EXHAUSTED
    await conversation.leave()
    await until(lambda: not provider.node._connections)


async def test_a_changed_price_is_refused(provider: Serving) -> None:
    conversation = await provider.conversation(await provider.deposit())
    await conversation.connect()
    offers = provider.node.profile.offers
    dearer = tuple(msgspec.structs.replace(offer, price_out=(PRICE_OUT * 2).to_bytes(16, "big")) for offer in offers)
    provider.node.profile = msgspec.structs.replace(provider.node.profile, offers=dearer)
    with pytest.raises(PeerError) as caught:
        await answer_of(conversation)
    assert caught.value.code is Code.PRICE_CHANGED
    await conversation.leave()


async def test_a_prompt_that_is_too_long_is_refused(world: World) -> None:
    async with serving(world, engine={"options": {"context": 32}}) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        with pytest.raises(PeerError) as caught:
            await answer_of(conversation, messages=[("user", "word " * 40)])
        assert caught.value.code is Code.PROMPT_TOO_LONG
        assert (await answer_of(conversation, 5)).output_units == 5
        await conversation.leave()


async def test_a_busy_model_says_when_to_come_back(world: World) -> None:
    async with serving(world, engine={"options": {"slots": 1, "queue": 0, "rate": 20.0}}) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        first = conversation.ask(PROMPT, MODEL, 200)
        await anext(first)
        with pytest.raises(PeerError) as caught:
            await answer_of(conversation)
        assert caught.value.code is Code.BUSY
        await conversation.leave()
        await first.aclose()


async def test_the_same_request_is_never_run_twice(provider: Serving) -> None:
    world = provider.world
    conversation = await provider.conversation(await provider.deposit())
    await conversation.connect()
    fixed = os.urandom(16)

    class SameNumber(type(world.crypto)):  # type: ignore[misc]
        def random(self, size: int) -> bytes:
            return fixed[:size]

    conversation.user._crypto = SameNumber()
    answer = await answer_of(conversation)
    again = await answer_of(conversation)
    assert (again.finish, again.amount, again.text) == ("gone", 0, "")
    with pytest.raises(PeerError) as caught:
        await answer_of(conversation, 41)
    assert caught.value.code is Code.REQUEST_CONFLICT
    await conversation.leave()
    row = await provider.node.ledger.channel(conversation._deposit.channel_id(world.crypto))
    assert row is not None and row.owed == answer.amount


async def beside(provider: Serving, deposit: Deposit, number: int) -> Conversation:
    """One of several connections of a deposit: it does not say that it is the only one."""
    store = provider.world.store(f"user{number}")
    conversation = Conversation(provider.world.crypto, store, deposit, (await provider.listing()).usable())
    conversation.user.session.hello = replace(conversation.user.session.hello, flags=0)
    await conversation.connect()
    return conversation


async def test_a_reload_in_mid_answer_leaves_both_with_the_same_count(world: World) -> None:
    """The tab is gone but its socket is not: what the node would still send there must not go on being owed."""
    async with serving(world, engine={"options": {"rate": 50.0}}) as provider:
        deposit = await provider.deposit()
        first = await provider.conversation(deposit)
        await first.connect()
        asked = first.ask(PROMPT, MODEL, 1000)
        for _ in range(5):
            await anext(asked)
        assert first._run is not None
        first._run.cancel()
        first._store.release(deposit)
        (older,) = provider.node._connections
        again = await provider.conversation(deposit)
        await again.connect()
        channel = provider.node._channels[deposit.channel_id(world.crypto)]
        assert older.session.closed and len(provider.node.detached.shelf) == 1
        assert again.user.session.account.owed == channel.account.owed > 0
        provider.node.detached.tick(provider.node.ticker.now() + provider.node.detached.shelf.limits.slot_seconds)
        await until(lambda: provider.node.engine.load().running == 0)
        assert (await answer_of(again, 5)).output_units == 5
        await again.settle()
        assert again.user.session.account.owed == channel.account.owed == channel.account.durable
        await again.leave()
        await asked.aclose()
        assert first.user._socket is not None
        await first.user._socket.close()


async def test_who_is_replaced_is_told(provider: Serving) -> None:
    """The same deposit opened in another browser: the first page says why it stopped."""
    deposit = await provider.deposit()
    conversations = [
        Conversation(provider.world.crypto, provider.world.store(name), deposit, (await provider.listing()).usable())
        for name in ("user", "elsewhere")
    ]
    for conversation in conversations:
        await conversation.connect()
    with pytest.raises(PeerError) as caught:
        conversations[0]._check(await conversations[0]._events.get())
    assert caught.value.code is Code.REPLACED
    assert (await answer_of(conversations[1], 3)).output_units == 3
    for conversation in conversations:
        await conversation.leave()


async def test_a_stranger_replaces_nobody(provider: Serving) -> None:
    """Who cannot prove the channel does not end its connection by saying that it is alone."""
    deposit = await provider.deposit()
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    forged = msgspec.structs.replace(deposit, key=os.urandom(32))
    stranger = Conversation(
        provider.world.crypto, provider.world.store("stranger"), forged, (await provider.listing()).usable()
    )
    assert (await refusal(stranger)).code is Code.BAD_SIGNATURE
    assert (await answer_of(conversation, 3)).output_units == 3
    await conversation.leave()


async def test_close_on_a_second_connection_cannot_undo_what_the_first_paid(provider: Serving) -> None:
    """It was there before the other one paid; its final voucher says nothing is owed. The best voucher of all counts,
    and what is closed for is what both connections together owe.
    """
    world, deposit = provider.world, await provider.deposit()
    idle, busy = [await beside(provider, deposit, number) for number in (0, 1)]
    answer = await answer_of(busy)
    await busy.settle()
    before = await world.balance(provider.provider)
    await idle.close()
    await until(lambda: busy.user.session.closed)
    await until(lambda: not provider.node.till.is_closing(deposit.channel_id(world.crypto)))
    assert await world.balance(provider.provider) - before == answer.amount == cost(40)
    for conversation in (idle, busy):
        await conversation.leave()


async def test_two_closes_at_once_end_the_deposit_once(provider: Serving) -> None:
    world, deposit = provider.world, await provider.deposit()
    operator = provider.node.identity.operator
    both = [await beside(provider, deposit, number) for number in (0, 1)]
    sent = await transactions_of(world, operator)
    outcomes = await asyncio.gather(*(one.close() for one in both), return_exceptions=True)
    assert sorted(isinstance(outcome, bytes) for outcome in outcomes) == [False, True]
    await until(lambda: not provider.node.till.is_closing(deposit.channel_id(world.crypto)))
    assert await transactions_of(world, operator) == sent + 1
    for conversation in both:
        await conversation.leave()


async def test_nobody_comes_in_while_a_close_is_prepared(provider: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would be served could never be claimed: the close pays for what was owed before."""
    deposit, ledger = await provider.deposit(), provider.node.ledger
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    channel, read = provider.node._channels[deposit.channel_id(provider.world.crypto)], ledger.channel
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(channel_id: bytes) -> ChannelRow | None:
        asked.set()
        await go.wait()
        return await read(channel_id)

    monkeypatch.setattr(ledger, "channel", slow)
    closing = asyncio.create_task(conversation.close())
    await asked.wait()
    late = await Knock.dial(provider)
    await late.greet()
    await late.auth(deposit)
    while not any(isinstance(event, Ready | Closed) for event in late.events):
        await late.take()
    assert await late.end() is Code.CHANNEL_ENDED and len(channel.connections) == 1
    go.set()
    assert len(await closing) == 32
    await conversation.leave()


async def test_a_close_that_fails_lets_others_in_again_and_a_second_one_changes_nothing(
    provider: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit, ledger = await provider.deposit(), provider.node.ledger
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    (connection,) = provider.node._connections
    channel = provider.node._channels[deposit.channel_id(provider.world.crypto)]
    asked, go = asyncio.Event(), asyncio.Event()

    async def broken(channel_id: bytes) -> ChannelRow | None:
        asked.set()
        await go.wait()
        raise OSError("no disk")

    monkeypatch.setattr(ledger, "channel", broken)
    first = asyncio.create_task(connection._close_asked(CloseAsked(Signed(0, b""))))
    await asked.wait()
    with pytest.raises(PeerError) as caught:
        await connection._close_asked(CloseAsked(Signed(0, b"")))
    assert caught.value.code is Code.CLOSE_FAILED and channel.ending
    go.set()
    with pytest.raises(OSError, match="no disk"):
        await first
    assert not channel.ending
    await conversation.leave()


async def test_a_channel_that_ends_is_left_by_whoever_is_still_on_it(provider: Serving) -> None:
    """Only while its closing transaction is under way does nobody look."""
    deposit = await provider.deposit()
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    provider.node._channels[deposit.channel_id(provider.world.crypto)].ending = True
    await provider.world.account().request_close(deposit)
    await until(lambda: conversation.user.session.closed)
    await conversation.leave()


async def test_an_advance_comes_back_although_the_ledger_holds_a_better_voucher(provider: Serving) -> None:
    world, deposit = provider.world, await provider.deposit()
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    answer = await answer_of(conversation, 20)
    await conversation.settle()
    conversation.user.session.send_voucher(answer.amount + cost(7))
    await conversation.user._flush()
    channel = provider.node._channels[deposit.channel_id(world.crypto)]
    await until(lambda: channel.account.durable == answer.amount + cost(7))
    before = await world.balance(provider.provider)
    await conversation.close()
    await conversation.leave()
    await until(lambda: not provider.node.till.is_closing(deposit.channel_id(world.crypto)))
    assert await world.balance(provider.provider) - before == answer.amount


class SlowStore(UserStore):
    """A store whose disk waits until it is told to go on."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world.folder / name, world.crypto)
        self.go = asyncio.Event()

    async def save(self, channel_id: bytes, resume: Resume) -> None:
        if resume.signed:
            await self.go.wait()
        await super().save(channel_id, resume)


async def test_a_request_that_is_charged_waits_for_room_instead_of_being_refused(world: World) -> None:
    """Its input is paid first; meanwhile the engine's only place goes to somebody else."""
    options = {"slots": 1, "queue": 0, "rate": 50.0}
    async with serving(world, engine={"options": options}, offer={"window": cost(0, 1)}) as provider:
        profile = (await provider.listing()).usable()
        store = SlowStore(world, "slow")
        slow = Conversation(world.crypto, store, await provider.deposit(), profile)
        quick = await provider.conversation(await provider.deposit())
        for conversation in (slow, quick):
            await conversation.connect()
        paying = asyncio.create_task(answer_of(slow, 5))
        await until(lambda: slow.user.session.purse.asked)  # PAY_FIRST came, and its amount is on its way to the disk
        first = quick.ask(PROMPT, MODEL, 1000)
        await anext(first)
        assert provider.node.engine.busy()
        store.go.set()
        await until(lambda: provider.node.engine.load().waiting == 1)
        assert provider.node._channels[slow._deposit.channel_id(world.crypto)].account.owed == cost(0)
        with pytest.raises(PeerError) as caught:
            await answer_of(quick)
        assert caught.value.code is Code.BUSY
        await quick.user.stop(1)
        assert (await paying).output_units == 5
        await first.aclose()
        for conversation in (slow, quick):
            await conversation.leave()


async def test_a_request_that_is_refused_for_want_of_room_costs_nothing(world: World) -> None:
    """The engine fills while the input is counted: no charge was made yet."""

    class Counting(EchoEngine):
        async def count(self, task: Task) -> int:
            self.taken = self.run(replace(task, max_units=30))
            return await super().count(task)

    async with serving(world) as provider:
        engine = provider.node.engine = Counting(EchoOptions(slots=1, queue=0, rate=10.0))
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        with pytest.raises(PeerError) as caught:
            await answer_of(conversation)
        assert caught.value.code is Code.BUSY
        channel = provider.node._channels[conversation._deposit.channel_id(world.crypto)]
        assert channel.account.owed == conversation.user.session.account.owed == 0
        await engine.taken.aclose()
        await conversation.leave()


async def test_a_model_whose_files_are_not_the_announced_ones_is_not_run(provider: Serving) -> None:
    """Its receipt could not be true."""
    offers = tuple(msgspec.structs.replace(offer, manifest=bytes(32)) for offer in provider.node.profile.offers)
    provider.node.profile = msgspec.structs.replace(provider.node.profile, offers=offers)
    conversation = await provider.conversation(await provider.deposit())
    await conversation.connect()
    with pytest.raises(PeerError) as caught:
        await answer_of(conversation)
    assert caught.value.code is Code.UNKNOWN_MODEL
    await conversation.leave()


async def test_a_fifth_connection_evicts_the_most_silent(provider: Serving) -> None:
    deposit = await provider.deposit()
    conversations = [await beside(provider, deposit, number) for number in range(5)]
    await until(lambda: conversations[0].user.session.closed)
    assert [one.user.session.closed for one in conversations[1:]] == [False] * 4
    for conversation in conversations:
        await conversation.leave()


async def test_those_that_are_over_make_no_room_for_more(provider: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was evicted keeps its socket for a while: it is not counted, and not evicted in place of another."""
    leaving = asyncio.Event()

    async def at_rest(connection: Connection) -> None:
        await leaving.wait()

    monkeypatch.setattr(Connection, "at_rest", at_rest)
    deposit = await provider.deposit()
    knocks = [await (await Knock.dial(provider)).enter(deposit) for _ in range(8)]
    connections = provider.node._channels[deposit.channel_id(provider.world.crypto)].connections
    assert len(connections) == 8 and [one.session.closed for one in connections] == 4 * [True] + 4 * [False]
    leaving.set()
    await until(lambda: len(connections) == 4)
    for knock in knocks:
        knock.websocket.transport.abort()


async def test_a_drained_node_finishes_what_runs(world: World) -> None:
    async with serving(world) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        asking = asyncio.create_task(answer_of(conversation, 60))
        await until(lambda: provider.node.engine.load().running == 1)
        draining = asyncio.create_task(provider.node.drain())
        answer = await asking
        assert answer.output_units == 60
        await draining
        await until(lambda: conversation.user.session.closed)
        await conversation.leave()


async def test_silent_and_old_connections_end(provider: Serving) -> None:
    deposit = await provider.deposit()
    for limit in (IDLE_LIMIT, SESSION_LIMIT):
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        (connection,) = provider.node._connections
        if limit == SESSION_LIMIT:
            connection.session.heard = connection.opened_at + SESSION_LIMIT
        provider.node.sweep(connection.opened_at + limit - 1)
        assert not connection.session.closed
        provider.node.sweep(connection.opened_at + limit + 1)
        await until(lambda session=conversation.user.session: session.closed)  # type: ignore[misc]
        await conversation.leave()
        await until(lambda: not provider.node._connections)
