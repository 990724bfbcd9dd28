"""Becoming a provider, and changing the offer: the wallet in this browser signs the profile and sends the one
transaction that the node made. A prompt of the wallet only ever follows a click.
"""

from __future__ import annotations

import json
from typing import Any

from tallystick_shared.evm.rpc import RpcError, to_int

from ..faults import CHAIN_UNKNOWN, code_of_rpc
from .desk import Desk
from .owner import Owner, account_of
from .picking import Picking
from .watching import Watching

MACHINE = ("accelerator", "memory", "disk")
OUTSIDE = ("endpoint", "outside", "gas")


class Providing:
    """The intents of the tab."""

    def __init__(self, desk: Desk, watching: Watching, owner: Owner, picking: Picking) -> None:
        self._desk, self._watching, self._owner, self._picking = desk, watching, owner, picking
        desk.on("look-machine", lambda _: self._keep("provide/check", "machine", checks=list(MACHINE)))
        desk.on("look-outside", lambda _: self._keep("provide/check", "outside", checks=list(OUTSIDE)))
        desk.on("look-market", lambda _: self._keep("provide/market", "market"))
        desk.on("find-models", self._find)
        desk.on("use-model", lambda path: self._use("gguf", path=path))
        desk.on("use-upstream", lambda form: self._use("upstream", url=_field(form, "url")))
        desk.on("map-port", self._port)
        desk.on("register", self._register)

    async def _keep(self, path: str, name: str, /, **body: Any) -> None:
        """Asks, and keeps what was answered for the view."""
        answer = await self._desk.tell(path, **body)
        if answer.good:
            self._desk.change(data={**self._desk.state.data, name: answer.body})
            self._watching.wake()

    async def _find(self, form: str) -> None:
        if answer := await self._owner.tell("provide/find", path=_field(form, "path")):
            self._desk.change(data={**self._desk.state.data, "found": answer.body})
            self._watching.wake()

    async def _use(self, kind: str, **options: str) -> None:
        if await self._owner.tell("provide/use", engine={"kind": kind, "options": options}):
            self._watching.wake()

    async def _port(self, wanted: str) -> None:
        if await self._owner.tell("provide/port", on=wanted == "on"):
            self._watching.wake()

    async def _register(self, form: str) -> None:
        """With the wallet of the person."""
        given = json.loads(form)
        wishes = {name: str(given.get(name, "")).strip() for name in ("price_in", "price_out", "endpoint")}
        for price in ("price_in", "price_out"):
            wishes[price] = self._desk.words.read(wishes[price])
        wallet = await self._picking.wallet()
        if wallet is None:
            return
        self._desk.change(notice=None)
        try:
            await self._go(wallet, wishes)
        except RpcError as error:
            self._desk.say(*self._desk.words.error(code_of_rpc(error).name.lower()))

    async def _go(self, wallet: str, wishes: dict[str, str]) -> None:
        """Signature, then transaction. Raises RpcError."""
        ask, words = self._desk.seats.wallets.request, self._desk.words
        known = self._desk.state.of("provide")["provider"] or ""
        account = account_of(await ask(wallet, "eth_requestAccounts", []), known)
        await self._on_chain(wallet)
        draft = await self._owner.tell("provide/draft", wallet, owner=account, **wishes)
        if draft is None:
            return
        if not draft.body["call"]:
            self._desk.say(words("console.provide.same"), kind="good")
            return
        signature = await ask(wallet, "eth_signTypedData_v4", [account, json.dumps(draft.body["typed_data"])])
        sealed = await self._owner.tell("provide/seal", wallet, signature=signature)
        if sealed is None:
            return
        await ask(wallet, "eth_sendTransaction", [{**sealed.body["transaction"], "from": account}])
        self._desk.say(words("console.provide.sent"), words("console.provide.sent_step"), "good")
        self._watching.wake()

    async def _on_chain(self, wallet: str) -> None:
        """Switches first, and adds the chain only where the wallet does not know it. Raises RpcError."""
        ask, chain = self._desk.seats.wallets.request, self._desk.state.of("provide")["chain"]
        if to_int(str(await ask(wallet, "eth_chainId", []))) == chain["id"]:
            return
        try:
            await ask(wallet, "wallet_switchEthereumChain", [{"chainId": hex(chain["id"])}])
        except RpcError as error:
            if error.code != CHAIN_UNKNOWN:
                raise
            coin = {"name": chain["symbol"], "symbol": chain["symbol"], "decimals": 18}
            added = {"chainId": hex(chain["id"]), "chainName": chain["name"], "nativeCurrency": coin}
            await ask(wallet, "wallet_addEthereumChain", [{**added, "rpcUrls": chain["rpc"]}])


def _field(form: str, name: str) -> str:
    return str(json.loads(form).get(name, "")).strip()
