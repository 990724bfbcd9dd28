"""Transactions that somebody else sends, a wallet or a provider, looked at until they end; and who took the place of
one: another of the same account, mined under the same nonce.

A wallet that speeds a transaction up sends the same thing again at a higher price, and its hash is another one; a
wallet that cancels sends something else. The first is what was wanted, the second is not.
"""

from __future__ import annotations

from typing import Any

from tallystick_shared.errors import Code, LocalError

from .rpc import Rpc, RpcError, to_bytes, to_hex, to_int

HISTORY = 127  # blocks of which every node still knows the state
LOOKS = 3  # a nonce that is used without a receipt: so often before it is believed
FORGOTTEN = 30


async def mined_under(rpc: Rpc, account: bytes, nonce: int) -> dict[str, Any] | None:
    """The transaction of an account (20 bytes) that was mined under a used nonce in the last blocks, found by halving;
    None where the chain's node does not tell.
    """
    try:
        high = to_int(await rpc.request("eth_blockNumber", []))
        low = max(0, high - HISTORY)
        while low < high:
            middle = (low + high) // 2
            count = await rpc.request("eth_getTransactionCount", [to_hex(account), hex(middle)])
            low, high = (low, middle) if to_int(count) > nonce else (middle + 1, high)
        block = await rpc.request("eth_getBlockByNumber", [hex(low), True])
        for one in block["transactions"]:
            if to_bytes(one["from"]) == account and to_int(one["nonce"]) == nonce:
                return dict(one)
    except (LocalError, RpcError, AttributeError, KeyError, TypeError, ValueError):
        pass
    return None


def does_the_same(one: dict[str, Any], to: bytes | None, value: int, data: bytes) -> bool:
    """Does a transaction, as JSON-RPC gives it, do exactly this?"""
    try:
        target = to_bytes(one["to"]) if one["to"] else None
        return (target, to_int(one["value"]), to_bytes(one["input"])) == (to, value, data)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


class Watched:
    """One transaction by its hash, as hex. Call `look` about once a second."""

    def __init__(self, rpc: Rpc, transaction: str, forgotten: int = FORGOTTEN) -> None:
        """`forgotten`: after so many looks in a row at which nobody knew it, it counts as dropped."""
        self._rpc, self._transaction, self._forgotten = rpc, transaction, forgotten
        self._sent: dict[str, Any] | None = None
        self._unseen = self._unknown = 0

    async def look(self) -> dict[str, Any] | None:
        """Its receipt, or that of another which does the same in its place, as JSON-RPC gives it; None while it is
        on its way. Raises LocalError TRANSACTION_REPLACED with the other's hash as `by` where that is known,
        TRANSACTION_DROPPED, and what the Rpc seat raises.
        """
        if (found := await self._rpc.request("eth_getTransactionReceipt", [self._transaction])) is not None:
            return dict(found)
        known = await self._rpc.request("eth_getTransactionByHash", [self._transaction])
        self._sent, self._unknown = known or self._sent, 0 if known else self._unknown + 1
        self._unseen = self._unseen + 1 if self._sent and await self._is_used(self._sent) else 0
        if self._sent and self._unseen >= LOOKS:
            return await self._elsewhere(self._sent)
        if not self._unseen and self._unknown >= self._forgotten:
            raise LocalError(Code.TRANSACTION_DROPPED, transaction=self._transaction)
        return None

    async def _is_used(self, sent: dict[str, Any]) -> bool:
        count = await self._rpc.request("eth_getTransactionCount", [sent["from"], "latest"])
        return to_int(count) > to_int(sent["nonce"])

    async def _elsewhere(self, sent: dict[str, Any]) -> dict[str, Any] | None:
        one = await mined_under(self._rpc, to_bytes(sent["from"]), to_int(sent["nonce"]))
        target = to_bytes(sent["to"]) if sent["to"] else None
        if one is None or not does_the_same(one, target, to_int(sent["value"]), to_bytes(sent["input"])):
            raise LocalError(Code.TRANSACTION_REPLACED, transaction=self._transaction, by=one["hash"] if one else "")
        found = await self._rpc.request("eth_getTransactionReceipt", [one["hash"]])
        return dict(found) if found else None
