"""The chain, through the person's own wallet."""

from __future__ import annotations

from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.replaced import Watched
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
    """Waits for a transaction to be in a block. One that the wallet sped up has another hash: the receipt's own
    counts. Raises LocalError TRANSACTION_FAILED, TRANSACTION_REPLACED by something else, TRANSACTION_DROPPED, or
    TRANSACTION_PENDING where it may still come.
    """
    watched = Watched(rpc, transaction)
    for attempt in range(PATIENCE):
        found = await watched.look()
        if found is not None:
            if int(found["status"], 16) != 1:
                raise LocalError(Code.TRANSACTION_FAILED, transaction=transaction)
            return found
        await world.sleep(POLL if attempt else POLL / 4)
    raise LocalError(Code.TRANSACTION_PENDING, transaction=transaction)
