"""Transactions that end: mined, replaced by a dearer version, or refused with a reason."""

from __future__ import annotations

import asyncio

import pytest

from tallystick_helper.chain.sender import Sender
from tallystick_shared.errors import Code, LocalError

from .world import CHAIN_ID, ETHER, World

TO = b"\x77" * 20


def sender(world: World, patience: float = 60.0) -> Sender:
    return Sender(world.rpc, world.user_key, CHAIN_ID, poll=0.01, patience=patience)


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


async def test_a_nonce_used_elsewhere_is_told(world: World) -> None:
    await world.rpc.request("evm_setAutomine", [False])
    one = sender(world, patience=0.2)
    waiting = asyncio.create_task(one.transact(TO, b"", 5))
    for _ in range(200):
        if int(await world.rpc.request("eth_getTransactionCount", ["0x" + one.address.hex(), "pending"]), 16):
            break
        await asyncio.sleep(0.01)
    await world.rpc.request("anvil_dropAllTransactions", [])
    await world.rpc.request("anvil_setNonce", ["0x" + one.address.hex(), "0x1"])
    with pytest.raises(LocalError) as caught:
        await waiting
    assert caught.value.values["reason"] == "replaced"


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
