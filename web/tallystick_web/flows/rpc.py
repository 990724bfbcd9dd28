"""The chain: through the person's own wallet, or as long as there is none through the addresses that the site names."""

from __future__ import annotations

import json
from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

from ..ports import Wallets, World


class WalletRpc:
    """The `Rpc` seat of shared over one wallet."""

    def __init__(self, wallets: Wallets, wallet: str) -> None:
        self._wallets = wallets
        self.wallet = wallet

    async def request(self, method: str, params: list[Any]) -> Any:
        """Raises RpcError."""
        return await self._wallets.request(self.wallet, method, params)


class SiteRpc:
    """The `Rpc` seat of shared over the site's own addresses, for reading alone: the first that answers is asked."""

    def __init__(self, world: World, urls: tuple[str, ...]) -> None:
        self._world, self._urls = world, urls

    async def request(self, method: str, params: list[Any]) -> Any:
        """Raises RpcError, LocalError RPC_UNREACHABLE."""
        asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        fault = LocalError(Code.RPC_UNREACHABLE)
        for url in self._urls:
            try:
                answer = json.loads(await self._world.post(url, asked))
                if isinstance(error := answer.get("error"), dict):
                    raise RpcError(int(error.get("code", -32000)), str(error.get("message", "")), error.get("data"))
                return answer["result"]
            except LocalError as unreachable:
                fault = unreachable
            except (ValueError, KeyError, TypeError, AttributeError):
                fault = LocalError(Code.RPC_UNREACHABLE, url=url)
        raise fault
