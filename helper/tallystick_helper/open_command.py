"""The work behind `tallystick channel open`: one transaction, its cost shown before it is sent."""

from __future__ import annotations

from typing import Any

from tallystick_shared.channel import NATIVE
from tallystick_shared.deposit import Terms
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.evm.token import Token

from .chat import Account
from .commands import chain_of
from .crypto import NativeCrypto
from .deployments import locate
from .keys import Secret
from .opening import Opening
from .quote import Agree
from .settings import Settings
from .shown import Money, plain_text
from .store import UserStore

DAY = 86400


async def open_now(
    settings: Settings, key: Secret, provider: bytes | None, amount: str, days: int, token: bytes, agree: Agree
) -> dict[str, Any]:
    """A deposit of that amount with the provider named, else with the cheapest that answers; what was done. Raises
    LocalError and PeerError, PROVIDER_GONE before any money moves.
    """
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        store = UserStore(settings.data_dir, crypto)
        account = Account(crypto, rpc, where, key.reveal(), store, min(1.0, settings.chain.interval))
        listing = await account.choose(provider, answering=True)
        profile = listing.usable()
        money = Money(settings.chain.symbol)
        if token != NATIVE:
            found = Token(crypto, token)
            money = Money(plain_text(await found.symbol(rpc)), await found.decimals(rpc))
        terms = Terms(money.parse(amount), life=days * DAY, token=token)
        opening = Opening(account, rpc, money, settings.chain.symbol, agree)
        deposit, receipt, quote = await opening.open(listing, terms)
        return {
            "id": to_hex(deposit.channel_id(crypto)),
            "opened": to_hex(receipt.transaction),
            "provider": to_hex(listing.provider),
            "models": [offer.model for offer in profile.offers],
            "deposit": deposit.amount,
            "expiry": deposit.expiry,
            "gas": receipt.gas_used,
            "cost": quote.values(),
            "symbol": money.symbol,
            "decimals": money.decimals,
        }
