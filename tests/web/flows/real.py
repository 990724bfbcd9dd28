"""The page's seats over real things, for tests of flows: this machine's network, and a wallet that signs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2

from tallystick_helper.dial import NativeHost
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import RpcError
from tallystick_web.app import App
from tallystick_web.main import Page, build, start
from tallystick_web.ports import WalletInfo
from tallystick_web.state import State
from tests.e2e.stack import Demo
from tests.e2e.wallet import Refusal, TestWallet
from tests.helper.world import World
from tests.web.seats import WALLET, MemoryVault, seats


class RealWorld(NativeHost):
    """The network and clocks of this machine. `gone` cuts the way to every provider; `haste` divides what is slept, and
    the clock jumps over the rest.
    """

    gone = False
    haste = 1
    skipped = 0.0

    async def dial(self, url: str) -> Any:
        if self.gone:
            raise PeerError(Code.PROVIDER_GONE, url=url)
        return await super().dial(url)

    async def sleep(self, seconds: float) -> None:
        self.skipped += seconds - seconds / self.haste
        await asyncio.sleep(seconds / self.haste)

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped

    async def post(self, url: str, text: str) -> str:
        try:
            answer = await asyncio.to_thread(
                httpx2.post, url, content=text, headers={"content-type": "application/json"}, timeout=10
            )
        except httpx2.HTTPError:
            raise LocalError(Code.RPC_UNREACHABLE, url=url) from None
        return str(answer.text)

    def offset_minutes(self) -> int:
        return 0

    def language(self) -> str:
        return "en"


class QuickWorld(RealWorld):
    """Waiting takes a fiftieth of its time."""

    haste = 50


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


class Watched(RealWallets):
    """A wallet that counts, and whose node has no logs where `pruned`."""

    def __init__(self, wallet: TestWallet) -> None:
        super().__init__(wallet)
        self.asked: list[str] = []
        self.pruned = False

    async def request(self, wallet: str, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_getLogs" and self.pruned:
            raise RpcError(-32005, "logs are not kept")
        return await super().request(wallet, method, params)


class Town:
    """A page over a world of providers."""

    def __init__(self, world: World, host: RealWorld | None = None) -> None:
        self.world, self.host = world, host or RealWorld()
        where = world.where
        self.demo = Demo(
            "", world.url, where.chain_id, "0x" + where.registry.hex(), "0x" + where.channels.hex(), "", "", 0
        )
        self.wallet = TestWallet(self.demo, where.chain_id)
        self.wallets, self.vault = Watched(self.wallet), MemoryVault()
        self.page: Page = page_of(self.wallets, self.vault, self.host)
        self.known: dict[bytes, bytes] = {}

    @property
    def app(self) -> App:
        return self.page.app

    @property
    def state(self) -> State:
        return self.page.app.state

    @property
    def site(self) -> dict[str, Any]:
        """What the page's server would say."""
        return {
            "chain_id": self.demo.chain_id,
            "registry": self.demo.registry,
            "channels": self.demo.channels,
            "block": self.world.where.block,
            "known": {"0x" + provider.hex(): "0x" + blob.hex() for provider, blob in self.known.items()},
        }

    async def open(self) -> None:
        """Opened, with everything that this browser kept."""
        await start(self.page, json.dumps(self.site))

    async def read(self) -> State:
        """Opened, connected, and the market read."""
        await self.open()
        await self.app.idle()
        self.app.heard("connect")
        await self.app.idle()
        return self.state

    async def reload(self) -> None:
        """The same person, browser and wallet on a fresh page."""
        self.page = page_of(self.wallets, self.vault, self.host)
        await self.open()

    async def call(self, method: str, *params: Any) -> Any:
        """A request to the chain itself."""
        return await self.world.rpc.request(method, list(params))
