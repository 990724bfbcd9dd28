"""Who took a transaction's place: another of the same account, mined under the same nonce.

A wallet that speeds a transaction up sends the same thing again at a higher price, and its hash is another one; a
wallet that cancels sends something else. The first is what was wanted, the second is not.
"""

from __future__ import annotations

from typing import Any

from tallystick_shared.errors import LocalError

from .rpc import Rpc, RpcError, to_bytes, to_hex, to_int

HISTORY = 127  # blocks of which every node still knows the state


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
