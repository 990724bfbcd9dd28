"""The chain, through the person's own wallet."""

from __future__ import annotations

from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import Rpc

from ..ports import Wallets, World

POLL = 1.0
PATIENCE = 600


class WalletRpc:
    """The `Rpc` seat of shared over one wallet."""

    def __init__(self, wallets: Wallets, wallet: str) -> None:
        self._wallets = wallets
        self.wallet = wallet

    async def request(self, method: str, params: list[Any]) -> Any:
        """Raises RpcError."""
        return await self._wallets.request(self.wallet, method, params)


async def receipt(rpc: Rpc, world: World, transaction: str) -> dict[str, Any]:
    """Waits for a transaction to be in a block. Raises LocalError TRANSACTION_FAILED where it failed or never
    came.
    """
    for attempt in range(PATIENCE):
        found = await rpc.request("eth_getTransactionReceipt", [transaction])
        if found is not None:
            if int(found["status"], 16) != 1:
                raise LocalError(Code.TRANSACTION_FAILED, transaction=transaction)
            return dict(found)
        await world.sleep(POLL if attempt else POLL / 4)
    raise LocalError(Code.TRANSACTION_FAILED, transaction=transaction)
