"""A deposit at a terminal: whom it is made with, what it costs, and that it is agreed to before it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_shared.channel import NATIVE
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.evm.rpc import Rpc, to_hex
from tallystick_shared.market import Listing
from tallystick_shared.messages import amount_int

from .chain.cost import Cost, market
from .chain.sender import Receipt
from .chat import Account
from .quote import Agree, Quote
from .shown import Money

OPEN_GAS, OPEN_TOKEN_GAS = 51_000, 101_000
"""Of a deposit in the coin and in a token, by contracts/gas.json, rounded up: shown before the deposit is made."""


@dataclass(frozen=True)
class Opening:
    """Opens a payer's deposits on one chain. `money` is what they hold, `symbol` names the chain's coin."""

    account: Account
    rpc: Rpc
    money: Money
    symbol: str
    agree: Agree

    async def quote(self, listing: Listing, terms: Terms) -> Quote:
        """What it would cost, before anything is asked or sent."""
        coin, show = terms.token == NATIVE, self.money.show
        notes = [] if coin else [f"Sent  {show(terms.amount)}"]
        if first := amount_int(listing.usable().first_voucher):
            notes.append(f"The first question pays {show(first)} ahead; what is not used of it stays paid.")
        gas = OPEN_GAS if coin else OPEN_TOKEN_GAS
        cost = Cost(gas, gas * 6 // 5, await market(self.rpc), terms.amount if coin else 0)
        what = f"Put {show(terms.amount)} down with {to_hex(listing.provider)}."
        return Quote(what, (cost,), self.symbol, await self.account.balance(), notes=tuple(notes))

    async def open(self, listing: Listing, terms: Terms) -> tuple[Deposit, Receipt, Quote]:
        """One transaction, once it is agreed to. Raises LocalError REFUSED, NOT_CONFIRMED and as `Account.open`."""
        quote = await self.quote(listing, terms)
        await self.agree(quote)
        return *(await self.account.open(listing, terms)), quote
