"""The work behind `tallystick registry leave` and `exit`: a provider asks for its stake, waits, and takes it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.registry import Registry
from tallystick_shared.evm.rpc import to_hex, to_int

from .announcement import Announcement
from .chain.intent import Receipt
from .chain.sender import Sender
from .commands import chain_of, sender_of
from .crypto import NativeCrypto
from .deployments import locate
from .keys import Secret
from .quote import Agree, Quote
from .registry_commands import GWEI
from .running import RunningNode
from .settings import Settings
from .shown import show_amount, show_moment

STAYS = "Until then it stays in the list. What users owe is claimed by the node, not from here: keep it on for that."


@dataclass(frozen=True)
class Owner:
    """The owner's key, and how its provider stands in the registry: `stake` in wei, `leaves` Unix seconds from which
    that is free (0 where nobody asked), `now` by the chain's newest block.
    """

    settings: Settings
    sender: Sender
    registry: Registry
    stake: int
    leaves: int
    now: int

    async def send(self, what: str, data: bytes, agree: Agree, **quoted: Any) -> tuple[Receipt, Quote]:
        """Shows what a call of the registry costs, then sends it."""
        to, sender = self.registry.address, self.sender
        cost = await sender.cost(to, data)
        quote = Quote(what, (cost,), self.settings.chain.symbol, await sender.balance(), **quoted)
        await agree(quote)
        return await sender.transact(to, data, cost=cost), quote

    def values(self, **done: Any) -> dict[str, Any]:
        """For `--json`: what every answer holds, and what was done."""
        symbol = self.settings.chain.symbol
        return {"provider": to_hex(self.sender.address), "stake": str(self.stake), "symbol": symbol, **done}


@asynccontextmanager
async def owner_of(settings: Settings, key: Secret) -> AsyncIterator[Owner]:
    """Raises LocalError NO_ENTRY where this key registered nobody, else as `chain_of` and `locate` do."""
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        registry, sender = Registry(crypto, where.registry), sender_of(settings, rpc, chain, key)
        (entry,) = await registry.entries(rpc, [sender.address])
        if not entry.registered:
            raise LocalError(Code.NO_ENTRY, address=to_hex(sender.address))
        leaves = await registry.unlock_at(rpc, sender.address)
        now = to_int((await rpc.request("eth_getBlockByNumber", ["latest", False]))["timestamp"])
        yield Owner(settings, sender, registry, entry.stake_gwei * GWEI, leaves, now)


async def leave_now(settings: Settings, key: Secret, agree: Agree) -> dict[str, Any]:
    """Asks for the end of a registration. Where that was done before nothing is sent, and `requested` is None."""
    async with owner_of(settings, key) as owner:
        unclaimed = await _unclaimed(settings, owner.sender.address)
        told = None if unclaimed is None else str(unclaimed)
        if owner.leaves:
            return owner.values(requested=None, leaves=owner.leaves, unclaimed=told)
        stake = show_amount(owner.stake, settings.chain.symbol)
        waits = [f"Not claimed yet: {show_amount(unclaimed, settings.chain.symbol)}."] if unclaimed else []
        what = f"Ask to leave the registry. Seven days later the stake of {stake} can be taken back."
        receipt, quote = await owner.send(what, owner.registry.request_exit(), agree, notes=(STAYS, *waits))
        leaves = owner.registry.unlocks(receipt.logs)
        requested, cost = to_hex(receipt.transaction), quote.values()
        return owner.values(requested=requested, leaves=leaves, unclaimed=told, gas=receipt.gas_used, cost=cost)


async def exit_now(settings: Settings, key: Secret, agree: Agree) -> dict[str, Any]:
    """Takes the stake back. Raises LocalError NOT_LEAVING where nobody asked for it, STAKE_LOCKED where it is too
    early.
    """
    async with owner_of(settings, key) as owner:
        if not owner.leaves:
            raise LocalError(Code.NOT_LEAVING, provider=to_hex(owner.sender.address))
        locked = LocalError(Code.STAKE_LOCKED, leaves=owner.leaves, at=show_moment(owner.leaves, owner.now))
        if owner.now < owner.leaves:
            raise locked
        what = f"Leave the registry, and take the stake back, to {to_hex(owner.sender.address)}."
        try:
            receipt, quote = await owner.send(what, owner.registry.exit(), agree, back=owner.stake)
        except LocalError as error:
            if error.code is Code.TRANSACTION_FAILED and "early" in str(error.values.get("reason", "")):
                raise locked from None  # the chain's newest block is behind another one's
            raise
        return owner.values(left=to_hex(receipt.transaction), gas=receipt.gas_used, cost=quote.values())


async def _unclaimed(settings: Settings, owner: bytes) -> int | None:
    """Wei of the coin that the node here has vouchers for and did not claim; None where no node of that owner runs."""
    announced, node = Announcement.load(settings.data_dir, settings.place), RunningNode.find(settings.data_dir)
    if node is None or announced is None or announced.provider != owner:
        return None
    try:
        found = (await node.command("/claims"))["chains"].get(settings.place)
    except TallystickError:
        return None
    return int(found["unclaimed"]) if found else None
