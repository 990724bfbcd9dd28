"""The index of the registry on a real chain: it follows who comes, changes and goes, through reorganisations too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tallystick_helper.chain.follower import Head
from tallystick_helper.chain.market_index import MarketIndex
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.market import Listing
from tallystick_shared.snapshot import MAX_ENTRIES, Snapshot, SnapshotAsk, make_snapshot, most_bytes, read_snapshot

from .crowd import Crowd
from .world import CHAIN_ID, World, until


class Watched:
    """The chain, counting what is asked; `refuse` names methods that it refuses."""

    def __init__(self, world: World) -> None:
        self.rpc, self.asked, self.refuse = world.rpc, list[str](), set[str]()

    async def request(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method in self.refuse:
            raise RpcError(-32005, "no")
        return await self.rpc.request(method, params)


class Desk:
    """An index and a crowd, on one chain."""

    def __init__(self, world: World) -> None:
        self.world, self.crowd, self.rpc = world, Crowd(world), Watched(world)
        self.index = self.new_index()

    def new_index(self, **options: float) -> MarketIndex:
        return MarketIndex(self.world.crypto, self.rpc, self.world.where, **options)

    async def head(self) -> Head:
        block = await self.world.rpc.request("eth_getBlockByNumber", ["latest", False])
        return Head(int(block["number"], 16), block["hash"], int(block["timestamp"], 16))

    async def look(self) -> Snapshot:
        self.rpc.asked.clear()
        await self.index.look(await self.head())
        await self.index.fill()
        return self.snapshot()

    def snapshot(self, ask: SnapshotAsk | None = None) -> Snapshot:
        data = self.index.snapshot(ask or SnapshotAsk())
        return read_snapshot(data, CHAIN_ID, self.world.where.registry, most_bytes(MAX_ENTRIES))

    async def agrees(self) -> Snapshot:
        """The snapshot is the contract's own page, and has every profile that was announced."""
        snapshot, page = await self.look(), await self.crowd.registry.page(self.world.rpc)
        assert [entry.slot.announcement for entry in snapshot.entries] == [slot.announcement for slot in page]
        assert {entry.provider: entry.profile for entry in snapshot.entries} == self.crowd.blobs
        assert [entry.provider for entry in snapshot.entries] == [slot.provider for slot in page]
        assert snapshot.count == len(page) == len(self.index)
        return snapshot


@pytest.fixture
async def desk(world: World) -> Desk:
    return Desk(world)


async def test_an_empty_registry(desk: Desk) -> None:
    assert not desk.index.ready
    assert (await desk.agrees()).entries == ()
    assert desk.index.ready


async def test_who_was_there_before_stands_in_the_pages(desk: Desk) -> None:
    for numbers in ((0, 1, 2), (3,), (4, 5)):
        await desk.crowd.register(*numbers)
    await desk.crowd.mine(20)
    snapshot = await desk.agrees()
    assert snapshot.block == (await desk.head()).number
    assert desk.rpc.asked.count("eth_getLogs") == 1 + 3  # the last blocks, and the three that hold profiles


async def test_coming_changing_and_leaving_by_logs_alone(desk: Desk) -> None:
    await desk.crowd.register(0, 1, 2, 3, 4)
    await desk.agrees()
    await desk.crowd.register(5, 6)
    await desk.agrees()
    assert desk.rpc.asked == ["eth_getLogs", "eth_call", "eth_call"]  # logs, pageOf, count: no page, no block's log
    await desk.crowd.announce(2, 7)
    await desk.agrees()
    await desk.crowd.leave(1, 6, 0)
    await desk.agrees()
    assert "eth_getLogs" in desk.rpc.asked and len(desk.rpc.asked) == 2
    await desk.crowd.register(1)
    await desk.agrees()


async def test_leaving_and_coming_back_between_two_looks(desk: Desk) -> None:
    await desk.crowd.register(0, 1, 2)
    await desk.agrees()
    await desk.crowd.leave(0)
    await desk.crowd.register(0, 3)
    await desk.agrees()
    assert len(desk.rpc.asked) == 3


async def test_several_announcements_of_one_block(desk: Desk) -> None:
    await desk.crowd.register(0)
    await desk.agrees()
    await desk.world.rpc.request("evm_setAutomine", [False])
    await desk.crowd.announce(0, 2)
    await desk.crowd.announce(0, 3)
    await desk.crowd.mine()
    await desk.world.rpc.request("evm_setAutomine", [True])
    assert (await desk.agrees()).entries[0].profile == desk.crowd.blobs[desk.crowd.address(0)]


async def test_nothing_new_costs_one_look_at_the_logs(desk: Desk) -> None:
    await desk.crowd.register(0, 1)
    await desk.agrees()
    await desk.crowd.mine()
    snapshot = await desk.agrees()
    assert desk.rpc.asked == ["eth_getLogs"] and snapshot.block == (await desk.head()).number


async def test_a_reorganisation_takes_a_provider_back(desk: Desk) -> None:
    await desk.crowd.register(0, 1)
    await desk.agrees()
    known = dict(desk.crowd.blobs)
    before = await desk.world.rpc.request("evm_snapshot", [])
    await desk.crowd.register(2)
    await desk.crowd.announce(0, 9)
    assert len((await desk.agrees()).entries) == 3
    await desk.world.rpc.request("evm_revert", [before])
    await desk.crowd.mine(4)
    desk.crowd.blobs = known
    assert len((await desk.agrees()).entries) == 2


async def test_a_reorganisation_brings_a_provider_back_that_left(desk: Desk) -> None:
    await desk.crowd.register(0, 1, 2)
    await desk.agrees()
    known = dict(desk.crowd.blobs)
    before = await desk.world.rpc.request("evm_snapshot", [])
    await desk.crowd.leave(0)
    assert len((await desk.agrees()).entries) == 2
    await desk.world.rpc.request("evm_revert", [before])
    await desk.crowd.mine(9)
    desk.crowd.blobs = known
    assert len((await desk.agrees()).entries) == 3


async def test_another_chain_in_the_same_place(desk: Desk) -> None:
    """A reorganisation in which other providers come in the same blocks."""
    before = await desk.world.rpc.request("evm_snapshot", [])
    await desk.crowd.register(0, 1)
    await desk.agrees()
    await desk.world.rpc.request("evm_revert", [before])
    desk.crowd.blobs.clear()
    await desk.crowd.register(1, 4)
    assert [entry.provider for entry in (await desk.agrees()).entries] == [desk.crowd.address(n) for n in (1, 4)]


async def test_stakes_are_read_again_after_a_while(desk: Desk) -> None:
    desk.index = desk.new_index(refresh=0)
    await desk.crowd.register(0)
    await desk.agrees()
    await desk.crowd._send(0, desk.crowd.registry.add_stake(), 10**15)
    assert (await desk.agrees()).entries[0].slot.stake_gwei == 2 * 10**6


async def test_profiles_that_the_chain_does_not_give_are_left_out(desk: Desk) -> None:
    await desk.crowd.register(0, 1)
    await desk.crowd.mine(20)
    desk.rpc.refuse.clear()
    await desk.index.look(await desk.head())
    desk.rpc.refuse.add("eth_getLogs")
    await desk.index.fill()
    assert [entry.profile for entry in desk.snapshot().entries] == [b"", b""]
    desk.rpc.asked.clear()
    await desk.index.fill()
    assert desk.rpc.asked == []  # not again until the pages are read again
    desk.rpc.refuse.clear()
    await desk.crowd.announce(0, 2)
    assert [bool(entry.profile) for entry in (await desk.look()).entries] == [True, False]


class Others:
    """Other nodes: whoever is asked gives what `given` says. Fills the SnapshotHost seat."""

    def __init__(self, given: bytes | TallystickError) -> None:
        self.given, self.asked = given, list[bytes]()

    async def snapshots(
        self, sources: Sequence[Listing], ask: SnapshotAsk, most: int
    ) -> Sequence[bytes | TallystickError]:
        self.asked += [source.provider for source in sources]
        return [self.given for _ in sources]


async def pruned(desk: Desk, given: bytes | TallystickError) -> Others:
    """An index that finds the logs of its last blocks only, and asks others for the rest."""
    others = Others(given)
    me = desk.crowd.address(2)
    desk.index = MarketIndex(desk.world.crypto, desk.rpc, desk.world.where, others, me)
    await desk.index.look(await desk.head())
    desk.rpc.refuse.add("eth_getLogs")
    await desk.index.fill()
    await desk.index.ask_others()
    await desk.index.ask_others()
    desk.rpc.refuse.clear()
    return others


async def test_profiles_that_the_chain_forgot_come_from_others(desk: Desk) -> None:
    await desk.crowd.register(0, 1)
    await desk.crowd.mine(20)
    await desk.crowd.register(2, 3)
    await desk.look()
    others = await pruned(desk, desk.index.snapshot(SnapshotAsk()))
    assert others.asked == [desk.crowd.address(3)]  # never itself, and once
    assert {entry.provider: entry.profile for entry in desk.snapshot().entries} == desk.crowd.blobs


async def test_what_others_forge_is_not_taken(desk: Desk) -> None:
    await desk.crowd.register(0, 1)
    await desk.crowd.mine(20)
    await desk.crowd.register(2, 3)
    honest = (await desk.look()).entries
    forged = [msgspec.structs.replace(entry, profile=honest[0].profile[:-1] + b"x") for entry in honest]
    data = make_snapshot(CHAIN_ID, desk.world.where.registry, 5, bytes(32), forged, SnapshotAsk())
    for given in (data, b"nonsense", PeerError(Code.PROVIDER_GONE)):
        others = await pruned(desk, given)
        assert len(others.asked) == 1
        assert [bool(entry.profile) for entry in desk.snapshot().entries] == [False, False, True, True]


async def test_what_is_announced_need_not_be_a_profile(desk: Desk) -> None:
    await desk.crowd.register(0)
    await desk.crowd.announce_bytes(0, b"")
    await desk.crowd.register(1)
    snapshot = await desk.look()
    assert [bool(entry.profile) for entry in snapshot.entries] == [False, True]


async def test_a_failed_look_changes_nothing(desk: Desk) -> None:
    await desk.crowd.register(0)
    await desk.agrees()
    await desk.crowd.register(1)
    desk.rpc.refuse.add("eth_call")
    with pytest.raises(RpcError):
        await desk.look()
    assert len(desk.index) == 1
    desk.rpc.refuse.clear()
    await desk.agrees()


async def test_snapshots_are_kept_until_the_next_block(desk: Desk) -> None:
    await desk.crowd.register(0, 1, 2)
    await desk.look()
    first = desk.index.snapshot(SnapshotAsk())
    assert desk.index.snapshot(SnapshotAsk()) is first
    part = desk.snapshot(SnapshotAsk(1, 1))
    assert (part.start, part.count, len(part.entries)) == (1, 3, 1)
    for number in range(100):
        desk.index.snapshot(SnapshotAsk(number))
    assert len(desk.index._parts) <= 16
    await desk.crowd.mine()
    await desk.look()
    assert desk.index.snapshot(SnapshotAsk()) != first


async def test_it_follows_by_itself(desk: Desk) -> None:
    task = asyncio.create_task(desk.index.run())
    try:
        desk.index.wake(await desk.head())
        await until(lambda: desk.index.ready)
        desk.rpc.refuse.add("eth_getLogs")
        await desk.crowd.register(0)
        desk.index.wake(await desk.head())
        await until(lambda: "eth_getLogs" in desk.rpc.asked)
        desk.rpc.refuse.clear()
        await desk.crowd.register(1)
        desk.index.wake(await desk.head())
        await until(lambda: len(desk.index) == 2 and not desk.index.missing)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
