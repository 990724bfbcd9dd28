"""JSON-RPC over HTTP: an error is the chain's word, silence asks the next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.demo import anvil
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

from .proxy import Clock, proxy
from .world import World


def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@asynccontextmanager
async def answering(body: bytes, status: str = "200 OK") -> AsyncIterator[str]:
    """An HTTP server that gives one answer to everything."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_an_answer_and_an_error(world: World) -> None:
    assert await world.rpc.request("eth_chainId", []) == "0x7a69"
    with pytest.raises(RpcError) as caught:
        await world.rpc.request("eth_nonsense", [])
    assert caught.value.code == -32601 or caught.value.code == -32602


@asynccontextmanager
async def rpc_over(*urls: str, **options: Any) -> AsyncIterator[HttpRpc]:
    rpc = HttpRpc(list(urls), **options)
    yield rpc
    await rpc.aclose()


async def test_the_next_url_is_asked_where_one_is_silent_or_talks_nonsense(world: World) -> None:
    async with (
        answering(b"<html>", "502 Bad Gateway") as broken,
        answering(b"[]") as odd,
        rpc_over(closed_url(), broken, odd, world.url) as rpc,
    ):
        assert await rpc.request("eth_chainId", []) == "0x7a69"
        assert await rpc.request("eth_chainId", []) == "0x7a69"


async def test_the_first_url_comes_back_after_its_rest(world: World) -> None:
    clock = Clock()
    async with (
        proxy(world.url) as first,
        proxy(world.url) as second,
        rpc_over(first.url, second.url, rest=15, clock=clock) as rpc,
    ):
        await rpc.request("eth_gasPrice", [])
        assert (first.asked, second.asked) == ({"eth_chainId": 1, "eth_gasPrice": 1}, {})
        first.dead = True
        for _ in range(3):
            await rpc.request("eth_gasPrice", [])
        assert second.asked == {"eth_chainId": 1, "eth_gasPrice": 3}
        first.dead, clock.now = False, clock.now + 14
        await rpc.request("eth_gasPrice", [])
        assert (first.asked["eth_gasPrice"], second.asked["eth_gasPrice"]) == (1, 4)
        clock.now += 2
        await rpc.request("eth_gasPrice", [])
        assert first.asked == {"eth_chainId": 2, "eth_gasPrice": 2}
        assert second.asked["eth_gasPrice"] == 4


async def test_where_all_rest_all_are_tried(world: World) -> None:
    async with proxy(world.url) as first, proxy(world.url) as second, rpc_over(first.url, second.url) as rpc:
        first.dead = second.dead = True
        with pytest.raises(LocalError):
            await rpc.request("eth_gasPrice", [])
        second.dead = False
        await rpc.request("eth_gasPrice", [])


async def test_a_url_of_another_chain_is_asked_for_nothing_but_its_id(world: World) -> None:
    async with anvil(chain_id=5) as other, proxy(other) as wrong:
        async with rpc_over(wrong.url, world.url, chain_id=31337) as rpc:
            for _ in range(3):
                assert int(await rpc.request("eth_chainId", []), 16) == 31337
                await rpc.request("eth_gasPrice", [])
            assert set(wrong.asked) == {"eth_chainId"}
        async with rpc_over(wrong.url, wrong.url, chain_id=31337) as rpc:
            with pytest.raises(LocalError) as caught:
                await rpc.request("eth_gasPrice", [])
            assert caught.value.code is Code.WRONG_CHAIN
            assert caught.value.values == {"wanted": 31337, "found": 5}
        # One is on another chain and one is silent: that is not a matter of settings alone.
        async with rpc_over(wrong.url, closed_url(), chain_id=31337) as rpc:
            with pytest.raises(LocalError) as caught:
                await rpc.request("eth_gasPrice", [])
            assert caught.value.code is Code.RPC_UNREACHABLE
        assert set(wrong.asked) == {"eth_chainId"}


async def test_without_a_chain_id_the_first_to_answer_says_which(world: World) -> None:
    async with anvil(chain_id=5) as other, rpc_over(closed_url(), other, world.url) as rpc:
        assert await rpc.request("eth_chainId", []) == "0x5"
        with pytest.raises(LocalError):
            await rpc.each()[2].request("eth_gasPrice", [])


async def test_a_url_that_comes_back_as_another_chain_is_noticed(world: World) -> None:
    async with anvil(chain_id=5) as other, proxy(world.url) as changing, rpc_over(changing.url, world.url) as rpc:
        await rpc.request("eth_gasPrice", [])
        changing.dead = True
        await rpc.request("eth_gasPrice", [])
        changing.dead, changing.target = False, other
        with pytest.raises(LocalError):
            await rpc.each()[0].request("eth_gasPrice", [])
        rpc._endpoints[0].rests_until = 0
        assert await rpc.request("eth_chainId", []) == "0x7a69"


def frozen(height: int) -> Any:
    """Says that the chain ends at that block."""

    def forge(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_blockNumber":
            return hex(height)
        return {**result, "number": hex(height)} if method == "eth_getBlockByNumber" else result

    return forge


async def test_one_that_stands_still_is_noticed_and_passed_over(world: World) -> None:
    clock = Clock()
    await world.rpc.request("anvil_mine", ["0x20"])
    async with (
        proxy(world.url, frozen(3)) as first,
        proxy(world.url) as second,
        rpc_over(first.url, second.url, clock=clock) as rpc,
    ):
        # The first look finds nothing odd, and asks aside.
        assert (await rpc.request("eth_getBlockByNumber", ["latest", False]))["number"] == "0x3"
        assert rpc._aside is not None
        await rpc._aside
        high = (await rpc.request("eth_getBlockByNumber", ["latest", False]))["number"]
        assert int(high, 16) > 30
        first.asked.clear()
        await rpc.request("eth_gasPrice", [])
        assert first.asked == {}
        # After its rest it is asked how high it is before anything else.
        clock.now += 20
        await rpc.request("eth_gasPrice", [])
        assert set(first.asked) == {"eth_chainId", "eth_blockNumber"}
        first.forge, clock.now = None, clock.now + 20
        await rpc.request("eth_gasPrice", [])
        assert first.asked["eth_gasPrice"] == 1
        # Where no other answers, what is behind is better than nothing.
        first.forge, second.dead = frozen(3), True
        assert await rpc.request("eth_blockNumber", []) == "0x3"


async def test_a_block_or_two_behind_is_no_fault(world: World) -> None:
    await world.rpc.request("anvil_mine", ["0x20"])
    height = int(await world.rpc.request("eth_blockNumber", []), 16)
    async with (
        proxy(world.url, frozen(height - 3)) as first,
        proxy(world.url) as second,
        rpc_over(first.url, second.url) as rpc,
    ):
        await rpc.request("eth_blockNumber", [])
        assert rpc._aside is not None
        await rpc._aside
        assert await rpc.request("eth_blockNumber", []) == hex(height - 3)


async def test_null_for_a_transaction_counts_once_all_say_it(world: World) -> None:
    sent = await world.rpc.request("anvil_mine", ["0x1"])
    assert sent is None
    block = await world.rpc.request("eth_getBlockByNumber", ["latest", False])
    nothing: Any = lambda method, params, result: None if method.startswith("eth_getBlock") else result  # noqa: E731
    async with proxy(world.url, nothing) as behind, rpc_over(behind.url, world.url) as rpc:
        assert await rpc.request("eth_getBlockByHash", [block["hash"], False]) == block
        assert await rpc.request("eth_getTransactionReceipt", ["0x" + "77" * 32]) is None
        # The newest block is never null: such a URL rests.
        assert (await rpc.request("eth_getBlockByNumber", ["latest", False]))["hash"] == block["hash"]
        assert rpc.rests(rpc._endpoints[0])


async def test_each_url_by_itself(world: World) -> None:
    async with proxy(world.url) as first, rpc_over(first.url, world.url) as rpc:
        one, two = rpc.each()
        assert await one.request("eth_chainId", []) == await two.request("eth_chainId", [])
        with pytest.raises(RpcError):
            await two.request("eth_nonsense", [])
        first.dead = True
        for _ in range(2):
            with pytest.raises(LocalError) as caught:
                await one.request("eth_chainId", [])
            assert caught.value.code is Code.RPC_UNREACHABLE
        assert caught.value.values["reason"] == "resting"


async def test_nobody_answers() -> None:
    rpc = HttpRpc([closed_url()])
    with pytest.raises(LocalError) as caught:
        await rpc.request("eth_chainId", [])
    assert caught.value.code is Code.RPC_UNREACHABLE
    await rpc.aclose()


def test_there_must_be_a_url() -> None:
    with pytest.raises(LocalError) as caught:
        HttpRpc([])
    assert caught.value.code is Code.BAD_SETTINGS


@pytest.mark.parametrize("url", ["foo", "ws://127.0.0.1:1", "127.0.0.1:8545"])
def test_an_address_of_another_kind_is_said_to_be_one(url: str) -> None:
    with pytest.raises(LocalError) as caught:
        HttpRpc(["http://127.0.0.1:1", url])
    assert (caught.value.code, caught.value.values["found"]) == (Code.BAD_SETTINGS, url)
