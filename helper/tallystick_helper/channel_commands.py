"""The work behind `tallystick channel`: what can be done with a deposit, each thing shown before it is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.replaced import Watched
from tallystick_shared.evm.rpc import to_bytes, to_hex
from tallystick_shared.evm.token import Token
from tallystick_shared.market import Market

from .allowance import must_clear
from .chain.intent import Receipt
from .chain.sender import Sender
from .chat import Conversation
from .commands import chain_of, sender_of
from .crypto import NativeCrypto
from .deployments import locate
from .deposits import Deposits, Status, View
from .keys import Secret
from .quote import Agree, Quote
from .settings import Settings
from .shown import show_moment, show_span
from .store import UserStore

MINED_WITHIN = 120.0
Alone = Callable[[TallystickError], Awaitable[bool]]
"""Asked when the provider could not close: shall the end be asked for without it?"""


@dataclass(frozen=True)
class Desk:
    """Where a command works: a chain, what is kept for it, and the key that pays for gas, if one is needed."""

    settings: Settings
    deposits: Deposits
    sender: Sender | None

    @property
    def symbol(self) -> str:
        return self.settings.chain.symbol

    def signing(self) -> Sender:
        """Raises LocalError BAD_KEY_FILE without a key."""
        if self.sender is None:
            raise LocalError(Code.BAD_KEY_FILE, reason="this needs --key-file")
        return self.sender

    def payer(self, view: View) -> Sender:
        """The same, where it is the deposit's own; else raises LocalError WRONG_KEY."""
        sender = self.signing()
        if sender.address != view.held.config.payer:
            raise LocalError(Code.WRONG_KEY, payer=to_hex(view.held.config.payer), key=to_hex(sender.address))
        return sender

    async def send(self, what: str, data: bytes, agree: Agree, **quoted: Any) -> tuple[Receipt, Quote]:
        """Shows what a call of the contract, or of `to`, costs, then sends it."""
        sender = self.signing()
        to, value = quoted.pop("to", self.deposits.where.channels), quoted.pop("value", 0)
        cost = await sender.cost(to, data, value)
        quote = Quote(what, (cost,), self.symbol, await sender.balance(), **quoted)
        await agree(quote)
        return await sender.transact(to, data, value, cost=cost), quote

    def closed(self, view: View, logs: list[dict[str, Any]]) -> tuple[int, int]:
        """(paid, refunded) by the transaction that ended a deposit. Raises PeerError CLOSE_FAILED."""
        for entry in logs:
            found = self.deposits.contract.read_log(entry)
            if found and found.name == "Closed" and found.channel_id == view.held.channel_id:
                return found.values["paid"], found.values["refund"]
        raise PeerError(Code.CLOSE_FAILED, reason="no Closed event")

    def forget(self, view: View) -> None:
        """It is over, so nothing of it need be kept."""
        for kept in self.deposits.store.kept():
            if kept.channel_id(self.deposits.crypto) == view.held.channel_id:
                self.deposits.store.forget(kept)


@asynccontextmanager
async def desk(settings: Settings, key: Secret | None = None) -> AsyncIterator[Desk]:
    """Raises LocalError as `chain_of` and `locate` do."""
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        store = UserStore(settings.data_dir, crypto)
        sender = sender_of(settings, rpc, chain, key) if key else None
        yield Desk(settings, Deposits(crypto, rpc, where, store, settings.chain.symbol), sender)


async def list_now(settings: Settings, payer: bytes | None, *, every: bool) -> list[View]:
    """The deposits kept here; those that are over only where `every` is wished."""
    async with desk(settings) as at:
        views = await at.deposits.views(await at.deposits.held(payer))
        return [view for view in views if every or view.status is not Status.OVER]


async def show_now(settings: Settings, name: str) -> View:
    async with desk(settings) as at:
        return await at.deposits.one(name)


def _live(view: View) -> None:
    """Raises LocalError where there is nothing on chain to be ended."""
    if view.status in (Status.ABSENT, Status.SENT):
        raise LocalError(Code.UNKNOWN_CHANNEL, state=view.words())
    if view.status is Status.OVER:
        raise LocalError(Code.CHANNEL_ENDED, id=to_hex(view.held.channel_id))


# -- with the provider


async def close_now(settings: Settings, name: str, key: Secret | None, agree: Agree, alone: Alone) -> dict[str, Any]:
    """By the provider, at once; where it cannot, by a request of the payer's own, if `alone` says so."""
    async with desk(settings, key) as at:
        view = await at.deposits.one(name)
        _live(view)
        if view.status is Status.EXPIRED:
            return await _withdraw(at, view, agree)
        deposit = view.held.alone
        if deposit is None:
            reason = "it pays several providers" if view.held.parties else "its session key is lost"
            fault: TallystickError = LocalError(Code.CLOSE_FAILED, reason=reason)
        else:
            await agree(Quote(f"Ask {to_hex(deposit.provider)} to close.", (), at.symbol, **_back(view, view.rest)))
            try:
                return await _close(at, view, deposit)
            except TallystickError as error:
                if error.code is Code.IN_USE_ELSEWHERE:
                    raise
                fault = error
        if view.status is Status.CLOSING or not await alone(fault):
            raise PeerError(Code.CLOSE_FAILED, reason=str(fault), id=to_hex(view.held.channel_id))
        return await _request(at, view, agree)


def _back(view: View, amount: int) -> dict[str, Any]:
    """How a quote tells what comes back."""
    return {"back": amount} if view.native else {"notes": (f"Back  {view.money.show(amount)}",)}


def _done(view: View, **values: Any) -> dict[str, Any]:
    """What a command tells of a deposit; its amounts are in `symbol`, with so many decimals below one."""
    money = view.money
    return {"id": to_hex(view.held.channel_id), **values, "symbol": money.symbol, "decimals": money.decimals}


async def _close(at: Desk, view: View, deposit: Deposit) -> dict[str, Any]:
    deposits = at.deposits
    market = Market(deposits.crypto, deposits.where.chain_id, deposits.where.registry)
    profile = (await market.listing(deposits.rpc, deposit.provider)).usable()
    if (profile.payee, profile.operator) != (deposit.payee, deposit.closer):
        raise PeerError(Code.CLOSE_FAILED, reason="the provider has other keys now")
    deposit = msgspec.structs.replace(deposit, amount=str(view.state.deposit))
    conversation = Conversation(deposits.crypto, deposits.store, deposit, profile)
    try:
        await conversation.connect()
        transaction = to_hex(await conversation.close())
    finally:
        await conversation.leave()
    receipt = await _mined(at, transaction)
    paid, refund = at.closed(view, receipt.logs)
    at.forget(view)
    return _done(view, closed=to_hex(receipt.transaction), paid=str(paid), refund=str(refund))


async def _mined(at: Desk, transaction: str) -> Receipt:
    """Of another's transaction, once it is in a block; it may have been sent again at a higher price. Raises
    PeerError CLOSE_FAILED.
    """
    until, watched = time.monotonic() + MINED_WITHIN, Watched(at.deposits.rpc, transaction)
    try:
        while time.monotonic() < until:
            if found := await watched.look():
                return Receipt.read(to_bytes(found["transactionHash"]), found)
            await asyncio.sleep(min(1.0, at.settings.chain.interval))
    except LocalError as error:
        raise PeerError(Code.CLOSE_FAILED, reason=str(error)) from None
    raise PeerError(Code.CLOSE_FAILED, reason="its transaction is not mined yet", transaction=transaction)


# -- alone


async def request_now(settings: Settings, name: str, key: Secret, agree: Agree) -> dict[str, Any]:
    """The payer's own request: from delay on the rest can be taken back, whatever the provider does."""
    async with desk(settings, key) as at:
        view = await at.deposits.one(name)
        _live(view)
        if view.status is not Status.OPEN:
            code = Code.TOO_EARLY if view.status is Status.CLOSING else Code.CHANNEL_EXPIRING
            raise LocalError(code, state=view.words())
        return await _request(at, view, agree)


async def _request(at: Desk, view: View, agree: Agree) -> dict[str, Any]:
    at.payer(view)
    config = view.held.config
    what = f"Ask for the end: in {show_span(config.delay)} it can be taken back, less what the provider claims by then."
    receipt, quote = await at.send(what, at.deposits.contract.request_close(config), agree, **_back(view, view.rest))
    expiry = (await at.deposits.contract.state(at.deposits.rpc, view.held.channel_id)).expiry
    requested = to_hex(receipt.transaction)
    return _done(view, requested=requested, expiry=expiry, gas=receipt.gas_used, cost=quote.values())


async def withdraw_now(settings: Settings, name: str, key: Secret, agree: Agree) -> dict[str, Any]:
    """The rest, to the payer, once the deposit has expired; whoever sends it."""
    async with desk(settings, key) as at:
        view = await at.deposits.one(name)
        _live(view)
        return await _withdraw(at, view, agree)


async def _withdraw(at: Desk, view: View, agree: Agree) -> dict[str, Any]:
    if view.status is not Status.EXPIRED:
        moment = show_moment(view.state.expiry, view.now)
        mend = {} if view.status is Status.CLOSING else {"sooner": "tallystick channel close, or request-close"}
        raise LocalError(Code.TOO_EARLY, expiry=view.state.expiry, at=moment, **mend)
    back = view.state.deposit - view.state.claimed
    what = f"Take back {view.money.show(back)}, to {to_hex(view.held.config.payer)}."
    data = at.deposits.contract.withdraw(view.held.config)
    try:
        receipt, quote = await at.send(what, data, agree, **_back(view, back))
    except LocalError as error:
        if error.code is Code.TRANSACTION_FAILED and "early" in str(error.values.get("reason", "")):
            raise LocalError(Code.TOO_EARLY, expiry=view.state.expiry, reason="the chain's clock is behind") from None
        raise
    _, refund = at.closed(view, receipt.logs)
    at.forget(view)
    withdrawn = to_hex(receipt.transaction)
    return _done(view, withdrawn=withdrawn, refund=str(refund), gas=receipt.gas_used, cost=quote.values())


async def top_up_now(
    settings: Settings, name: str, key: Secret, amount: str, life: int | None, agree: Agree
) -> dict[str, Any]:
    """More into a deposit (`0.01` of its coin or token, or `5000wei`), and, with `life`, an expiry at least so many
    seconds from now. A token is approved first, for exactly this, where it is not.
    """
    async with desk(settings, key) as at:
        view = await at.deposits.one(name)
        _live(view)
        at.payer(view)
        more = view.money.parse(amount)
        expiry = view.state.expiry if life is None else max(view.state.expiry, view.now + life)
        if expiry <= view.now:
            raise LocalError(Code.CHANNEL_EXPIRING, state=view.words())
        if not view.native:
            await _approve(at, view, more, agree)
        data = at.deposits.contract.top_up(view.held.config, expiry, more)
        what = f"Put {view.money.show(more)} more into the deposit, good until {show_moment(expiry, view.now)}."
        receipt, quote = await at.send(what, data, agree, value=more if view.native else 0)
        total = str(view.state.deposit + more)
        for party in view.held.parties:
            at.deposits.store.save_deposit(msgspec.structs.replace(party.deposit, amount=total, expiry=expiry))
        told = {"topped_up": to_hex(receipt.transaction), "deposit": total, "expiry": expiry}
        return _done(view, **told, gas=receipt.gas_used, cost=quote.values())


async def _approve(at: Desk, view: View, amount: int, agree: Agree) -> None:
    """Raises LocalError NOT_ENOUGH_MONEY where the payer has not so much of the token."""
    sender, token = at.payer(view), Token(at.deposits.crypto, view.held.config.token)
    rpc, contract, show = at.deposits.rpc, at.deposits.where.channels, view.money.show
    held = await token.balance(rpc, sender.address)
    if held < amount:
        raise LocalError(Code.NOT_ENOUGH_MONEY, needed=show(amount), held=show(held))
    approved = await token.allowance(rpc, sender.address, contract)
    if approved < amount:
        if await must_clear(sender, token, contract, amount, approved):
            what = f"Take back the {show(approved)} that the contract may take: the token wants that first."
            await at.send(what, token.approve(contract, 0), agree, to=token.address)
        await at.send(
            f"Let the contract take {show(amount)}.", token.approve(contract, amount), agree, to=token.address
        )
