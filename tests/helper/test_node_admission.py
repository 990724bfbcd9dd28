"""Which channels are served. The reasons that need a whole session are in test_node_service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tallystick_helper.node.admission import Admission, Backfill, Terms
from tallystick_helper.node.claims import Batch
from tallystick_shared.channel import Config, channels_domain
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import Auth, amount_bytes
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.voucher import Payment, Signed

from .world import CHAIN_ID, Serving


class Bench:
    """A provider, and one deposit with it as AUTH would offer it."""

    def __init__(self, provider: Serving, config: Config, key: bytes) -> None:
        self.provider, self.config, self.key = provider, config, key
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
    deposit = await provider.deposit(10**15)
    yield Bench(provider, deposit.channel_config(), deposit.key)


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


class Counting:
    def __init__(self, inner: Any) -> None:
        self.inner, self.calls = inner, 0

    async def request(self, method: str, params: list[Any]) -> Any:
        self.calls += 1
        return await self.inner.request(method, params)


async def test_many_look_ups_are_one_call(bench: Bench) -> None:
    rpc = Counting(bench.provider.world.rpc)
    backfill = Backfill(rpc, bench.admission._channels)
    states = await asyncio.gather(*(backfill.state(one) for one in [bench.channel_id] * 50 + [b"\1" * 32] * 50))
    assert rpc.calls == 1
    assert [state.known for state in states] == [True] * 50 + [False] * 50


async def test_a_chain_that_is_down_is_told_to_all(bench: Bench) -> None:
    class Down:
        async def request(self, method: str, params: list[Any]) -> Any:
            raise LocalError(Code.RPC_UNREACHABLE)

    backfill = Backfill(Down(), bench.admission._channels)
    outcomes = await asyncio.gather(*(backfill.state(bench.channel_id) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, LocalError) for outcome in outcomes)
    outcomes = await asyncio.gather(backfill.state(bench.channel_id), return_exceptions=True)
    assert isinstance(outcomes[0], LocalError)
