"""`tallystick provide` with a key file: the owner signs and sends here, in one transaction; `fund` is another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.evm.rpc import Rpc

from .announcement import Announcement
from .chain.sender import Receipt, Sender
from .engines import Capabilities
from .operator_gas import operator_gas
from .quote import Agree, Quote
from .registering import Registering
from .settings import Settings

Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class Provided:
    """What was done: the announcement in force, and the transactions sent (hash by name; empty where nothing had to
    change).
    """

    announced: Announcement
    transactions: dict[str, str]


class Provider:
    """An owner's key at the registry of one chain."""

    def __init__(self, settings: Settings, crypto: Crypto, rpc: Rpc, where: Deployment, owner_key: bytes) -> None:
        self._settings, self._crypto, self._rpc, self._key = settings, crypto, rpc, owner_key
        chain = settings.chain
        self._sender = Sender(rpc, owner_key, where.chain_id, poll=min(1.0, chain.interval), patience=chain.patience)
        self._registering = Registering(settings, crypto, rpc, where)
        self.address = self._sender.address

    async def provide(
        self, able: Capabilities | Sequence[Capabilities], endpoint: str, tell: Tell, agree: Agree | None = None
    ) -> Provided:
        """Registers, or announces what changed, in one transaction at most, for which `agree` is asked. Raises
        LocalError.
        """
        models, steps = (able,) if isinstance(able, Capabilities) else able, self._registering
        draft = await steps.draft(self.address, models, endpoint)
        transactions: dict[str, str] = {}
        if not draft.call:
            blob = draft.profile.encode()
        else:
            blob, call = steps.seal(draft, self._crypto.secp256k1_sign(self._key, steps.digest(draft)))
            how = ", with its stake." if call.value else " again, changed."
            what = "Put this node's profile into the registry" + how
            receipt = await self._transact(what, call.to, call.data, call.value, agree)
            tell(draft.call, receipt.transaction.hex())
            transactions[draft.call] = "0x" + receipt.transaction.hex()
        return Provided(await steps.settled(self.address, blob), transactions)

    async def fund(self, tell: Tell, agree: Agree | None = None) -> dict[str, str]:
        """The operator pays gas for claims and closes; when it runs low the owner fills it up. Raises LocalError."""
        gas = await operator_gas(self._settings, self._crypto, self._rpc)
        if gas.operator == self.address or not gas.missing:
            return {}
        what = "Give the node's operator key coins for the gas of its claims."
        receipt = await self._transact(what, gas.operator, b"", gas.missing, agree)
        tell("fund", receipt.transaction.hex())
        return {"fund": "0x" + receipt.transaction.hex()}

    async def _transact(self, what: str, to: bytes, data: bytes, value: int, agree: Agree | None) -> Receipt:
        if agree is None:
            return await self._sender.transact(to, data, value)
        cost = await self._sender.cost(to, data, value)
        await agree(Quote(what, (cost,), self._settings.chain.symbol, await self._sender.balance()))
        return await self._sender.transact(to, data, value, cost=cost)
