"""A guest of real nodes: the market from two of them, and a deposit found again after everything was wiped."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallystick_helper.chat import Account
from tallystick_helper.guest import NativeGuest
from tallystick_helper.store import UserStore
from tallystick_shared.errors import Code
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.market_reader import Rules
from tallystick_shared.recovery import recover
from tests.shared.tools import refused

from .crowd import Crowd
from .world import ETHER, HOUR, PRICE_OUT, Serving, World, serving, until


class Watched:
    """The chain, counting what is asked; it keeps no logs where `pruned`, or none from before block `since`; of those
    it says nothing, or refuses them.
    """

    def __init__(self, world: World, *, pruned: bool = False, since: int = 0, silent: bool = False) -> None:
        self.rpc, self.asked = world.rpc, list[str]()
        self.since, self.silent = 2**32 if pruned else since, silent

    async def request(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_getLogs" and int(params[0]["fromBlock"], 16) < self.since:
            if self.silent:
                return []
            raise RpcError(-32005, "logs are not kept")
        return await self.rpc.request(method, params)


@contextlib.asynccontextmanager
async def two_nodes(world: World, **cheaper: Any) -> AsyncIterator[tuple[Serving, Serving]]:
    """Two providers; the second one as the changes say."""
    async with serving(world) as one:
        world.owner_key = b"\x12" * 32
        await world.fund(world.owner_key)
        async with serving(world, "other", **cheaper) as other:
            yield one, other


async def informed(nodes: tuple[Serving, ...], count: int) -> dict[bytes, bytes]:
    """Once all nodes know the whole market: their own profiles."""
    for node in nodes:
        market = node.up.running.market
        await until(lambda market=market: len(market) == count and not market.missing, 120)
    mine = {node.provider for node in nodes}
    known = nodes[0].up.running.market.some(count)
    return {provider: blob for provider, blob in known.items() if provider in mine}


async def test_a_market_from_two_nodes(world: World) -> None:
    async with two_nodes(world) as nodes:
        crowd = Crowd(world)
        await crowd.fill(60)
        known = await informed(nodes, 62)
        rpc = Watched(world, pruned=True)
        view = await NativeGuest(world.crypto, world.where).market(rpc, known=known)
        assert rpc.asked == ["eth_call", "eth_call"]
        assert view.complete and view.count == 62 and view.by_logs == 0
        assert {report.provider for report in view.sources} == {node.provider for node in nodes}
        assert not any(report.disagrees for report in view.sources)
        assert all(listing.profile for listing in view.listings())
        assert {provider: view.blob(provider) for provider in crowd.blobs} == crowd.blobs


async def test_nodes_that_are_gone_are_passed_over(world: World) -> None:
    async with two_nodes(world) as nodes:
        await Crowd(world).fill(20)
        await informed(nodes, 22)
        view = await NativeGuest(world.crypto, world.where).market(world.rpc, Rules(attempts=22))
        assert view.complete and [report.fault for report in view.sources].count(None) == 2
        assert all(report.fault.code is Code.PROVIDER_GONE for report in view.sources if report.fault)


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_a_market_of_ten_thousand(world: World) -> None:
    """Two real nodes among 10,000: eleven calls, two snapshots."""
    async with two_nodes(world) as nodes:
        await Crowd(world).fill(9_998, per_block=200)
        known = await informed(nodes, 10_000)
        rpc = Watched(world, pruned=True)
        view = await NativeGuest(world.crypto, world.where).market(rpc, known=known)
        assert rpc.asked.count("eth_call") == 11 and len(view.sources) == 2
        assert view.complete and len(view) == 10_000


async def test_the_cheapest_of_a_market_is_chosen(world: World) -> None:
    async with two_nodes(world, offer={"price_out": PRICE_OUT - 10**6}) as (_, cheap):
        rpc = Watched(world)
        account = Account(world.crypto, rpc, world.where, world.user_key, world.store())
        listing = await account.choose(None)
        assert listing.provider == cheap.provider
        assert rpc.asked.count("eth_call") == 2 and rpc.asked.count("eth_getLogs") == 2


@pytest.mark.parametrize("silent", [False, True])
async def test_a_provider_whose_log_is_forgotten_is_found_by_others(world: World, silent: bool) -> None:
    async with serving(world) as old:
        await world.rpc.request("anvil_mine", ["0x40"])
        since = int(await world.rpc.request("eth_blockNumber", []), 16)
        world.owner_key = b"\x12" * 32
        await world.fund(world.owner_key)
        async with serving(world, "other") as new:
            await informed((old, new), 2)
            rpc = Watched(world, since=since, silent=silent)
            account = Account(world.crypto, rpc, world.where, world.user_key, world.store())
            listing = await account.choose(old.provider)
            assert listing.provider == old.provider and listing.block < since
            with refused(Code.NOT_REGISTERED):
                await account.choose(b"\x77" * 20)


async def test_the_pages_own_node_tells_whom_to_ask(provider: Serving) -> None:
    await informed((provider,), 1)
    known = (await provider.up.configuration())["known"]
    assert list(known) == ["0x" + provider.provider.hex()]
    view = await NativeGuest(provider.world.crypto, provider.world.where).market(
        Watched(provider.world, pruned=True),
        known={bytes.fromhex(a[2:]): bytes.fromhex(b[2:]) for a, b in known.items()},
    )
    assert view.complete


async def test_a_deposit_is_found_again_after_everything_was_wiped(provider: Serving) -> None:
    """No store, no logs: the payer's address, a node's records and the contract's word are enough."""
    world, payer = provider.world, provider.world.account().address
    kept = await provider.deposit(ETHER // 100, delay=HOUR)
    await until(lambda: provider.node.follower.table.get(kept.channel_id(world.crypto)))
    known = await informed((provider,), 1)
    shutil.rmtree(world.folder / "user")

    rpc = Watched(world, pruned=True)
    assert UserStore(world.folder / "user", world.crypto).deposits() == []
    blind = await recover(world.crypto, rpc, world.where, payer)
    assert blind.found == [] and isinstance(blind.fault, RpcError)

    guest = NativeGuest(world.crypto, world.where)
    view = await guest.market(rpc, known=known)
    records = await guest.opened(view.listing(provider.provider), payer)
    found = (await recover(world.crypto, rpc, world.where, payer, records)).live
    assert [(one.channel_id, one.state.deposit) for one in found] == [(kept.channel_id(world.crypto), ETHER // 100)]

    # The payer's own key takes it back; the lost session key is not needed.
    channels, account, before = (
        Channels(world.crypto, world.where.channels),
        world.account(),
        await world.balance(payer),
    )
    sender = account._sender
    await sender.transact(world.where.channels, channels.request_close(found[0].config))
    await world.pass_time(2 * HOUR)
    await sender.transact(world.where.channels, channels.withdraw(found[0].config))
    assert await world.balance(payer) > before + ETHER // 100 - ETHER // 1000
    after = await recover(world.crypto, rpc, world.where, payer, records, logs=False)
    assert after.live == [] and after.found[0].state.ended
