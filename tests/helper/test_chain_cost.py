"""What a transaction costs is told before it is sent, and what was told is what is signed."""

from __future__ import annotations

from typing import Any

import pytest

from tallystick_helper.chain.cost import Cost, Market, estimate, market
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.transaction import Fees
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

from .world import CHAIN_ID, World

TO = b"\x77" * 20
GWEI = 10**9


class Prices:
    """A chain with prices of its own. `tip` None: it does not know the method."""

    def __init__(self, base: int | None, tip: int | None, gas_price: int) -> None:
        self._base, self._tip, self._gas_price = base, tip, gas_price

    async def request(self, method: str, params: list[Any]) -> Any:
        if method == "eth_getBlockByNumber":
            return {} if self._base is None else {"baseFeePerGas": hex(self._base)}
        if method == "eth_maxPriorityFeePerGas":
            if self._tip is None:
                raise RpcError(-32601, "method not found")
            return hex(self._tip)
        assert method == "eth_gasPrice"
        return hex(self._gas_price)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (Prices(10, 3, 0), Market(Fees(23, 3), 13)),
        (Prices(10, None, 14), Market(Fees(24, 4), 14)),
        (Prices(10, None, 7), Market(Fees(20, 0), 10)),
        (Prices(None, None, 9), Market(Fees(9), 9)),
    ],
)
async def test_the_price_of_gas(chain: Prices, expected: Market) -> None:
    assert await market(chain) == expected


def test_at_most_and_likely() -> None:
    cost = Cost(100, 120, Market(Fees(23, 3), 13), 7)
    assert (cost.most, cost.likely, cost.value) == (120 * 23, 100 * 13, 7)


async def test_never_more_is_paid_than_was_told(world: World) -> None:
    sender = Sender(world.rpc, world.user_key, CHAIN_ID, poll=0.01)
    cost = await sender.cost(TO, b"", 5)
    before = await sender.balance()
    await world.rpc.request("anvil_setNextBlockBaseFeePerGas", [hex(cost.market.fees.price - GWEI)])
    receipt = await sender.transact(TO, b"", 5, cost=cost)
    paid = before - await sender.balance() - 5
    assert paid == receipt.gas_used * receipt.gas_price
    assert cost.likely < paid <= cost.most


async def test_what_would_fail_is_told_instead(world: World) -> None:
    who = world.crypto.secp256k1_address(world.user_key)
    with pytest.raises(LocalError) as caught:
        await estimate(world.rpc, who, world.where.channels, b"\1\2\3\4")
    assert caught.value.code is Code.TRANSACTION_FAILED
