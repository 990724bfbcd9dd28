"""What a transaction costs, told before it is sent: gas, today's price of it, and the money that goes along.

Everything that sends asks here first, so the price shown is the price paid: `Sender.transact` takes a `Cost` and signs
with its gas and fees. Rollups also charge for their data on the chain below; that part is not in these figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import Rpc, RpcError, to_hex, to_int

from .transaction import Fees

GWEI = 10**9


@dataclass(frozen=True)
class Market:
    """Today's prices per gas in wei: `fees` to sign with (room for the base fee to double), `likely` what a block
    takes now.
    """

    fees: Fees
    likely: int


@dataclass(frozen=True)
class Cost:
    """Of one transaction: `estimate` and `gas` (the limit: a fifth more) in gas, `value` in wei."""

    estimate: int
    gas: int
    market: Market
    value: int = 0

    @property
    def most(self) -> int:
        """The highest fee in wei at the price that it leaves with."""
        return self.gas * self.market.fees.price

    @property
    def likely(self) -> int:
        """The fee in wei at this moment's price."""
        return self.estimate * self.market.likely


async def market(rpc: Rpc) -> Market:
    """EIP-1559 where the chain has a base fee, else its gas price. Raises RpcError, LocalError RPC_UNREACHABLE."""
    block = await rpc.request("eth_getBlockByNumber", ["latest", False])
    if block.get("baseFeePerGas") is None:
        price = to_int(await rpc.request("eth_gasPrice", []))
        return Market(Fees(price), price)
    base = to_int(block["baseFeePerGas"])
    try:
        tip = to_int(await rpc.request("eth_maxPriorityFeePerGas", []))
    except RpcError:  # not part of the standard, so not everywhere
        tip = max(0, to_int(await rpc.request("eth_gasPrice", [])) - base)
    return Market(Fees(2 * base + tip, tip), base + tip)


async def estimate(rpc: Rpc, sender: bytes, to: bytes | None, data: bytes = b"", value: int = 0) -> Cost:
    """Raises LocalError TRANSACTION_FAILED with the chain's reason where it would revert, NOT_ENOUGH_MONEY,
    RPC_UNREACHABLE.
    """
    call: dict[str, Any] = {"from": to_hex(sender), "data": to_hex(data), "value": hex(value)}
    if to is not None:
        call["to"] = to_hex(to)
    try:
        gas = to_int(await rpc.request("eth_estimateGas", [call]))
        return Cost(gas, gas * 6 // 5, await market(rpc), value)
    except RpcError as error:
        raise fault(error) from None


def fault(error: RpcError) -> LocalError:
    """A chain's refusal as an error of ours."""
    text = error.message.lower()
    if "insufficient" in text and ("fund" in text or "balance" in text):
        return LocalError(Code.NOT_ENOUGH_MONEY, reason=error.message[:200])
    return LocalError(Code.TRANSACTION_FAILED, reason=error.message[:200])
