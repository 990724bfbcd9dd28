"""Which channels are served. The reasons that need a whole session are in test_node_service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.table import Tracked
from tallystick_helper.node import admission as admission_module
from tallystick_helper.node.admission import Admission, Terms
from tallystick_helper.node.backfill import Backfill
from tallystick_helper.node.claims import Batch
from tallystick_shared.channel import ChannelState, Config, channels_domain
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.messages import Auth, amount_bytes
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.voucher import Payment, Signed
from tests.shared.tools import refused as refused_now

from .world import CHAIN_ID, Serving, until


class Bench:
    """A provider, and one deposit with it as AUTH would offer it."""

    def __init__(self, provider: Serving, deposit: Deposit) -> None:
        config = deposit.channel_config()
        self.provider, self.deposit, self.config, self.key = provider, deposit, config, deposit.key
        self.node, world = provider.node, provider.world
        self.channel_id = config.channel_id(world.crypto, channels_domain(CHAIN_ID, world.where.channels))
        self.terms = Terms(self.node.profile, 60)

    @property
    def admission(self) -> Admission:
        return self.node.admission

    def offered(self, **changes: Any) -> AuthOffered:
        config = Config(**{**self.config.__dict__, **changes})
        auth = Auth(self.provider.world.where.channels, config.body(), bytes(32), (), bytes(65), 0)
        return AuthOffered(self.channel_id, config, 0, auth)

    def payment(self) -> Payment:
        where, payee = self.provider.world.where, self.node.identity.payee
        return Payment.on(CHAIN_ID, where.channels, self.channel_id, payee, self.config.signer)

    async def prove(self, voucher: Signed) -> None:
        me = self.node.identity
        await self.admission.prove(self.offered(), me.payee, me.operator, voucher)


@pytest.fixture
async def bench(provider: Serving) -> AsyncIterator[Bench]:
    yield Bench(provider, await provider.deposit(10**15))


async def refused(work: Any) -> Code:
    with pytest.raises(PeerError) as caught:
        await work
    return caught.value.code


async def test_a_good_channel(bench: Bench) -> None:
    known = await bench.admission.admit(bench.offered(), bench.terms)
    assert known.state.deposit == 10**15


async def test_token_delay_and_cap(bench: Bench) -> None:
    admit, terms = bench.admission.admit, bench.terms
    assert await refused(admit(bench.offered(token=b"\1" * 20), terms)) is Code.WRONG_TOKEN
    assert await refused(admit(bench.offered(delay=60), terms)) is Code.DELAY_TOO_SHORT
    picky = msgspec.structs.replace(terms.profile, minimum_cap=amount_bytes(10**15 + 1))
    assert await refused(admit(bench.offered(), Terms(picky, 60))) is Code.CAP_TOO_SMALL
    exact = msgspec.structs.replace(terms.profile, minimum_cap=amount_bytes(10**15))
    await admit(bench.offered(), Terms(exact, 60))


async def test_a_margin_beyond_the_expiry(bench: Bench) -> None:
    assert (
        await refused(bench.admission.admit(bench.offered(), Terms(bench.terms.profile, 10**9)))
        is Code.CHANNEL_EXPIRING
    )


async def test_the_claim_must_pay(bench: Bench) -> None:
    crypto = bench.provider.world.crypto
    await bench.prove(bench.payment().sign(crypto, bench.key, 500))
    assert await refused(bench.prove(bench.payment().sign(crypto, b"\x55" * 32, 500))) is Code.UNCLAIMABLE
    assert await refused(bench.prove(bench.payment().sign(crypto, bench.key, 10**15 + 1))) is Code.UNCLAIMABLE


async def test_what_was_claimed_already_is_not_asked_for_again(bench: Bench) -> None:
    crypto, node = bench.provider.world.crypto, bench.node
    first, payee, closer = bench.payment().sign(crypto, bench.key, 500), node.identity.payee, node.identity.operator
    await node.ledger.store_channel(bench.channel_id, bench.config, bytes(32), (), payee, closer)
    await node.ledger.store_voucher(bench.channel_id, first)
    rows = await node.ledger.live_channels()
    assert await node.till.claim(Batch(bytes(20), payee, closer, rows, packed=False)) == 500
    await bench.prove(first)
    await bench.prove(bench.payment().sign(crypto, bench.key, 800))


# -- served while token, delay and cap suffice, the end is far enough, and no close request is newer than an extension


async def test_the_margin_to_the_end_is_exact(bench: Bench) -> None:
    known = await bench.admission.admit(bench.offered(), bench.terms)
    left = known.state.expiry - bench.node.follower.now()
    bench.node.follower.now = lambda: known.state.expiry - left  # type: ignore[method-assign]
    bench.admission.check(known, Terms(bench.terms.profile, left - 1))
    with refused_now(Code.CHANNEL_EXPIRING):
        bench.admission.check(known, Terms(bench.terms.profile, left))


async def test_a_close_request_ends_service_and_an_extension_brings_it_back(bench: Bench) -> None:
    """The request alone, though the end is still far; then what undoes it on chain."""
    provider, table = bench.provider, bench.node.follower.table
    world = provider.world
    account, deposit = world.account(), bench.deposit
    await until(lambda: table.get(bench.channel_id))
    await account.request_close(deposit)
    await until(lambda: table.get(bench.channel_id).closing)  # type: ignore[union-attr]
    assert await refused(bench.admission.admit(bench.offered(), Terms(bench.terms.profile, 0))) is Code.CHANNEL_EXPIRING
    # More money alone extends nothing; a later end does.
    channels = Channels(world.crypto, world.where.channels)
    sender = Sender(world.rpc, world.user_key, CHAIN_ID, poll=0.01)
    tracked = table.get(bench.channel_id)
    assert tracked is not None
    for expiry, closing in ((tracked.state.expiry, True), (tracked.state.expiry + 7200, False)):
        await sender.transact(world.where.channels, channels.top_up(bench.config, expiry, 1), 1)
        await until(lambda expiry=expiry, closing=closing: settled(table.get(bench.channel_id), expiry, closing))  # type: ignore[misc]
        outcome = await asyncio.gather(
            bench.admission.admit(bench.offered(), Terms(bench.terms.profile, 0)), return_exceptions=True
        )
        assert isinstance(outcome[0], PeerError) == closing
    # A request that is newer than that extension counts again.
    await account.request_close(deposit)
    await until(lambda: table.get(bench.channel_id).closing)  # type: ignore[union-attr]
    assert await refused(bench.admission.admit(bench.offered(), Terms(bench.terms.profile, 0))) is Code.CHANNEL_EXPIRING


def settled(tracked: Tracked | None, expiry: int, closing: bool) -> bool:
    return tracked is not None and (tracked.state.expiry, tracked.closing) == (expiry, closing)


async def test_an_ended_channel(bench: Bench) -> None:
    ended = Tracked(ChannelState(0, 0, 1))
    with refused_now(Code.CHANNEL_ENDED):
        bench.admission.check(ended, bench.terms)


async def test_a_cap_of_nothing(bench: Bench) -> None:
    """So deep in the tree that not one smallest unit of the deposit is left for this payee."""
    offered = replace(bench.offered(), depth=60)
    assert await refused(bench.admission.admit(offered, bench.terms)) is Code.CAP_TOO_SMALL


# -- a channel that is not there yet


async def test_it_is_parked_for_four_seconds_at_most(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert admission_module.PARKED == 4.0
    monkeypatch.setattr(admission_module, "PARKED", 0.2)
    loop, unknown = asyncio.get_running_loop(), replace(bench.offered(), channel_id=b"\x01" * 32)
    began = loop.time()
    assert await refused(bench.admission.admit(unknown, bench.terms)) is Code.UNKNOWN_CHANNEL
    assert 0.2 <= loop.time() - began < 1
    assert not bench.node.follower.table._waiting


async def test_a_silent_chain_holds_nobody_longer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is awaited within the same seconds, and its log still counts."""
    monkeypatch.setattr(admission_module, "PARKED", 0.3)
    admission, table = bench.admission, bench.node.follower.table

    class Silent:
        async def request(self, method: str, params: list[Any]) -> Any:
            await asyncio.Event().wait()

    admission._strangers = Backfill(Silent(), admission._strangers._channels)
    with pytest.raises(PeerError):
        await admission.find(b"\x01" * 32)
    finding = asyncio.create_task(admission.find(b"\x02" * 32))
    await until(lambda: table._waiting)
    table.put(b"\x02" * 32, ChannelState(7, 0, 10**10))
    assert (await finding).state.deposit == 7
    assert not admission._strangers._wanted


async def test_a_word_that_is_late_takes_no_channel_out(bench: Bench) -> None:
    """Its log came while the chain was asked; the answer is from before."""
    admission, table, go = bench.admission, bench.node.follower.table, asyncio.Event()

    class Late:
        async def request(self, method: str, params: list[Any]) -> Any:
            await go.wait()
            return await bench.provider.world.rpc.request(method, params)

    admission._strangers = Backfill(Late(), admission._strangers._channels)
    finding = asyncio.create_task(admission.find(b"\x02" * 32))
    await until(lambda: table._waiting)
    table.put(b"\x02" * 32, ChannelState(7, 0, 10**10))
    go.set()
    assert (await finding).state.deposit == 7
    assert table.get(b"\x02" * 32)


# -- what is asked of the chain, and how often


class Counting:
    """A chain's node; `asked` counts."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.asked = inner, 0

    async def request(self, method: str, params: list[Any]) -> Any:
        self.asked += 1
        return await self.inner.request(method, params)


async def test_a_chain_without_p256_is_asked_once_a_minute(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rpc = bench.admission._rpc = Counting(bench.provider.world.rpc)
    monkeypatch.setattr(admission_module, "has_p256", never)
    offered = bench.offered()
    offered = replace(offered, auth=msgspec.structs.replace(offered.auth, signature=bytes(128)))
    for _ in range(20):
        assert await refused(bench.admission.admit(offered, bench.terms)) is Code.UNCLAIMABLE
    assert rpc.asked == 1
    bench.admission._asked_p256 -= 60
    assert await refused(bench.admission.admit(offered, bench.terms)) is Code.UNCLAIMABLE
    assert rpc.asked == 2


async def never(rpc: Any) -> bool:
    await rpc.request("eth_chainId", [])
    return False


async def test_what_was_paid_is_asked_once_a_block(bench: Bench) -> None:
    """However often one of several payees' channel connects."""
    rpc = bench.admission._rpc = Counting(bench.provider.world.rpc)
    known = await bench.admission.admit(bench.offered(), bench.terms)
    running = bench.provider.up.running
    assert running is not None
    for task in running.tasks:  # no further block is seen
        task.cancel()
    await asyncio.gather(*running.tasks, return_exceptions=True)
    for _ in range(20):
        assert await bench.admission.paid(replace(bench.offered(), depth=1), bytes(20), known, 0) == 0
    assert rpc.asked == 1
    assert await bench.admission.paid(replace(bench.offered(), depth=1), bytes(20), known, 5) == 0
    assert rpc.asked == 1
    bench.node.follower.head = replace(bench.node.follower.head, hash="0xnext")
    assert await bench.admission.paid(replace(bench.offered(), depth=1), bytes(20), known, 0) == 0
    assert rpc.asked == 2
