"""The page's seats over real things, for tests of flows: this machine's network, and a wallet that signs."""

from __future__ import annotations

import asyncio
from typing import Any

from tallystick_helper.dial import NativeHost
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.rpc import RpcError
from tallystick_web.main import Page, build
from tallystick_web.ports import WalletInfo
from tests.e2e.wallet import Refusal, TestWallet
from tests.web.seats import WALLET, MemoryVault, seats


class RealWorld(NativeHost):
    """The network and clocks of this machine. `gone` cuts the way to every provider; `haste` divides what is slept."""

    gone = False
    haste = 1

    async def dial(self, url: str) -> Any:
        if self.gone:
            raise PeerError(Code.PROVIDER_GONE, url=url)
        return await super().dial(url)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.haste)

    def offset_minutes(self) -> int:
        return 0


class RealWallets:
    """A wallet that signs, behind the page's seat. `looked` is set once the page saw a transaction on its way."""

    def __init__(self, wallet: TestWallet) -> None:
        self._wallet = wallet
        self.looked = asyncio.Event()

    def found(self) -> tuple[WalletInfo, ...]:
        return (WALLET,)

    def watch(self, changed: Any) -> None:
        """Nothing comes later."""

    def listen(self, wallet: str, heard: Any) -> None:
        """Nothing changes."""

    async def request(self, wallet: str, method: str, params: list[Any]) -> Any:
        try:
            answer = await asyncio.to_thread(self._wallet.request, method, params)
            if method == "eth_getTransactionByHash" and answer:
                self.looked.set()
            return answer
        except Refusal as refusal:
            raise RpcError(refusal.code, refusal.message) from None
        except RuntimeError as error:
            raise RpcError(-32000, str(error)) from None


def page_of(wallets: RealWallets, vault: MemoryVault, world: RealWorld) -> Page:
    filled = seats(world=world)
    return build(type(filled)(wallets, vault, filled.locks, filled.screen, world, filled.crypto))
