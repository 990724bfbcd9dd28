"""One connection's limits: what is checked before what, how long it may be silent, and how it goes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from tallystick_helper.chain.table import Tracked
from tallystick_helper.node import farewell
from tallystick_helper.node.connection import Connection
from tallystick_helper.node.gate import HOLDERS
from tallystick_helper.node.rates import Bucket, Rate
from tallystick_shared import limits
from tallystick_shared.channel import Config
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.messages import Ping, encode
from tallystick_shared.records import HELLO_SIZE, MAX_MESSAGE, Frame, Hello, Record, Type
from tallystick_shared.session.events import Ready
from tallystick_shared.session.tables import ConnectionState

from .knocks import CountingCrypto, Knock, refusal
from .proxy import Proxy, proxy
from .world import CHAIN_ID, Serving, World, serving, until


@pytest.fixture
async def chain(world: World) -> AsyncIterator[Proxy]:
    """What the node asks of its chain goes through here."""
    async with proxy(world.url) as between:
        yield between


@pytest.fixture
async def counted(world: World, chain: Proxy) -> AsyncIterator[Serving]:
    """A provider on the chain as it is seen through there."""
    async with serving(world, chain={"rpc": [chain.url]}) as provider:
        yield provider


def unfunded(deposit: Deposit) -> Deposit:
    """A channel of the same key and provider that was never opened."""
    config = Config(*deposit.channel_config().abi()[:5], os.urandom(32))
    return msgspec.structs.replace(deposit, config=config.body())


# -- the order of checks: none that costs more is reached where a cheaper one fails


class Ledger:
    """What knocks cost the node: cryptography, looks at the channel table, reads of channels from the chain."""

    def __init__(self, provider: Serving, chain: Proxy) -> None:
        self.node = provider.node
        self.node.crypto = crypto = CountingCrypto()
        self.calls = crypto.calls
        self._find = self.node.admission.find
        self.node.admission.find = self.find  # type: ignore[method-assign]
        self._selector = to_hex(provider.node.till._channels._contract.call("channelsOf", [])[:4])
        chain.forge = self.read

    async def find(self, channel_id: bytes) -> Tracked:
        self.calls["table"] += 1
        return await self._find(channel_id)

    def read(self, method: str, params: list[Any], result: Any) -> Any:
        self.calls["chain"] += method == "eth_call" and params[0]["data"].startswith(self._selector)
        return result

    async def cost(self, *knocking: Coroutine[Any, Any, object]) -> dict[str, int]:
        """Of these, one after the other."""
        self.calls.clear()
        for one in knocking:
            await one
        await until(lambda: not self.node._connections)
        return {name: count for name, count in self.calls.items() if count}


async def say(provider: Serving, message: bytes) -> None:
    knock = await Knock.dial(provider)
    await knock.websocket.send(message)
    with pytest.raises(ConnectionClosed):
        while True:
            await knock.websocket.recv()


async def authenticate(provider: Serving, deposit: Deposit) -> Code | None:
    knock = await Knock.dial(provider)
    await knock.greet()
    await knock.auth(deposit)
    return await knock.end()


async def test_each_check_spares_the_dearer_ones(
    counted: Serving, chain: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick_helper.node.admission.PARKED", 1.0)  # time enough to be looked up
    node, deposit = counted.node, await counted.deposit()
    await until(lambda: node.follower.table.get(deposit.channel_id(counted.world.crypto)))
    ledger, me = Ledger(counted, chain), node.identity
    hello, greeting = Hello(CHAIN_ID, me.registry, me.provider), bytes([Frame.HELLO])
    rest = bytes(MAX_MESSAGE - 1 - HELLO_SIZE)
    for first in (
        greeting + hello.encode() + rest + b"x",  # size
        greeting + b"\0" + hello.encode()[1:] + rest,  # magic
        greeting + Hello(CHAIN_ID, me.registry, me.provider, version=9).encode() + rest,
        greeting + Hello(CHAIN_ID, me.registry, me.provider, suite=9).encode() + rest,
        greeting + Hello(CHAIN_ID, me.registry, b"\x99" * 20).encode() + rest,
        bytes([Frame.RECORD]) + bytes(300),
    ):
        assert await ledger.cost(say(counted, first)) == {}
    # Noise: a key exchange, and no more.
    assert await ledger.cost(say(counted, greeting + hello.encode() + os.urandom(1300))) == {"x25519": 1}
    keyed = {"x25519": 2, "kem": 1}
    wrong_root = msgspec.structs.replace(deposit, config=msgspec.structs.replace(deposit.config, root=bytes(32)))
    assert await ledger.cost(authenticate(counted, wrong_root)) == keyed
    wrong_key = msgspec.structs.replace(deposit, key=b"\x66" * 32)
    signed = {**keyed, "signature": 1}
    assert await ledger.cost(authenticate(counted, wrong_key)) == signed
    # The terms are cheaper than the table, and the table is cheaper than the chain.
    profile = node.profile
    node.profile = msgspec.structs.replace(profile, minimum_delay=10**8)
    assert await ledger.cost(authenticate(counted, deposit)) == signed
    node.profile = msgspec.structs.replace(profile, minimum_cap=b"\xff" * 16)
    assert await ledger.cost(authenticate(counted, deposit)) == {**signed, "table": 1}
    assert await ledger.cost(authenticate(counted, unfunded(deposit))) == {**signed, "table": 1, "chain": 1}


async def test_an_eleventh_handshake_costs_nothing(world: World, chain: Proxy) -> None:
    async with serving(world, listen={"handshake_burst": 3, "handshakes_per_address": 0.001}) as provider:
        provider.node.crypto = CountingCrypto()
        # What is no greeting for this node is no handshake.
        for _ in range(5):
            await say(provider, bytes([Frame.HELLO]) + Hello(CHAIN_ID, b"\x11" * 20, b"\x99" * 20).encode())
        for _ in range(3):
            knock = await Knock.dial(provider)
            assert (await knock.greet())[0] == Frame.HANDSHAKE
            await knock.websocket.close()
        knock = await Knock.dial(provider)
        done = provider.node.crypto.calls.copy()
        knock.session.start()
        await knock.flush()
        assert await knock.websocket.recv() == refusal(Code.TOO_MANY_CONNECTIONS)
        assert provider.node.crypto.calls == done
        await knock.websocket.close()


async def test_a_flood_of_handshakes_leaves_holders_of_a_ticket_in(provider: Serving) -> None:
    """The node answers no more strangers now; who has a ticket gets in, and takes no place among them."""
    deposit, gate = await provider.deposit(), provider.node.gate
    first = await (await Knock.dial(provider)).enter(deposit)
    tickets = (await first.until(Ready)).tickets
    crypto = provider.node.crypto = CountingCrypto()
    gate._answers = Bucket(Rate(0.5, 0.001), time.monotonic())
    for _ in range(5):
        stranger = await Knock.dial(provider)
        assert await stranger.greet() == refusal(Code.TOO_MANY_CONNECTIONS)
        await stranger.websocket.close()
    assert crypto.calls == {"x25519": 5}  # each was opened, none was answered
    again = await Knock.dial(provider)
    assert (await again.greet(tickets[0]))[0] == Frame.HANDSHAKE
    assert [stranger.groups for stranger in gate._strangers] == [(HOLDERS,)]
    await again.auth(deposit)
    await again.until(Ready)
    assert len(gate) == 0
    twice = await Knock.dial(provider)
    assert await twice.greet(tickets[0]) == refusal(Code.TOO_MANY_CONNECTIONS)
    for knock in (first, again, twice):
        await knock.websocket.close()


# -- silence


@pytest.fixture
async def knock(provider: Serving) -> AsyncIterator[Knock]:
    """A client whose channel is accepted."""
    made = await (await Knock.dial(provider)).enter(await provider.deposit())
    yield made
    await made.websocket.close()


def connection_of(provider: Serving) -> Connection:
    (connection,) = provider.node._connections
    return connection


async def test_filler_and_pings_break_no_silence(provider: Serving, knock: Knock) -> None:
    connection = connection_of(provider)
    heard = connection.heard_at
    for record in (Record(Type.PAD, 0, b""), Record(Type.PONG, 0, encode(Ping(bytes(8))))):
        knock.session._send(record)
    knock.session._post(Ping(bytes(8)), at_once=True)
    await knock.flush()
    await knock.take()
    assert connection.heard_at == heard
    provider.node.sweep(heard + limits.IDLE.value + 1)
    assert await knock.end() is Code.TIMED_OUT


async def test_whoever_waits_for_the_engine_is_not_idle(provider: Serving, knock: Knock) -> None:
    connection = connection_of(provider)

    class Waiting:
        given = False

    job = Waiting()
    connection._jobs[1] = job  # type: ignore[assignment]
    assert not connection.working  # half an input holds nothing open
    job.given = True
    provider.node.sweep(connection.heard_at + limits.IDLE.value + 1)
    assert not connection.session.closed
    del connection._jobs[1]
    provider.node.sweep(connection.heard_at + limits.IDLE.value + 1)
    assert connection.session.closed


# -- how it goes


async def test_whoever_is_evicted_while_a_channel_is_looked_up_waits_no_longer(provider: Serving) -> None:
    """Else each place at the gate could be used many times over in the seconds that a look-up takes."""
    knock = await Knock.dial(provider)
    await knock.greet()
    await knock.auth(unfunded(await provider.deposit()))
    await until(lambda: connection_of(provider)._authing)
    connection_of(provider)._evict()
    async with asyncio.timeout(limits.FAREWELL.value):
        assert await knock.end() is Code.TOO_MANY_CONNECTIONS
        await until(lambda: not provider.node._connections)
    assert not provider.node.follower.table._waiting


async def test_a_refused_channel_stays_a_stranger_until_its_socket_is_gone(provider: Serving) -> None:
    knock = await Knock.dial(provider)
    await knock.greet()
    await knock.auth(msgspec.structs.replace(await provider.deposit(), key=b"\x66" * 32))
    while not knock.session.closed:
        await knock.take()
    assert len(provider.node.gate) == 1
    await knock.websocket.close()
    await until(lambda: len(provider.node.gate) == 0)


async def test_an_accepted_channel_is_no_stranger(provider: Serving, knock: Knock) -> None:
    assert connection_of(provider).session.state is ConnectionState.READY
    assert len(provider.node.gate) == 0


async def test_whoever_keys_and_says_nothing_is_told_after_five_seconds(
    provider: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick_helper.node.connection.AUTH_DEADLINE", 1.5)
    knock = await Knock.dial(provider)
    await knock.greet()
    assert await knock.end() is Code.TIMED_OUT


async def test_what_is_not_read_holds_no_connection(
    provider: Serving, knock: Knock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket is full when it is told to go: it is cut all the same, and nothing waits for it."""
    monkeypatch.setattr(farewell, "PATIENCE", 0.3)
    connection = connection_of(provider)
    knock.websocket.transport.pause_reading()
    while connection._queued < 50_000:  # until the system's own buffers are full
        connection.session._out.append(bytes(16_000))
        connection.pump()
        await asyncio.sleep(0)
    connection.end(PeerError(Code.TIMED_OUT))
    await until(lambda: not provider.node._connections, 3)
    knock.websocket.transport.abort()
