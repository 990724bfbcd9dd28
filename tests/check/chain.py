"""Reading a chain by plain JSON-RPC: balances, nonces, receipts. No library of the project takes part."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


class Chain:
    """A JSON-RPC endpoint."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises RuntimeError with the node's own words."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            result = json.load(answer)
        if "error" in result:
            raise RuntimeError(f"{method}: {result['error']}")
        return result["result"]

    def balance(self, address: str, block: int | str = "latest") -> int:
        """In wei, after the given block."""
        return int(self.rpc("eth_getBalance", address, hex(block) if isinstance(block, int) else block), 16)

    def block(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    def transactions_since(self, block: int) -> list[dict[str, Any]]:
        """Every transaction mined after `block`."""
        found = []
        for number in range(block + 1, self.block() + 1):
            found += self.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]
        return found

    def receipt(self, transaction: str) -> dict[str, Any]:
        receipt = self.rpc("eth_getTransactionReceipt", transaction)
        if receipt is None:
            raise RuntimeError(f"no receipt for {transaction}")
        return dict(receipt)
