"""The rules of money that need a node's disk, engine and chain, by their numbers in section 5 of the protocol."""

from __future__ import annotations

import ast
import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tallystick_helper.chat import Answer
from tallystick_helper.node.claims import batches
from tallystick_helper.settings import OfferSettings
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.session.events import VoucherDurable
from tallystick_shared.voucher import Signed

from .knocks import Knock
from .test_attacks import ask, mean, owed, paused, sever
from .test_node_service import PROMPT, answer_of, cost
from .world import ETHER, HOUR, Serving, World, serving, until

WINDOW = 10**8


def test_every_rule_has_its_tests() -> None:
    """Of its own number, here or in tests/shared."""
    numbers = set()
    for path in (Path(__file__), Path(__file__).parents[1] / "shared" / "test_money_rules.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                numbers |= {int(number) for number in re.findall(r"^test_rule_(\d\d)_", node.name)}
    assert numbers == set(range(1, 13))


@asynccontextmanager
async def slow_disk(provider: Serving) -> AsyncIterator[threading.Event]:
    """The ledger's one thread is busy until the event is set."""
    started, go = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        started.set()
        go.wait(20)

    held = asyncio.create_task(provider.node.ledger.run(hold))
    await until(started.is_set)
    try:
        yield go
    finally:
        go.set()
        await held


# -- rule 1: what is owed is on disk


@pytest.mark.parametrize("how", ["end", "cancel", "drop"])
async def test_rule_01_what_is_owed_is_stored_at_end_cancel_and_drop(world: World, how: str) -> None:
    """By somebody who signs for nothing, so that no voucher brings it to the disk."""
    async with serving(world, offer={"window": WINDOW}) as provider:
        deposit = await provider.deposit()
        async with mean(provider, deposit, 0) as (conversation, _):
            stream = await ask(conversation, 8 if how == "end" else 500)
            channel = provider.node._channels[deposit.channel_id(world.crypto)]
            await until(lambda: channel.account.owed > cost(0))
            if how == "cancel":
                await conversation.user.stop(stream)
            elif how == "drop":
                await until(lambda: paused(provider))
                sever(conversation)
            if how != "drop":
                await until(lambda: not channel.account.running)
            else:
                await until(lambda: not provider.node._connections)
            await until_owed(provider, deposit, channel.account.owed)


async def until_owed(provider: Serving, deposit: Deposit, amount: int) -> None:
    for _ in range(500):
        if (held := await owed(provider, deposit)) == amount:
            return
    raise AssertionError(f"{held} is stored of {amount}")


async def test_rule_01_a_restart_forgets_nothing(world: World) -> None:
    async with serving(world) as provider:
        deposit = await provider.deposit()
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        answer = await answer_of(conversation)
        await conversation.settle()
        await conversation.leave()
    async with serving(world) as provider:
        knock = await Knock.dial(provider)
        await knock.enter(deposit)
        account = provider.node._channels[deposit.channel_id(world.crypto)].account
        assert account.owed == account.durable == account.stored == answer.amount
        await knock.websocket.close()


@pytest.mark.parametrize("kept", [True, False])
async def test_rule_01_a_crash_loses_at_most_a_window(world: World, kept: bool) -> None:
    """Paid far ahead, so that no voucher comes for a long time: the disk is never more than a window behind. The
    control stores only with vouchers.
    """
    async with serving(
        world, offer={"window": WINDOW, "first_voucher": 50 * WINDOW}, engine={"options": {"rate": 2000.0}}
    ) as provider:
        deposit = await provider.deposit()
        conversation = await provider.conversation(deposit, low_latency=True)
        await conversation.connect()
        account = provider.node._channels[deposit.channel_id(world.crypto)].account
        account.stored = 0 if kept else None
        behind, answering = [], asyncio.create_task(answer_of(conversation, 100))
        while not answering.done():
            sent = account.owed
            behind.append(sent - await owed(provider, deposit))
            await asyncio.sleep(0)
        assert isinstance(await answering, Answer) and account.durable == 50 * WINDOW
        assert (max(behind) <= WINDOW) is kept
        await conversation.leave()


# -- rule 2: the credit window


def test_rule_02_two_seconds_of_output_and_no_more_than_the_credit_limit() -> None:
    offer = OfferSettings(price_out=10**6 * 7, units_per_second=100)
    assert offer.credit_window() == 2 * 100 * 7
    assert offer.model_copy(update={"credit_limit": 1000}).credit_window() == 1000
    assert offer.model_copy(update={"credit_limit": 1000, "window": 5000}).credit_window() == 5000
    assert OfferSettings(price_out=1).credit_window() == 1


# -- rule 5: amounts on disk


async def test_rule_05_amounts_are_blobs_that_compare_rightly(provider: Serving) -> None:
    world, ledger = provider.world, provider.node.ledger
    channel_id = (await provider.deposit()).channel_id(world.crypto)
    conversation = await provider.conversation(world.store().deposits()[0])
    await conversation.connect()
    await conversation.leave()
    highest = 0
    for amount in (1, 255, 256, 2**64 - 1, 2**64, 2**63, 18 * ETHER, 19 * ETHER, 2**112 - 1):
        highest = max(highest, amount)
        assert await ledger.store_voucher(channel_id, Signed(amount, b"x" * 65), amount) == highest
    row = await ledger.channel(channel_id)
    assert row is not None and row.voucher.amount == row.owed == 2**112 - 1
    kinds = "SELECT typeof(amount), length(amount), typeof(owed), length(owed) FROM channels"
    assert await ledger.run(lambda db: db.execute(kinds).fetchone()) == ("blob", 16, "blob", 16)


# -- rule 6: durable before the engine starts


async def test_rule_06_no_engine_starts_before_the_request_is_on_disk(provider: Serving) -> None:
    deposit = await provider.deposit()
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    channel, engine = provider.node._channels[deposit.channel_id(provider.world.crypto)], provider.node.engine
    async with slow_disk(provider) as go:
        answering = asyncio.create_task(answer_of(conversation, 5))
        await until(lambda: any(job.given for job in channel.jobs.values()))
        assert (engine.load().running, engine.load().waiting, channel.account.owed) == (0, 0, 0)
        go.set()
        assert (await answering).output_units == 5
    rows = await provider.node.ledger.run(lambda db: db.execute("SELECT units, finish FROM requests").fetchall())
    assert rows == [(5, "length")]
    await conversation.leave()


# -- rule 8: verified, queued, committed by the one writer, and only then acknowledged


async def test_rule_08_nothing_is_acknowledged_before_its_commit(provider: Serving) -> None:
    deposit = await provider.deposit()
    channel_id = deposit.channel_id(provider.world.crypto)
    knock = await Knock.dial(provider)
    await knock.enter(deposit)
    (connection,), account = provider.node._connections, provider.node._channels[channel_id].account
    async with slow_disk(provider) as go:
        before = provider.node.ledger.commits
        knock.session.send_voucher(1000, at_once=True)
        await knock.flush()
        await until(lambda: connection.session.highest.amount == 1000)  # verified
        await until(lambda: provider.node.ledger._writer.tasks.qsize() > 0)  # queued
        assert account.durable == 0 and provider.node.ledger.commits == before
        go.set()
        await knock.until(VoucherDurable)
    row = await provider.node.ledger.channel(channel_id)
    assert row is not None and row.voucher.amount == account.durable == 1000
    await knock.websocket.close()


async def test_rule_08_at_once_when_idle_and_together_under_load(provider: Serving) -> None:
    """No voucher waits for company: one alone is one commit; many that come while the disk is busy share the next."""
    world, ledger = provider.world, provider.node.ledger
    channel_id = (await provider.deposit()).channel_id(world.crypto)
    conversation = await provider.conversation(world.store().deposits()[0])
    await conversation.connect()
    await conversation.leave()
    await until(lambda: not provider.node._connections)
    provider.node.follower._interval = 60.0  # nobody else writes
    await ledger.run(lambda db: None)
    before = ledger.commits
    await ledger.store_voucher(channel_id, Signed(1, b"x" * 65))
    assert ledger.commits - before <= 2
    async with slow_disk(provider) as go:
        many = [asyncio.create_task(ledger.store_voucher(channel_id, Signed(n, b"x" * 65))) for n in range(2, 202)]
        await until(lambda: ledger._writer.tasks.qsize() >= 200)
        before = ledger.commits
        go.set()
        await asyncio.gather(*many)
    assert ledger.commits - before <= 3


# -- rule 9: one signer for each channel


async def test_rule_09_a_second_signer_of_the_same_store_is_refused(provider: Serving) -> None:
    """Here a lock on a file; in the page a Web Lock."""
    deposit = await provider.deposit()
    first, second = [await provider.conversation(deposit) for _ in range(2)]
    await first.connect()
    with pytest.raises(TallystickError) as caught:
        await second.connect()
    assert caught.value.code is Code.IN_USE_ELSEWHERE
    await first.leave()
    await second.connect()
    await second.leave()


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
        await until(lambda: not provider.node.till.is_closing(deposit.channel_id(world.crypto)))
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


# -- rule 12: the receipt stays with its user


async def test_rule_12_the_provider_keeps_no_receipt_and_no_answer(world: World) -> None:
    async with serving(world) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        answer = await answer_of(conversation, 6)
        (held,) = conversation.user.session.streams.values()
        await conversation.settle()
        await conversation.leave()
        await until(lambda: not provider.node._connections)
    kept = b"".join(file.read_bytes() for file in (world.folder / "node").rglob("*") if file.is_file())
    assert held.request.request_id in kept  # the control: what is kept is found so
    for secret in (answer.text.encode(), PROMPT[0][1].encode(), held.digest.digest()):
        assert secret not in kept
