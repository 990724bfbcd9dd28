"""Transactions that end: mined, re-priced, replaced by another, dropped and sent again, or refused with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from tallystick_helper.chain.intent import LIMIT, Intent
from tallystick_helper.chain.sender import LOOKS, Receipt, Sender
from tallystick_helper.chain.transaction import Fees, Transaction, read_transaction
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

from .world import CHAIN_ID, ETHER, World, until

TO, OTHER = b"\x77" * 20, b"\x78" * 20
GWEI = 10**9


def sender(world: World, patience: float = 60.0, rpc: Any = None, tries: int = 20) -> Sender:
    return Sender(rpc or world.rpc, world.user_key, CHAIN_ID, poll=0.01, patience=patience, tries=tries)


@dataclass
class Kept:
    """A journal in memory: what was kept, what was refused, in order."""

    raws: dict[bytes, bytes] = field(default_factory=dict)
    refusals: list[bytes] = field(default_factory=list)

    async def keep(self, transaction: bytes, raw: bytes) -> None:
        self.raws[transaction] = raw

    async def refused(self, transaction: bytes) -> None:
        self.refusals.append(transaction)


class Waiting:
    """A chain that mines when told to, with one transaction on its way: `task` is its `transact`."""

    def __init__(self, world: World, one: Sender) -> None:
        self.world, self.one, self.journal = world, one, Kept()
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.task: asyncio.Task[Receipt]

    async def start(self, value: int = 5, data: bytes = b"") -> bytes:
        """Returns its hash once it has left."""
        await self.world.rpc.request("evm_setAutomine", [False])
        self.task = asyncio.create_task(self.one.transact(TO, data, value, journal=self.journal, on_sent=self.sent.put))
        return await self.sent.get()

    async def compete(self, nonce: int, price: int, value: int = 1) -> str:
        """Another transaction of the same key under that nonce; its hash."""
        wanted = Transaction(CHAIN_ID, nonce, OTHER, value, b"", 21_000, Fees(price, price // 2))
        raw, transaction = wanted.sign(self.world.crypto, self.world.user_key)
        await self.world.rpc.request("eth_sendRawTransaction", ["0x" + raw.hex()])
        return "0x" + transaction.hex()

    async def mine(self) -> None:
        await self.world.rpc.request("evm_mine", [])

    async def count(self, when: str = "latest") -> int:
        return int(await self.world.rpc.request("eth_getTransactionCount", ["0x" + self.one.address.hex(), when]), 16)

    async def pending(self, count: int) -> bool:
        return await self.count("pending") == count

    async def mined_to(self, address: bytes) -> bool:
        """Mines a block; has it reached that address?"""
        await self.mine()
        return await self.world.balance(address) > 0

    async def ended(self) -> Receipt:
        return await asyncio.wait_for(self.task, 10)


async def happens(condition: Callable[[], Awaitable[Any]]) -> None:
    """Waits for what only the chain can tell. Fails after ten seconds."""
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def known(world: World, transaction: bytes) -> dict[str, Any] | None:
    found: dict[str, Any] | None = await world.rpc.request("eth_getTransactionByHash", ["0x" + transaction.hex()])
    return found


class Through:
    """The world's chain, with some answers changed: `answers` by method."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}

    async def request(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method in self.answers:
            return await self.answers[method](params)
        return await self._world.rpc.request(method, params)


async def test_a_transfer_is_mined(world: World) -> None:
    heard: list[bytes] = []

    async def on_sent(transaction: bytes) -> None:
        heard.append(transaction)

    receipt = await sender(world).transact(TO, b"", 12345, on_sent=on_sent)
    assert await world.balance(TO) == 12345
    assert heard == [receipt.transaction]
    assert receipt.gas_used == 21000


async def test_many_at_once_get_nonces_of_their_own(world: World) -> None:
    one = sender(world)
    receipts = await asyncio.gather(*(one.transact(TO, b"", 1) for _ in range(8)))
    assert len({receipt.transaction for receipt in receipts}) == 8
    assert await world.balance(TO) == 8


async def test_one_that_is_not_mined_goes_out_again_at_a_higher_price(world: World) -> None:
    await world.rpc.request("evm_setAutomine", [False])
    versions: list[bytes] = []

    async def on_sent(transaction: bytes) -> None:
        versions.append(transaction)
        if len(versions) == 3:
            await world.rpc.request("evm_mine", [])

    receipt = await sender(world, patience=0.05).transact(TO, b"", 5, on_sent=on_sent)
    assert receipt.transaction == versions[2]
    assert len(set(versions)) == 3
    assert await world.balance(TO) == 5


async def test_too_little_money(world: World) -> None:
    with pytest.raises(LocalError) as caught:
        await sender(world).transact(TO, b"", 1000 * ETHER)
    assert caught.value.code is Code.NOT_ENOUGH_MONEY


async def test_a_call_that_reverts_is_not_sent(world: World) -> None:
    one = sender(world)
    with pytest.raises(LocalError) as caught:
        await one.transact(world.where.channels, b"\1\2\3\4")
    assert caught.value.code is Code.TRANSACTION_FAILED
    assert await world.rpc.request("eth_getTransactionCount", ["0x" + one.address.hex(), "latest"]) == "0x0"


async def test_a_chain_without_a_base_fee(world: World) -> None:
    class OldChain:
        async def request(self, method: str, params: list[object]) -> object:
            answer = await world.rpc.request(method, params)
            if method == "eth_getBlockByNumber":
                answer.pop("baseFeePerGas")
            return answer

    receipt = await Sender(OldChain(), world.user_key, CHAIN_ID, poll=0.01).transact(TO, b"", 9)
    found = await world.rpc.request("eth_getTransactionByHash", ["0x" + receipt.transaction.hex()])
    assert found["type"] == "0x0"
    assert await world.balance(TO) == 9


# -- stuck


async def test_each_version_is_dearer_by_an_eighth_in_both_parts(world: World) -> None:
    waiting = Waiting(world, sender(world, patience=0.05))
    versions = [await waiting.start()] + [await waiting.sent.get() for _ in range(3)]
    prices = []
    for raw in waiting.journal.raws.values():
        found, _ = read_transaction(world.crypto, raw)
        assert (found.nonce, found.to, found.value) == (0, TO, 5)
        prices.append((found.fees.price, found.fees.tip or 0))
    await waiting.mine()
    receipt = await waiting.ended()
    assert receipt.transaction in waiting.journal.raws
    for before, after in pairwise(prices):
        assert all(new * 8 >= old * 9 for old, new in zip(before, after, strict=True))
    assert list(waiting.journal.raws)[: len(versions)] == versions
    assert await world.balance(TO) == 5


async def test_below_the_base_fee_it_is_raised_to_the_market(world: World) -> None:
    waiting = Waiting(world, sender(world, patience=3600))
    first = await waiting.start()
    await world.rpc.request("anvil_setNextBlockBaseFeePerGas", [hex(10 * GWEI)])
    await waiting.mine()
    await world.rpc.request("anvil_dropTransaction", ["0x" + first.hex()])
    second = await waiting.sent.get()
    await happens(lambda: waiting.mined_to(TO))
    assert (await waiting.ended()).transaction == second
    found, _ = read_transaction(world.crypto, waiting.journal.raws[second])
    assert found.fees.price >= 10 * GWEI


async def test_the_limit_is_kept_and_then_it_is_left_to_wait(world: World) -> None:
    waiting = Waiting(world, sender(world, patience=0.0))
    await waiting.start()
    with pytest.raises(LocalError) as caught:
        await waiting.ended()
    assert caught.value.code is Code.TRANSACTION_PENDING
    prices = [read_transaction(world.crypto, raw)[0].fees.price for raw in waiting.journal.raws.values()]
    assert prices[-1] <= prices[0] * LIMIT < prices[-1] * 5 // 4
    # What was left under way is gone on with, and is the same money.
    raws = list(waiting.journal.raws.values())
    going_on = asyncio.create_task(sender(world).resume(raws))
    await waiting.mine()
    assert (await going_on).transaction in waiting.journal.raws
    assert await world.balance(TO) == 5 and await waiting.count("pending") == 1


def prices(journal: Kept) -> list[int]:
    return [read_transaction(NativeCrypto(), raw)[0].fees.price for raw in journal.raws.values()]


async def test_what_brings_more_than_its_gas_may_become_dearer_than_that(world: World) -> None:
    """Up to the price at which its gas would cost what it brings."""
    one, journal = sender(world, patience=0.0, tries=60), Kept()
    await world.rpc.request("evm_setAutomine", [False])
    first = (await one.market()).fees.price
    with pytest.raises(LocalError) as caught:
        await one.transact(TO, b"", 5, journal=journal, worth=21_000 * 40 * first)
    assert caught.value.code is Code.TRANSACTION_PENDING
    assert first * 30 < prices(journal)[-1] <= first * 40


def following(waiting: Waiting) -> asyncio.Task[Receipt]:
    """What waits at its limit, followed to its end as a node does."""
    journal = waiting.journal

    async def followed() -> Receipt:
        while True:
            try:
                return await waiting.one.resume(list(journal.raws.values()), journal=journal)
            except LocalError as error:
                assert error.code is Code.TRANSACTION_PENDING

    return asyncio.create_task(followed())


async def test_one_at_its_limit_goes_along_with_what_waits_behind_it(world: World) -> None:
    waiting = Waiting(world, sender(world, patience=0.0))
    await waiting.start()
    with pytest.raises(LocalError):
        await waiting.ended()
    journal, highest = waiting.journal, prices(waiting.journal)[-1]
    going_on = following(waiting)
    behind = asyncio.create_task(waiting.one.transact(OTHER, b"", 1, worth=21_000 * 100 * highest))
    await until(lambda: prices(journal)[-1] > 2 * highest)
    await waiting.mine()
    assert (await going_on).transaction in journal.raws
    await asyncio.wait([behind])
    assert await world.balance(TO) == 5


async def test_what_takes_a_larger_one_along_pays_for_the_gas_of_both(world: World) -> None:
    """A small one of much worth behind a large one of little: the large one costs no more than both bring."""
    waiting = Waiting(world, sender(world, patience=0.0))
    await waiting.start(data=b"\1" * 20_000)
    with pytest.raises(LocalError):
        await waiting.ended()
    journal, highest = waiting.journal, prices(waiting.journal)[-1]
    gas = read_transaction(world.crypto, next(iter(journal.raws.values())))[0].gas
    assert gas > 300_000
    going_on = following(waiting)
    worth = 2 * gas * highest
    try:
        with pytest.raises(LocalError):
            await asyncio.wait_for(waiting.one.transact(OTHER, b"", 1, worth=worth), 20)
    finally:
        going_on.cancel()
    assert 2 * highest < max(prices(journal))
    assert max(prices(journal)) * gas <= worth * 6 // 5 + highest * gas * 5 // 4


async def test_a_node_that_wants_more_than_an_eighth_gets_it(world: World) -> None:
    chain = Through(world)
    offered: list[int] = []

    async def demanding(params: list[Any]) -> Any:
        offered.append(read_transaction(world.crypto, bytes.fromhex(params[0][2:]))[0].fees.price)
        if len(offered) > 1 and offered[-1] < offered[0] * 2:
            raise RpcError(-32000, "replacement transaction underpriced")
        return await world.rpc.request("eth_sendRawTransaction", params)

    chain.answers["eth_sendRawTransaction"] = demanding
    waiting = Waiting(world, sender(world, patience=0.05, rpc=chain))
    await waiting.start()
    await waiting.sent.get()
    await waiting.mine()
    taken = (await waiting.ended()).transaction
    assert waiting.journal.refusals and taken not in waiting.journal.refusals
    assert read_transaction(world.crypto, waiting.journal.raws[taken])[0].fees.price >= offered[0] * 2


# -- replaced


async def test_another_under_the_same_nonce_is_told_at_once_with_its_hash(world: World) -> None:
    waiting = Waiting(world, sender(world, patience=3600))
    await waiting.start()
    other = await waiting.compete(0, 100 * GWEI)
    await waiting.mine()
    with pytest.raises(LocalError) as caught:
        await waiting.ended()
    assert caught.value.code is Code.TRANSACTION_REPLACED
    assert caught.value.values == {"reason": "replaced", "by": other}
    assert (await world.balance(TO), await world.balance(OTHER)) == (0, 1)


async def test_what_the_holder_put_in_its_place_is_not_outbid(world: World) -> None:
    chain = Through(world)
    waiting = Waiting(world, sender(world, patience=0.5, rpc=chain))
    await waiting.start()
    other = await waiting.compete(0, 100 * GWEI)
    kept = len(waiting.journal.raws)
    await until(lambda: chain.asked.count("eth_sendRawTransaction") > 80)
    assert len(waiting.journal.raws) == kept
    await waiting.mine()
    with pytest.raises(LocalError) as caught:
        await waiting.ended()
    assert caught.value.values["by"] == other


async def test_another_that_does_the_same_is_as_good(world: World) -> None:
    waiting = Waiting(world, sender(world))
    await waiting.start(value=5)
    wanted = Transaction(CHAIN_ID, 0, TO, 5, b"", 30_000, Fees(100 * GWEI, 50 * GWEI))
    raw, transaction = wanted.sign(world.crypto, world.user_key)
    await world.rpc.request("eth_sendRawTransaction", ["0x" + raw.hex()])
    await waiting.mine()
    assert (await waiting.ended()).transaction == transaction
    assert await world.balance(TO) == 5


async def test_where_the_other_is_not_found_its_hash_is_empty(world: World) -> None:
    waiting = Waiting(world, sender(world))
    await waiting.start()
    await world.rpc.request("anvil_dropAllTransactions", [])
    await world.rpc.request("anvil_setNonce", ["0x" + waiting.one.address.hex(), "0x1"])
    with pytest.raises(LocalError) as caught:
        await waiting.ended()
    assert (caught.value.code, caught.value.values["by"]) == (Code.TRANSACTION_REPLACED, "")


@pytest.mark.parametrize("looks", [LOOKS - 1, 3 * LOOKS])
async def test_a_receipt_that_comes_late_is_waited_for(world: World, looks: int) -> None:
    """Also for longer: what was mined under its nonce is itself."""
    chain, late = Through(world), looks

    async def receipt(params: list[Any]) -> Any:
        nonlocal late
        found = await world.rpc.request("eth_getTransactionReceipt", params)
        late -= found is not None
        return None if late >= 0 else found

    chain.answers["eth_getTransactionReceipt"] = receipt
    assert (await sender(world, rpc=chain).transact(TO, b"", 5)).gas_used == 21000


# -- dropped


async def test_a_dropped_one_is_sent_again_as_it_was(world: World) -> None:
    waiting = Waiting(world, sender(world, patience=3600))
    transaction = await waiting.start()
    await world.rpc.request("anvil_dropTransaction", ["0x" + transaction.hex()])
    await happens(lambda: known(world, transaction))
    await waiting.mine()
    assert (await waiting.ended()).transaction == transaction
    assert list(waiting.journal.raws) == [transaction]
    assert await world.balance(TO) == 5


async def test_a_node_that_does_not_answer_may_still_have_heard(world: World) -> None:
    chain = Through(world)

    async def deaf(params: list[Any]) -> Any:
        await world.rpc.request("eth_sendRawTransaction", params)
        del chain.answers["eth_sendRawTransaction"]
        raise LocalError(Code.RPC_UNREACHABLE)

    chain.answers["eth_sendRawTransaction"] = deaf
    receipt = await sender(world, rpc=chain).transact(TO, b"", 5)
    assert await world.balance(TO) == 5
    assert chain.asked.count("eth_sendRawTransaction") == 1
    assert await known(world, receipt.transaction)


async def test_an_answer_that_nobody_understands_is_no_refusal(world: World) -> None:
    """The node took it and then said something else: it is followed, not sent anew under another nonce."""
    chain, journal = Through(world), Kept()

    async def strange(params: list[Any]) -> Any:
        await world.rpc.request("eth_sendRawTransaction", params)
        del chain.answers["eth_sendRawTransaction"]
        raise RpcError(-32000, "upstream timed out")

    chain.answers["eth_sendRawTransaction"] = strange
    receipt = await sender(world, rpc=chain).transact(TO, b"", 5, journal=journal)
    assert await world.balance(TO) == 5
    assert list(journal.raws) == [receipt.transaction] and not journal.refusals


@pytest.mark.parametrize("answer", [RpcError(-32602, "who knows"), RpcError(-32000, "intrinsic gas too low")])
async def test_a_refusal_that_is_understood_is_one(world: World, answer: RpcError) -> None:
    chain, journal = Through(world), Kept()

    async def no(params: list[Any]) -> Any:
        raise answer

    chain.answers["eth_sendRawTransaction"] = no
    with pytest.raises(LocalError) as caught:
        await sender(world, rpc=chain).transact(TO, b"", 5, journal=journal)
    assert caught.value.code is Code.TRANSACTION_FAILED and len(journal.refusals) == 1


async def test_a_chain_that_is_silent_for_a_while_is_asked_again(world: World) -> None:
    chain, silences = Through(world), 5

    async def used(params: list[Any]) -> Any:
        nonlocal silences
        if params[1] == "latest" and silences:
            silences -= 1
            raise LocalError(Code.RPC_UNREACHABLE)
        return await world.rpc.request("eth_getTransactionCount", params)

    chain.answers["eth_getTransactionCount"] = used
    await sender(world, rpc=chain).transact(TO, b"", 5)
    assert await world.balance(TO) == 5 and silences == 0


# -- two processes with one key, and restarts


async def test_a_nonce_that_another_process_took_is_not_insisted_on(world: World) -> None:
    chain = Through(world)
    stale = ["0x0"]

    async def count(params: list[Any]) -> Any:
        if params[1] == "pending" and stale:
            return stale.pop()
        return await world.rpc.request("eth_getTransactionCount", params)

    chain.answers["eth_getTransactionCount"] = count
    await sender(world).transact(OTHER, b"", 1)
    journal = Kept()
    receipt = await sender(world, rpc=chain).transact(TO, b"", 5, journal=journal)
    assert (await world.balance(TO), await world.balance(OTHER)) == (5, 1)
    assert journal.refusals == [next(iter(journal.raws))]
    assert receipt.transaction == list(journal.raws)[-1]


async def test_each_version_is_kept_before_it_leaves(world: World) -> None:
    chain, journal = Through(world), Kept()

    async def send(params: list[Any]) -> Any:
        assert bytes.fromhex(params[0][2:]) in journal.raws.values()
        return await world.rpc.request("eth_sendRawTransaction", params)

    chain.answers["eth_sendRawTransaction"] = send
    await sender(world, rpc=chain).transact(TO, b"", 5, journal=journal)
    assert len(journal.raws) == 1


async def test_after_a_restart_it_is_followed_and_nothing_is_sent_twice(world: World) -> None:
    waiting = Waiting(world, sender(world))
    transaction = await waiting.start()
    waiting.task.cancel()
    raws = list(waiting.journal.raws.values())
    fresh = sender(world)
    resumed = asyncio.create_task(fresh.resume(raws))
    await asyncio.sleep(0)
    # The chain's node has forgotten it, yet its nonce is not given to the next one.
    await world.rpc.request("anvil_dropAllTransactions", [])
    following = asyncio.create_task(fresh.transact(OTHER, b"", 1))
    await happens(lambda: waiting.pending(2))
    await waiting.mine()
    assert (await resumed).transaction == transaction
    await following
    assert (await world.balance(TO), await world.balance(OTHER)) == (5, 1)


async def test_after_a_restart_a_stuck_one_is_raised(world: World) -> None:
    waiting = Waiting(world, sender(world))
    transaction = await waiting.start()
    waiting.task.cancel()
    journal = Kept()
    resumed = asyncio.create_task(
        sender(world, patience=0.05).resume(list(waiting.journal.raws.values()), journal=journal)
    )
    await until(lambda: journal.raws)
    await happens(lambda: waiting.mined_to(TO))
    assert (await resumed).transaction != transaction
    assert (await world.balance(TO), await waiting.count("pending")) == (5, 1)


async def test_a_restart_raises_no_limit(world: World) -> None:
    """Ten times the first price, whatever price an earlier process had come to."""
    first = Transaction(CHAIN_ID, 0, TO, 5, b"", 21000, Fees(100, 10))
    dearer = replace(first, fees=Fees(900, 90))
    raws = [one.sign(world.crypto, world.owner_key)[0] for one in (dearer, first)]
    found = Intent.read(world.crypto, raws, world.crypto.secp256k1_address(world.owner_key))
    assert (found.limit, found.wanted.fees.price) == (1000, 900)
    assert found.dearer(Fees(100, 10), found.limit) is None


async def test_after_a_restart_one_that_was_mined_meanwhile_has_its_receipt(world: World) -> None:
    waiting = Waiting(world, sender(world))
    transaction = await waiting.start()
    waiting.task.cancel()
    await waiting.mine()
    assert (await sender(world).resume(list(waiting.journal.raws.values()))).transaction == transaction


async def test_only_transactions_of_this_key_are_gone_on_with(world: World) -> None:
    raw, _ = Transaction(CHAIN_ID, 0, TO, 1, b"", 21_000, Fees(GWEI)).sign(world.crypto, world.owner_key)
    one = sender(world)
    assert one.nonce_of(raw) is None and one.nonce_of(b"nonsense") is None
    with pytest.raises(ValueError, match="of this key"):
        await one.resume([raw])


# -- reorganisations


async def test_what_a_reorganisation_took_back_is_sent_again_as_it_was(world: World) -> None:
    one = sender(world)
    receipt = await one.transact(TO, b"", 5)
    assert await one.restore() == []
    await world.rpc.request("anvil_reorg", [1, []])
    assert await world.balance(TO) == 0
    # The next one comes after it, under a nonce of its own.
    await one.transact(OTHER, b"", 1)
    assert (await world.balance(TO), await world.balance(OTHER)) == (5, 1)
    assert await known(world, receipt.transaction)
    assert await one.restore() == []


async def test_old_blocks_are_not_looked_at_for_ever(world: World) -> None:
    chain = Through(world)
    one = sender(world, rpc=chain)
    await one.transact(TO, b"", 5)
    await world.rpc.request("anvil_mine", ["0x14"])
    await one.restore()
    chain.asked.clear()
    assert await one.restore() == [] and chain.asked == []
