"""Becoming a provider, and changing the offer: the wallet in this browser signs the profile and sends the one
transaction that the node made. A prompt of the wallet only ever follows a click.
"""

from __future__ import annotations

import json
from typing import Any

from tallystick_shared.evm.rpc import RpcError, to_int

from ..faults import CHAIN_UNKNOWN, code_of_rpc
from .desk import Desk
from .seats import Answer
from .watching import Watching

MACHINE = ("accelerator", "memory", "disk")
OUTSIDE = ("endpoint", "outside", "gas")


class Refused(Exception):
    """The node said no; it was told."""


class Providing:
    """The intents of the tab."""

    def __init__(self, desk: Desk, watching: Watching) -> None:
        self._desk, self._watching, self._wishes = desk, watching, dict[str, str]()
        desk.on("look-machine", lambda _: self._keep("provide/check", "machine", checks=list(MACHINE)))
        desk.on("look-outside", lambda _: self._keep("provide/check", "outside", checks=list(OUTSIDE)))
        desk.on("look-market", lambda _: self._keep("provide/market", "market"))
        desk.on("find-models", self._find)
        desk.on("use-model", lambda path: self._use("gguf", path=path))
        desk.on("use-upstream", lambda form: self._use("upstream", url=_field(form, "url")))
        desk.on("map-port", lambda on: self._keep("provide/port", "port", on=on == "on"))
        desk.on("register", self._register)
        desk.on("register-with", self._with_wallet)

    async def _keep(self, path: str, name: str, **body: Any) -> None:
        """Asks, and keeps what was answered for the view."""
        answer = await self._desk.tell(path, **body)
        if answer.good:
            self._desk.change(data={**self._desk.state.data, name: answer.body})
            self._watching.wake()

    async def _find(self, form: str) -> None:
        await self._keep("provide/find", "found", path=_field(form, "path"))

    async def _use(self, kind: str, **options: str) -> None:
        if (await self._desk.tell("provide/use", engine={"kind": kind, "options": options})).good:
            self._watching.wake()

    async def _register(self, form: str) -> None:
        """One wallet at once; several give a picker."""
        given = json.loads(form)
        self._wishes = {name: str(given.get(name, "")).strip() for name in ("price_in", "price_out", "endpoint")}
        found = self._desk.seats.wallets.found()
        if not found:
            self._desk.say(*self._desk.words.error("no_wallet"))
        elif len(found) > 1:
            self._desk.change(sheet="wallets", wallets=tuple((one.id, one.name) for one in found))
        else:
            await self._with_wallet(found[0].id)

    async def _with_wallet(self, wallet: str) -> None:
        self._desk.change(sheet="", notice=None)
        try:
            await self._go(wallet)
        except RpcError as error:
            self._desk.say(*self._desk.words.error(code_of_rpc(error).name.lower()))
        except Refused:
            return

    async def _go(self, wallet: str) -> None:
        """Signature, then transaction. Raises RpcError, Refused."""
        ask, words = self._desk.seats.wallets.request, self._desk.words
        account = str((await ask(wallet, "eth_requestAccounts", []))[0])  # type: ignore[index]
        await self._on_chain(wallet)
        draft = (await self._owned(wallet, account, "provide/draft", owner=account, **self._wishes)).body
        if not draft["call"]:
            self._desk.say(words("console.provide.same"), kind="good")
            return
        signature = await ask(wallet, "eth_signTypedData_v4", [account, json.dumps(draft["typed_data"])])
        sealed = (await self._owned(wallet, account, "provide/seal", signature=signature)).body
        await ask(wallet, "eth_sendTransaction", [{**sealed["transaction"], "from": account}])
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

    async def _owned(self, wallet: str, account: str, path: str, **body: Any) -> Answer:
        """A request that needs the owner where there is one: signs in first then. Raises RpcError, Refused."""
        answer = await self._desk.seats.api.call("POST", path, body)
        if answer.body.get("error") == "OWNER_NEEDED":
            await self._sign_in(wallet, account)
            answer = await self._desk.seats.api.call("POST", path, body)
        if not answer.good:
            self._desk.refused(answer)
            raise Refused
        return answer

    async def _sign_in(self, wallet: str, account: str) -> None:
        """As the owner (EIP-4361). Raises RpcError, Refused."""
        asked = await self._desk.tell("owner/message", account=account)
        if not asked.good:
            raise Refused
        text = str(asked.body["message"])
        given = ["0x" + text.encode().hex(), account]
        signature = await self._desk.seats.wallets.request(wallet, "personal_sign", [*given])
        if not (await self._desk.tell("owner/sign-in", message=text, signature=signature)).good:
            raise Refused


def _field(form: str, name: str) -> str:
    return str(json.loads(form).get(name, "")).strip()
