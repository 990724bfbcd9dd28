"""The chain, through the person's own wallet."""

from __future__ import annotations

from typing import Any

from ..ports import Wallets


class WalletRpc:
    """The `Rpc` seat of shared over one wallet."""

    def __init__(self, wallets: Wallets, wallet: str) -> None:
        self._wallets = wallets
        self.wallet = wallet

    async def request(self, method: str, params: list[Any]) -> Any:
        """Raises RpcError."""
        return await self._wallets.request(self.wallet, method, params)
