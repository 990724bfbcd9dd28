"""The work behind `tallystick channel open`: one transaction, its cost shown before it is sent."""

from __future__ import annotations

from typing import Any

from tallystick_shared.channel import NATIVE
from tallystick_shared.deposit import Terms
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.evm.token import Token
from tallystick_shared.messages import amount_int

from .chain.cost import Cost, market
from .chat import Account
from .commands import chain_of
from .crypto import NativeCrypto
from .deployments import locate
from .keys import Secret
from .quote import Agree, Quote
from .settings import Settings
from .shown import Money, plain_text
from .store import UserStore

DAY = 86400
OPEN_GAS, OPEN_TOKEN_GAS = 51_000, 101_000
"""Of a deposit in the coin and in a token, by contracts/gas.json, rounded up: shown before the deposit is made."""


async def open_now(
    settings: Settings, key: Secret, provider: bytes | None, amount: str, days: int, token: bytes, agree: Agree
) -> dict[str, Any]:
    """A deposit of that amount with the provider named, else with the cheapest; what was done. Raises LocalError and
    PeerError.
    """
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        store = UserStore(settings.data_dir, crypto)
        account = Account(crypto, rpc, where, key.reveal(), store, min(1.0, settings.chain.interval))
        listing = await account.choose(provider)
        profile = listing.usable()
        money = Money(settings.chain.symbol)
        if token != NATIVE:
            found = Token(crypto, token)
            money = Money(plain_text(await found.symbol(rpc)), await found.decimals(rpc))
        terms = Terms(money.parse(amount), life=days * DAY, token=token)
        notes = [] if token == NATIVE else [f"Sent  {money.show(terms.amount)}"]
        if first := amount_int(profile.first_voucher):
            notes.append(f"The first question pays {money.show(first)} ahead; what is not used of it stays paid.")
        gas = OPEN_GAS if token == NATIVE else OPEN_TOKEN_GAS
        cost = Cost(gas, gas * 6 // 5, await market(rpc), terms.amount if token == NATIVE else 0)
        what = f"Put {money.show(terms.amount)} down with {to_hex(listing.provider)}."
        quote = Quote(what, (cost,), settings.chain.symbol, await account.balance(), notes=tuple(notes))
        await agree(quote)
        deposit, receipt = await account.open(listing, terms)
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
