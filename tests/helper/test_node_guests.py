"""Guests at a real node: what they are given, how much and how often, and that they keep nobody else out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tallystick_helper.chain.market_index import MarketIndex
from tallystick_helper.chain.opened import OpenedIndex
from tallystick_helper.dial import NativeHost
from tallystick_helper.guest import NativeGuest
from tallystick_helper.ledger import Ledger
from tallystick_helper.node.connection import Connection
from tallystick_helper.node.guests import LIMITS, Guests
from tallystick_helper.node.rates import Meter, Rate
from tallystick_shared import advert, recovery, snapshot
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.guest import fetch
from tallystick_shared.messages import encode
from tallystick_shared.records import Hello
from tallystick_shared.recovery import OpenedAsk
from tallystick_shared.session.guest import GuestSession, Question, Signer
from tallystick_shared.snapshot import SnapshotAsk, most_bytes, read_snapshot
from tests.shared.tools import refused

from .crowd import Crowd
from .world import CHAIN_ID, ETHER, Serving, World, serving, until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def guests(world: World, tmp_path: Path) -> AsyncIterator[Guests]:
    """The services without a node before them."""
    ledger = Ledger(tmp_path / "one.sqlite")
    opened = OpenedIndex(ledger, world.where)
    await opened.prepare()
    yield Guests(MarketIndex(world.crypto, world.rpc, world.where), opened, Clock())
    ledger.close()


async def test_what_a_guest_asks_must_make_sense(guests: Guests) -> None:
    for service, params, code in (
        ("chat", b"", Code.UNKNOWN_SERVICE),
        (snapshot.SERVICE, b"", Code.BAD_MESSAGE),
        (snapshot.SERVICE, encode(OpenedAsk(bytes(20))), Code.BAD_MESSAGE),
        (recovery.SERVICE, b"\x91\xc4\x01a", Code.BAD_MESSAGE),
        (advert.SERVICE, b"x", Code.BAD_MESSAGE),
        (advert.SERVICE, b"", Code.BUSY),  # no node gives one yet
        (snapshot.SERVICE, encode(SnapshotAsk()), Code.BUSY),  # the list is not read yet
    ):
        with refused(code):
            await guests.answer(service, params, "192.0.2.1")


async def test_an_answer_beyond_the_limit_is_not_given(guests: Guests) -> None:
    guests.limits = {**LIMITS, recovery.SERVICE: replace(LIMITS[recovery.SERVICE], most=10)}
    with refused(Code.TOO_LARGE):
        await guests.answer(recovery.SERVICE, encode(OpenedAsk(bytes(20))), "192.0.2.1")


# -- over real sockets


async def ask(provider: Serving, service: str, params: bytes, most: int = 10**7, timeout: float = 10.0) -> bytes:
    world = provider.world
    question = Question(service, params, most)
    return await fetch(world.crypto, NativeHost(), world.where, await provider.listing(), question, timeout)


async def ready(provider: Serving, count: int = 1) -> None:
    market = provider.up.running.market
    await until(lambda: len(market) == count and not market.missing)


async def test_a_snapshot_over_a_real_socket(provider: Serving) -> None:
    await Crowd(provider.world).fill(120)
    await ready(provider, 121)
    data = await ask(provider, snapshot.SERVICE, encode(SnapshotAsk()), most_bytes(121))
    got = read_snapshot(data, CHAIN_ID, provider.world.where.registry, most_bytes(121))
    assert got.count == len(got.entries) == 121 and all(entry.profile for entry in got.entries)
    part = await ask(provider, snapshot.SERVICE, encode(SnapshotAsk(100, 5)), most_bytes(5))
    assert len(read_snapshot(part, CHAIN_ID, provider.world.where.registry, most_bytes(5)).entries) == 5


async def test_opened_channels_over_a_real_socket(provider: Serving) -> None:
    deposit = await provider.deposit()
    world, payer = provider.world, provider.world.account().address
    guest = NativeGuest(world.crypto, world.where)
    await until(lambda: provider.node.follower.table.get(deposit.channel_id(world.crypto)))
    (record,) = await guest.opened(await provider.listing(), payer)
    assert record.config == deposit.config and "0x" + record.transaction.hex() == deposit.transaction
    assert await guest.opened(await provider.listing(), b"\x77" * 20) == []


async def test_an_advert_over_a_real_socket(provider: Serving) -> None:
    """How full the node is, checked by its profile; newer once the profile is."""
    guest, listing = NativeGuest(provider.world.crypto, provider.world.where), await provider.listing()
    first = await guest.advert(listing)
    assert first.load.running == 0 and not first.load.busy
    assert (first.provider, first.price_epoch) == (provider.provider, listing.usable().epoch)
    conversation = await provider.conversation(await provider.deposit())
    await conversation.connect()
    asked = conversation.ask([("user", "count")], "loopback", 500)
    await anext(asked)
    provider.node.adverts._made = None
    second = await guest.advert(listing)
    assert second.load.running == 1 and second.sequence > first.sequence
    await asked.aclose()
    await conversation.leave()
    changed = msgspec.structs.replace(provider.node.profile, epoch=listing.usable().epoch + 1)
    provider.node.profile = changed
    with refused(Code.PROFILE_CHANGED):
        await guest.advert(listing)


async def test_refusals_over_a_real_socket(provider: Serving) -> None:
    await ready(provider)
    for service, params, most, code in (
        (snapshot.SERVICE, b"nonsense", 100, Code.BAD_MESSAGE),
        (snapshot.SERVICE, encode(SnapshotAsk()), 50, Code.TOO_LARGE),
        ("trial", b"", 100, Code.UNKNOWN_SERVICE),
    ):
        with refused(code):
            await ask(provider, service, params, most)


async def test_too_many_questions_are_refused_and_paying_goes_on(provider: Serving) -> None:
    await ready(provider)
    assert provider.node.guests is not None
    provider.node.guests._meters = {snapshot.SERVICE: Meter(Rate(3, 0.5), Rate(5, 1.0), Clock())}
    for _ in range(3):
        await ask(provider, snapshot.SERVICE, encode(SnapshotAsk()))
    with refused(Code.BUSY):
        await ask(provider, snapshot.SERVICE, encode(SnapshotAsk()))
    conversation = await provider.conversation(await provider.deposit(ETHER // 100))
    await conversation.connect()
    await conversation.leave()


async def test_guests_count_as_strangers_until_they_go(provider: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = Connection._serve_guest

    async def watched(connection: Connection, event: object) -> None:
        seen.append(len(provider.node.gate))
        await real(connection, event)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "_serve_guest", watched)
    await ready(provider)
    await ask(provider, snapshot.SERVICE, encode(SnapshotAsk()))
    assert seen == [1]
    await until(lambda: len(provider.node.gate) == 0)


class Deaf:
    """A socket whose peer asks and then reads nothing."""

    def __init__(self, world: World, provider: Serving, node_key: bytes, operator: bytes) -> None:
        hello = Hello(CHAIN_ID, world.where.registry, provider.provider)
        question = Question(snapshot.SERVICE, encode(SnapshotAsk()), 10**7)
        self.session = GuestSession(world.crypto, hello, node_key, question, Signer(operator, world.where.channels))
        self.session.start()
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.sent = 0
        self.stranger = None
        self._flush()

    def _flush(self) -> None:
        for message in self.session.outgoing():
            self.inbox.put_nowait(message)

    async def receive(self) -> bytes | None:
        return await self.inbox.get()

    async def send(self, message: bytes) -> None:
        self.sent += len(message)
        if self.session._sending is None:
            self.session.receive(message, 0.0)
            self._flush()
        elif self.sent > 100_000:
            await asyncio.Event().wait()

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.closed.set()
        self.inbox.put_nowait(None)


class Large(Guests):
    """Services whose every answer is a megabyte, and that give a guest 0.3 s."""

    def __init__(self) -> None:
        self.limits = {snapshot.SERVICE: replace(LIMITS[snapshot.SERVICE], seconds=0.3)}

    async def answer(self, service: str, params: bytes, address: str) -> bytes:
        return bytes(10**6)


async def test_a_guest_that_does_not_read_is_cut_and_held_little(provider: Serving) -> None:
    profile = (await provider.listing()).usable()
    provider.node.guests = Large()
    deaf = Deaf(provider.world, provider, profile.node_key, profile.operator)
    most = 0

    async def watch() -> None:
        nonlocal most
        while not deaf.closed.is_set():
            most = max([most, *(connection._queued for connection in provider.node._connections)])
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    await asyncio.wait_for(provider.node.serve(deaf, "192.0.2.1"), 10)
    await watching
    assert deaf.session.answer is None and 0 < most < 256 * 1024
    assert not provider.node._connections


async def test_a_client_that_pays_and_does_not_read_is_cut_too(provider: Serving) -> None:
    """The send queue's own limit: it ends the connection, once."""
    profile = (await provider.listing()).usable()
    deaf = Deaf(provider.world, provider, profile.node_key, profile.operator)
    connection = Connection(provider.node, deaf, "192.0.2.1")
    served = asyncio.create_task(connection.serve())
    await until(lambda: connection.session._sending is not None)
    for _ in range(40):
        connection.session._out.append(bytes(16_000))
    connection.pump()
    await asyncio.wait_for(served, 10)
    assert connection.session.closed


async def test_a_node_without_them_says_so(provider: Serving) -> None:
    provider.node.guests = None
    with refused(Code.UNKNOWN_SERVICE):
        await ask(provider, snapshot.SERVICE, encode(SnapshotAsk()))


async def test_two_nodes_give_the_same_bytes(world: World) -> None:
    async with serving(world) as one:
        world.owner_key = b"\x12" * 32
        await world.fund(world.owner_key)
        async with serving(world, "other") as other:
            await ready(one, 2)
            await ready(other, 2)
            await world.rpc.request("evm_mine", [])
            newest = int(await world.rpc.request("eth_blockNumber", []), 16)  # both may still be at an earlier one
            nodes = [serves.up.running.market for serves in (one, other)]
            await until(lambda: all(market.head.number == newest for market in nodes))
            params = encode(SnapshotAsk())
            assert await ask(one, snapshot.SERVICE, params) == await ask(other, snapshot.SERVICE, params)
            with pytest.raises(PeerError):
                await ask(one, snapshot.SERVICE, params, most=3)
