"""What only the owner may do: asks the wallet to sign in (EIP-4361) where the node wants it, then does it."""

from __future__ import annotations

from typing import Any

from tallystick_shared.evm.rpc import RpcError

from .desk import Desk
from .seats import Answer


class Owner:
    """`tell` is the desk's, for routes that need the owner."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def tell(self, path: str, **body: Any) -> Answer | None:
        """The answer; None where the owner did not sign in, which has been said then."""
        api = self._desk.seats.api
        answer = await api.call("POST", path, body)
        if answer.body.get("error") == "OWNER_NEEDED":
            chain = str(answer.body.get("chain", ""))
            if not await self.sign_in(chain, str(answer.body.get("owner", ""))):
                return None
            return await self._desk.tell(path, **body)
        if not answer.good:
            self._desk.refused(answer)
        return answer

    async def sign_in(self, chain: str, owner: str) -> bool:
        """Asks the first wallet of this browser. The node made the message, and looks at all of it again."""
        desk, wallets = self._desk, self._desk.seats.wallets
        found = wallets.found()
        if not found:
            desk.say(*desk.words.error("no_wallet"))
            return False
        try:
            accounts = await wallets.request(found[0].id, "eth_requestAccounts", [])
            named = [str(one) for one in accounts] if isinstance(accounts, list) else []
            account = next((one for one in named if one.lower() == owner.lower()), "")
            if not account:
                desk.say(*desk.words.error("not_owner"))
                return False
            asked = await desk.tell("owner/message", account=account, chain=chain)
            if not asked.good:
                return False
            text = str(asked.body["message"])
            signature = await wallets.request(found[0].id, "personal_sign", ["0x" + text.encode().hex(), account])
        except RpcError as error:
            desk.say(*desk.words.error("refused" if error.code == 4001 else "wallet_unsupported"))
            return False
        return (await desk.tell("owner/sign-in", message=text, signature=str(signature))).good
