"""What only the owner may do: asks the wallet to sign in (EIP-4361) where the node wants it, then does it."""

from __future__ import annotations

from typing import Any

from tallystick_shared.evm.rpc import RpcError

from ..faults import code_of_rpc
from .desk import Desk
from .picking import Picking
from .seats import Answer


class Owner:
    """`tell` is the desk's, for routes that need the owner: every one of them goes through here."""

    def __init__(self, desk: Desk, picking: Picking) -> None:
        self._desk, self._picking = desk, picking

    async def tell(self, path: str, wallet: str | None = None, /, **body: Any) -> Answer | None:
        """The answer where it is good; None where it was refused or nobody signed in, which has been said then. Signs
        in with `wallet`; without one the person picks, should it come to that.
        """
        answer = await self._desk.seats.api.call("POST", path, body)
        if answer.body.get("error") == "OWNER_NEEDED":
            if not await self._sign_in(wallet, str(answer.body["chain"]), str(answer.body["owner"])):
                return None
            answer = await self._desk.seats.api.call("POST", path, body)
        return answer if self._desk.taken(answer) else None

    async def _sign_in(self, wallet: str | None, chain: str, owner: str) -> bool:
        """The node made the message, and looks at all of it again."""
        chosen = wallet or await self._picking.wallet()
        if chosen is None:
            return False
        try:
            return await self._signed(chosen, chain, owner)
        except RpcError as error:
            self._desk.say(*self._desk.words.error(code_of_rpc(error).name.lower()))
            return False

    async def _signed(self, wallet: str, chain: str, owner: str) -> bool:
        """Raises RpcError."""
        desk, ask = self._desk, self._desk.seats.wallets.request
        account = account_of(await ask(wallet, "eth_requestAccounts", []), owner)
        if account.lower() != owner.lower():
            desk.say(*desk.words.error("not_owner"))
            return False
        asked = await desk.tell("owner/message", account=account, chain=chain)
        if not asked.good:
            return False
        text = str(asked.body["message"])
        signature = await ask(wallet, "personal_sign", ["0x" + text.encode().hex(), account])
        return (await desk.tell("owner/sign-in", message=text, signature=str(signature))).good


def account_of(given: object, wanted: str) -> str:
    """The one that is wanted where a wallet gave it, else its first; empty where it gave none."""
    accounts = [str(one) for one in given] if isinstance(given, list) else []
    return next((one for one in accounts if one.lower() == wanted.lower()), accounts[0] if accounts else "")
