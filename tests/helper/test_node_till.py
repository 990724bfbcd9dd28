"""When the till claims; that it is paid is shown with a chain, in test_node_service."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode

from contracts.build import artefact
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.table import Tracked
from tallystick_helper.ledger import ChannelRow, SentRow
from tallystick_helper.node.claims import batches, prepare
from tallystick_helper.node.till import Till, TillRules
from tallystick_helper.provide import Provider
from tallystick_helper.up import Up
from tallystick_shared.channel import ENDED, ChannelState, Config
from tallystick_shared.deposit import Deposit, Terms, opening_call, plan
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.rpc import to_bytes
from tallystick_shared.voucher import Signed
from tests.contracts.coins import source
from tests.shared.tools import refused

from .proxy import Proxy, proxy
from .test_node_witness import lies
from .world import ETHER, Serving, World, serving, until, until_it_is

HOUR = 3600
EXPIRY = 1_000_000
DELAY = 4 * HOUR
CONFIG = Config(b"\1" * 20, b"\2" * 20, b"\3" * 32, bytes(20), DELAY, b"\4" * 32)
RULES = TillRules(threshold=1000, margin=HOUR, interval=1.0)


def till() -> Till:
    unused: Any = None
    return Till(unused, unused, unused, unused, unused, b"", RULES)


def row(amount: int, proof: tuple[bytes, ...] = ()) -> ChannelRow:
    return ChannelRow(b"\7" * 32, CONFIG, bytes(32), proof, Signed(amount, b"s"), amount, False, False, b"", b"")


def due(amount: int, now: int, *, claimed: int = 0, closing: bool = False, deposit: int = 10_000) -> bool:
    return till().is_due(row(amount), Tracked(ChannelState(deposit, claimed, EXPIRY), closing), now)


@pytest.mark.parametrize(
    ("amount", "claimed", "expected"), [(999, 0, False), (1000, 0, True), (1000, 1, False), (2001, 1001, True)]
)
def test_enough_is_unclaimed(amount: int, claimed: int, expected: bool) -> None:
    assert due(amount, 0, claimed=claimed) is expected


def test_a_token_has_a_threshold_of_its_own() -> None:
    rules = replace(RULES, thresholds={CONFIG.token: 10})
    unused: Any = None
    mine = Till(unused, unused, unused, unused, unused, b"", rules)
    known = Tracked(ChannelState(10_000, 0, EXPIRY))
    assert mine.is_due(row(10), known, 0)
    assert not mine.is_due(row(9), known, 0)
    assert not mine.is_due(replace(row(999), config=replace(CONFIG, token=b"\7" * 20)), known, 0)


def test_half_of_the_delay_is_left_after_a_close_request() -> None:
    assert not due(1, EXPIRY - DELAY // 2 - 1, closing=True)
    assert due(1, EXPIRY - DELAY // 2, closing=True)
    assert not due(1, EXPIRY - DELAY // 2)


def test_the_margin_before_the_end() -> None:
    assert not due(1, EXPIRY - HOUR - 1)
    assert due(1, EXPIRY - HOUR)


def test_nothing_to_claim_is_never_due() -> None:
    assert not due(0, EXPIRY)
    assert not due(5, EXPIRY, claimed=5)
    # Beyond the cap nothing would be paid.
    assert not due(5000, EXPIRY, claimed=2000, deposit=2000)


def test_below_the_root_the_channels_sum_says_nothing() -> None:
    deep = row(400, (b"\5" * 32,))
    known = Tracked(ChannelState(10_000, 9_999, EXPIRY))
    assert till().is_due(deep, known, EXPIRY - HOUR)
    assert not till().is_due(deep, known, 0)
    assert till().is_due(deep, known, EXPIRY - HOUR, 399)
    assert not till().is_due(deep, known, EXPIRY - HOUR, 400)


async def test_one_claim_serves_many_channels(provider: Serving) -> None:
    world = provider.world
    deposits = [await provider.deposit(10**15) for _ in range(3)]
    for number, deposit in enumerate(deposits):
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        async for _ in conversation.ask([("user", "hello there")], "loopback", 10 + number):
            pass
        await conversation.settle()
        await conversation.leave()
    ids = [deposit.channel_id(world.crypto) for deposit in deposits]
    await until(lambda: not provider.node._connections)
    rows = [one for one in await provider.node.ledger.live_channels() if one.channel_id in ids]
    before = await world.balance(provider.provider)
    (batch,) = batches(rows)
    assert batch.packed
    paid = await provider.node.till.claim(batch)
    assert paid == sum(one.voucher.amount for one in rows) == await world.balance(provider.provider) - before
    assert await provider.node.till.claim(batch) == 0


async def announce(provider: Serving, **changes: Any) -> None:
    """The node that serves announces itself again, with other settings, and goes on as that."""
    world, before = provider.world, provider.node
    owner = Provider(world.settings(**changes), world.crypto, world.rpc, world.where, world.owner_key)
    assert provider.up.engine is not None and provider.up.public is not None
    endpoint = f"ws://127.0.0.1:{provider.up.public.port}"
    await owner.provide(provider.up.engine.capabilities(), endpoint, lambda name, transaction: None)
    await owner.fund(lambda name, transaction: None)
    await until(lambda: provider.up.node not in (None, before))


@pytest.mark.parametrize("changed", ["payee", "operator"])
async def test_what_an_earlier_payee_or_operator_earned_is_claimed_as_it_was_earned(world: World, changed: str) -> None:
    quiet: dict[str, Any] = {"interval": 60, "threshold": ETHER}
    new = {"payee": "0x" + "77" * 20} if changed == "payee" else {}
    async with serving(world, money=quiet) as provider:
        await talk(provider, await provider.deposit(10**15))
        old = provider.node.identity
        if changed == "operator":
            (world.folder / "node" / "keys" / "operator.key").unlink()
        await announce(provider, money=quiet, **new)
        await talk(provider, await provider.deposit(10**15))
        now = provider.node.identity
        assert (now.payee != old.payee, now.operator != old.operator) == (changed == "payee", changed == "operator")
    async with serving(world, money=quiet, **new) as provider:
        till, ledger = provider.node.till, provider.node.ledger
        rows = {(row.payee, row.closer): row.voucher.amount for row in await ledger.live_channels()}
        assert set(rows) == {(old.payee, old.operator), (now.payee, now.operator)}
        before = [await world.balance(payee) for payee in (old.payee, now.payee)]
        till._rules = replace(till._rules, threshold=1)
        assert await till.look() == sum(rows.values())
        after = [await world.balance(payee) for payee in (old.payee, now.payee)]
        gains = [b - a for a, b in zip(before, after, strict=True)]
        each = [rows[one.payee, one.operator] for one in (old, now)]
        assert gains == (each if changed == "payee" else [sum(each)] * 2)
        assert await till.look() == 0


class Left:
    """A node that ended while its claim was on its way: no block was made since."""

    def __init__(self, world: World, rows: list[ChannelRow], operator: bytes) -> None:
        self.world, self.rows, self.operator = world, rows, operator

    async def count(self, when: str = "pending") -> int:
        found = await self.world.rpc.request("eth_getTransactionCount", ["0x" + self.operator.hex(), when])
        return int(found, 16)

    @contextlib.asynccontextmanager
    async def next(self, patience: float = 60.0) -> AsyncIterator[Up]:
        """Another process takes over: everything is due at once, but that channel's claim is out already."""
        settings = self.world.settings(money={"threshold": 1, "interval": 0.05})
        settings.chain.patience = patience
        up = Up(settings)
        await up.start()
        assert up.node is not None
        try:
            yield up
        finally:
            await up.stop()


@pytest.fixture
async def left(world: World) -> Left:
    async with serving(world, money={"interval": 60}) as provider:
        deposit = await provider.deposit(10**15)
        await talk(provider, deposit)
        rows = await provider.node.ledger.live_channels()
        await world.rpc.request("evm_setAutomine", [False])
        (batch,) = batches(rows)
        claiming = asyncio.create_task(provider.node.till.claim(batch))
        found = Left(world, rows, provider.node.identity.operator)
        await until_it_is(found.count)
        claiming.cancel()
        await asyncio.gather(claiming, return_exceptions=True)
    return found


async def talk(provider: Serving, deposit: Deposit, units: int = 10) -> None:
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    async for _ in conversation.ask([("user", "hello there")], "loopback", units):
        pass
    await conversation.settle()
    await conversation.leave()


async def test_coins_that_their_gas_would_eat_wait_for_a_claim_that_is_worth_it(world: World) -> None:
    """At a gas price of 1 gwei and more, a claim costs 50,000 gwei; one unit is worth 20,000."""
    offer, money = {"price_in": 0, "price_out": 2 * 10**19}, {"dust": False, "interval": 60, "threshold": 1}
    async with serving(world, offer=offer, money=money) as provider:
        till, ledger, operator = provider.node.till, provider.node.ledger, provider.node.identity.operator
        held = await world.balance(operator)
        await talk(provider, await provider.deposit(10**16), 1)
        (poor,) = await ledger.live_channels()
        assert poor.voucher.amount == 2 * 10**13 and await till.look() == 0
        await talk(provider, await provider.deposit(10**16), 40)
        (rich,) = [row for row in await ledger.live_channels() if row != poor]
        # Among too many poor ones, here one that repeats itself, a rich one is not lost.
        (batch,) = batches([rich, *[poor] * 150])
        data, pays = await prepare(till._channels, world.rpc, batch)
        assert (await till._sender.cost(till._channels.address, data)).likely > pays > 0
        assert await world.balance(operator) == held
        assert await till.claim(batch) >= rich.voucher.amount
        assert held > await world.balance(operator)


async def test_a_poor_channel_rides_along(world: World) -> None:
    offer, money = {"price_in": 0, "price_out": 2 * 10**19}, {"dust": False, "interval": 60, "threshold": 1}
    async with serving(world, offer=offer, money=money) as provider:
        for units in (1, 40):
            await talk(provider, await provider.deposit(10**16), units)
        assert await provider.node.till.look() == 41 * 2 * 10**13


async def test_a_claim_left_under_way_is_not_sent_twice(left: Left) -> None:
    channel_id = left.rows[0].channel_id
    async with left.next() as up:
        assert up.node is not None
        till, ledger = up.node.till, up.node.ledger
        await until(lambda: channel_id in till._busy)
        assert await till.look() == 0
        await left.world.rpc.request("evm_mine", [])
        await until(lambda: channel_id not in till._busy)
        assert await ledger.unmined() == []
        assert await left.count() == 1
        await till.look()
        assert await left.count() == 1


async def test_a_claim_that_the_chain_forgot_while_we_were_away_is_sent_again(left: Left) -> None:
    await left.world.rpc.request("anvil_dropAllTransactions", [])
    assert await left.count() == 0
    before = await left.world.balance(left.world.crypto.secp256k1_address(left.world.owner_key))
    async with left.next() as up:
        assert up.node is not None
        await until_it_is(left.count)
        await left.world.rpc.request("evm_mine", [])
        await until(lambda: not up.node._tasks or left.rows[0].channel_id not in up.node.till._busy)
        assert await left.count("latest") == 1
        paid = await left.world.balance(left.world.crypto.secp256k1_address(left.world.owner_key)) - before
        assert paid == left.rows[0].voucher.amount


async def test_a_stuck_claim_is_raised_after_a_restart_and_only_one_row_stays(left: Left) -> None:
    async with left.next(patience=0.1) as up:
        assert up.node is not None
        ledger, till = up.node.ledger, up.node.till
        (first, *_) = await ledger.unmined()

        async def raised() -> Any:
            """Noted is not sent yet: the chain's node has to know it."""
            later = [row.transaction for row in await ledger.unmined() if row.transaction != first.transaction]
            return later and await left.world.rpc.request("eth_getTransactionByHash", ["0x" + later[-1].hex()])

        await until_it_is(raised)
        await left.world.rpc.request("evm_mine", [])
        await until(lambda: left.rows[0].channel_id not in till._busy)
        (row,) = await ledger.unmined(since=0)
        assert row.block is not None and row.transaction != first.transaction
        assert await left.count() == 1


async def test_a_claim_that_a_reorganisation_took_back_is_not_made_anew(world: World) -> None:
    async with serving(world, money={"threshold": 1, "interval": 0.05}) as provider:
        await talk(provider, await provider.deposit(10**15))
        ledger, till = provider.node.ledger, provider.node.till

        async def mined() -> list[SentRow]:
            return [row for row in await ledger.unmined(since=0) if row.block is not None]

        async def claimed() -> bool:
            return bool(await mined()) and not till._busy

        await until_it_is(claimed)
        (claim,) = await mined()
        await world.rpc.request("evm_setAutomine", [False])
        await world.rpc.request("anvil_reorg", [1, []])
        await until(lambda: till._courier.under_way)
        assert [row.block for row in await ledger.unmined()] == [None]
        assert await till.look() == 0
        await world.rpc.request("evm_mine", [])
        await until(lambda: not till._courier.under_way)
        assert [row.transaction for row in await mined()] == [claim.transaction]
        operator = "0x" + provider.node.identity.operator.hex()
        assert await world.rpc.request("eth_getTransactionCount", [operator, "pending"]) == "0x1"


async def test_a_channel_that_a_lagging_node_did_not_know_is_claimed_nevertheless(world: World) -> None:
    async with serving(world, money={"interval": 60, "threshold": 1}) as provider:
        deposit = await provider.deposit(10**15)
        await talk(provider, deposit)
        (row,) = await provider.node.ledger.live_channels()
        table = provider.node.follower.table
        table.put(row.channel_id, ChannelState(0, 0, 0))
        assert table.get(row.channel_id) is None
        assert await provider.node.till.look() == row.voucher.amount > 0


def over(state: ChannelState) -> ChannelState:
    """As an ended channel reads."""
    return ChannelState(0, 0, ENDED)


async def hear(provider: Serving, liar: Proxy, channel_id: bytes) -> None:
    """The node reads the channel from the liar at a newer block, and the till looks."""
    seen = provider.node.follower.head.number
    liar.forge = None
    await provider.world.rpc.request("evm_mine", [])
    await until(lambda: provider.node.follower.head.number > seen)
    liar.forge = lies(provider.world, over)
    await provider.node.follower.read([channel_id])
    assert await provider.node.till.look() == 0


async def test_one_word_of_a_liar_ends_no_channel_and_two_only_until_the_next_start(world: World) -> None:
    quiet: dict[str, Any] = {"interval": 60, "threshold": 1}
    async with proxy(world.url) as liar:
        async with serving(world, chain={"rpc": [liar.url]}, money=quiet) as provider:
            node = provider.node
            await talk(provider, await provider.deposit(10**15))
            (row,) = await node.ledger.live_channels()
            await hear(provider, liar, row.channel_id)
            assert await node.till.look() == 0  # the same word at the same block
            assert await node.ledger.live_channels() == [row]
            await hear(provider, liar, row.channel_id)
            assert await node.ledger.live_channels() == []
        liar.forge = None
        async with serving(world, chain={"rpc": [liar.url]}, money={"interval": 0.05, "threshold": 1}) as provider:
            table = provider.node.follower.table
            await until(lambda: (known := table.get(row.channel_id)) and known.state.claimed == row.voucher.amount)


async def test_a_lie_that_is_not_told_again_costs_nothing(world: World) -> None:
    async with (
        proxy(world.url) as liar,
        serving(world, chain={"rpc": [liar.url]}, money={"interval": 60, "threshold": 1}) as provider,
    ):
        await talk(provider, await provider.deposit(10**15))
        (row,) = await provider.node.ledger.live_channels()
        await hear(provider, liar, row.channel_id)
        seen = provider.node.follower.head.number
        liar.forge = None
        await world.rpc.request("evm_mine", [])
        await until(lambda: provider.node.follower.head.number > seen)
        assert await provider.node.till.look() == 0
        assert await provider.node.till.look() == row.voucher.amount


BURNER = """
# pragma version 0.4.3
mode: uint256
sink: uint256

@external
@payable
def execute(to: address, data: Bytes[4096], amount: uint256):
    raw_call(to, data, value=amount)

@external
def behave(mode: uint256):
    self.mode = mode

@external
@payable
def __default__():
    if self.mode == 1: # burns a million gas of whoever sends the refund
        for i: uint256 in range(8000):
            self.sink = i
    if self.mode == 2: # takes the refund in an estimate, where gas has no price, and never in a block
        assert tx.gasprice == 0
"""
BURN, TRAP = 1, 2


class Payer:
    """A contract that opened a deposit with a provider; its session key is the user's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sender = Sender(world.rpc, world.user_key, world.where.chain_id, poll=0.01)

    async def call(self, signature: str, *values: Any, value: int = 0) -> None:
        selector = self.world.crypto.keccak256(signature.encode())[:4]
        kinds = signature[signature.index("(") + 1 : -1].split(",")
        await self.sender.transact(self.address, selector + encode(kinds, values), value)

    async def open(self, provider: Serving, amount: int) -> Deposit:
        world, made = self.world, artefact(BURNER, "Burner")
        receipt = await self.sender.transact(None, to_bytes(made["bytecode"]))
        assert receipt.contract is not None
        self.address = receipt.contract
        deposit = plan(
            world.crypto, world.where, await provider.listing(), self.address, Terms(amount), int(time.time())
        )
        data = to_bytes(opening_call(world.crypto, deposit)["data"])
        await self.call("execute(address,bytes,uint256)", world.where.channels, data, amount, value=amount)
        return deposit


async def close(provider: Serving, deposit: Deposit) -> None:
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    try:
        await conversation.close()
    finally:
        await conversation.leave()


async def test_a_payer_that_burns_gas_is_not_refunded_at_the_nodes_cost(provider: Serving) -> None:
    payer = Payer(provider.world)
    deposit = await payer.open(provider, 10**15)
    await payer.call("behave(uint256)", BURN)
    before = await provider.world.balance(provider.node.identity.operator)
    with refused(Code.CLOSE_FAILED, PeerError):
        await close(provider, deposit)
    assert await provider.world.balance(provider.node.identity.operator) == before
    await payer.call("behave(uint256)", 0)
    await close(provider, deposit)


async def test_a_close_waits_for_a_claim_that_is_under_way(world: World) -> None:
    async with serving(world, money={"threshold": 1, "interval": 0.05}) as provider:
        deposit = await provider.deposit(10**15)
        await world.rpc.request("evm_setAutomine", [False])
        await talk(provider, deposit)
        node, channel_id = provider.node, deposit.channel_id(world.crypto)
        await until(lambda: channel_id in node.till._busy)
        closing = asyncio.create_task(close(provider, deposit))
        await until(lambda: any(channel.ending for channel in node._channels.values()))
        assert not node.till.is_closing(channel_id) and not closing.done()
        await world.rpc.request("evm_setAutomine", [True])
        await closing
        await node.till.finish()
        (channel,) = [row for row in await node.ledger.ended_channels() if row.channel_id == channel_id]
        assert await world.balance(provider.provider) >= channel.voucher.amount


async def test_a_close_that_was_mined_and_failed_is_not_paid_for_again(provider: Serving) -> None:
    world, operator = provider.world, provider.node.identity.operator
    payer = Payer(world)
    deposit = await payer.open(provider, 10**15)
    await payer.call("behave(uint256)", TRAP)
    before = await world.balance(operator)
    await close(provider, deposit)
    await until(lambda: not provider.node.till._busy)
    after = await world.balance(operator)
    assert after < before
    for _ in range(2):
        with refused(Code.CLOSE_FAILED, PeerError):
            await close(provider, deposit)
    assert await world.balance(operator) == after


async def test_nobody_is_admitted_on_what_an_earlier_process_is_about_to_close(world: World) -> None:
    async with serving(world, money={"interval": 60}) as provider:
        deposit = await provider.deposit(10**15)
        await world.rpc.request("evm_setAutomine", [False])
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        (channel,) = provider.node._channels.values()
        offered = channel.offered
        await conversation.close()
        await conversation.leave()
    async with Left(world, [], b"").next() as up:
        assert up.node is not None
        assert up.node.till.is_closing(offered.channel_id)
        with refused(Code.CHANNEL_ENDED, PeerError):
            await up.node.admit(None, offered)  # type: ignore[arg-type]
        await world.rpc.request("evm_mine", [])
        await until(lambda: up.node and not up.node.till.is_closing(offered.channel_id))
        assert await up.node.ledger.live_channels() == []


@pytest.mark.parametrize("fault", [ZeroDivisionError, None])
async def test_who_waits_for_a_close_hears_of_every_end(provider: Serving, fault: type[Exception] | None) -> None:
    """A fault of our own, and the end of the node."""
    node = provider.node
    deposit = await provider.deposit(10**15)
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    (channel,) = node._channels.values()
    begun = asyncio.Event()

    async def broken(*given: object) -> object:
        begun.set()
        if fault is None:
            await asyncio.Event().wait()
        raise fault or AssertionError

    node.till._closing_call = broken  # type: ignore[method-assign]
    closing = asyncio.create_task(node.till.close(channel, Signed(0, b"")))
    await begun.wait()
    if fault is None:
        for task in node.till._courier._tasks:
            task.cancel()
    with refused(Code.CLOSE_FAILED, PeerError):
        await closing
    assert not node.till.is_closing(channel.channel_id) and channel.channel_id not in node.till._busy
    await conversation.leave()


async def test_a_claim_that_waits_keeps_no_other_waiting(world: World) -> None:
    async with serving(world, money={"interval": 0.05, "threshold": 1}) as provider:
        deposits = [await provider.deposit(10**15) for _ in range(2)]
        await world.rpc.request("evm_setAutomine", [False])
        for deposit in deposits:
            await talk(provider, deposit)
        await until(lambda: len(provider.node.till._busy) == 2)
        await world.rpc.request("evm_setAutomine", [True])
        await world.rpc.request("evm_mine", [])
        await until(lambda: not provider.node.till._busy)


async def test_a_claim_leaves_out_what_got_something_under_way_since_it_was_chosen(world: World) -> None:
    async with serving(world, money={"interval": 60, "threshold": ETHER, "dust": True}) as provider:
        for _ in range(2):
            await talk(provider, await provider.deposit(10**15))
        till = provider.node.till
        closing, other = await provider.node.ledger.live_channels()
        (batch,) = batches([closing, other])
        till._busy.update([closing.channel_id])
        assert await till.claim(batch) == other.voucher.amount > 0
        assert closing.channel_id in till._busy, "a close that goes on keeps its channel"
        assert other.channel_id not in till._busy


async def test_a_token_that_will_not_move_holds_up_no_other(world: World) -> None:
    owner = Sender(world.rpc, world.owner_key, world.where.chain_id, poll=0.01)
    receipt = await owner.transact(None, to_bytes(artefact(source("Odd"), "Odd")["bytecode"]))
    token = receipt.contract
    assert token is not None
    user = world.crypto.secp256k1_address(world.user_key)

    async def call(signature: str, *values: Any) -> None:
        selector = world.crypto.keccak256(signature.encode())[:4]
        await owner.transact(token, selector + encode(signature[signature.index("(") + 1 : -1].split(","), values))

    await call("mint(address,uint256)", user, 10**15)
    offer = {"tokens": ["0x" + token.hex(), "0x" + bytes(20).hex()]}
    async with serving(world, offer=offer, money={"interval": 60, "threshold": 1}) as provider:
        frozen, _ = await world.account().open(await provider.listing(), Terms(10**12, token=token))
        await talk(provider, frozen)
        await call("freeze(address,bool)", provider.provider, True)
        await talk(provider, await provider.deposit(10**15))
        rows = {row.config.token: row.voucher.amount for row in await provider.node.ledger.live_channels()}
        assert set(rows) == {token, bytes(20)}
        assert await provider.node.till.look() == rows[bytes(20)] > 0
