"""A user at a terminal: opens a deposit with a key it is given, talks to a provider, closes. The same
`shared.user.User` as the page's.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tallystick_shared.chains import Deployment
from tallystick_shared.channel import NATIVE, ChannelState
from tallystick_shared.chat import SERVICE, ChatParams, Kind, chat_input, encode_params
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit, Terms, opening_call
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, RpcError, to_bytes, to_int
from tallystick_shared.market import Listing, Market
from tallystick_shared.profile import Offer, Profile
from tallystick_shared.session.events import (
    CloseAccepted,
    Closed,
    Event,
    Finished,
    Output,
    Ready,
    Refused,
    VoucherDurable,
)
from tallystick_shared.several import plan_several
from tallystick_shared.user import CLOSE_TIMEOUT, Line, User

from .allowance import allow
from .chain.sender import Receipt, Sender
from .dial import NativeHost
from .guest import NativeGuest
from .store import UserStore

LEAST_LIFE = 3 * 3600
ARRIVAL = 120.0
SETTLE_TIMEOUT = 5.0
GOODBYE = 5.0
TRIES = 4
"""So many providers are dialled, the cheapest first, until one answers."""
NAMED = 8
"""So many offers are named to who asked for another kind."""
UNREACHED = frozenset({Code.PROVIDER_GONE, Code.TIMED_OUT, Code.TRUNCATED, Code.HANDSHAKE_FAILED})
"""After these nobody is there who could serve; another answer is an answer."""


@dataclass
class Answer:
    """A finished answer, with what it took. Units are the model's, the amount is in smallest units, times in
    seconds.
    """

    text: str = ""
    input_units: int = 0
    output_units: int = 0
    amount: int = 0
    finish: str = ""
    first_token: float | None = None
    seconds: float = 0.0
    stream: int = 0
    arrivals: list[float] = field(default_factory=list)
    units_at_first: int = 0


class Account:
    """A payer's key on one chain: finds or opens deposits, and takes them back."""

    def __init__(
        self, crypto: Crypto, rpc: Rpc, where: Deployment, key: bytes, store: UserStore, poll: float = 0.25
    ) -> None:
        self._crypto, self._rpc, self._where, self._store, self._key = crypto, rpc, where, store, key
        self._poll = poll
        self._sender = Sender(rpc, key, where.chain_id, poll=poll)
        self._channels = Channels(crypto, where.channels)
        self._market = Market(crypto, where.chain_id, where.registry)
        self._guest = NativeGuest(crypto, where)
        self.address = self._sender.address

    async def balance(self) -> int:
        """Of the coin, in wei."""
        return await self._sender.balance()

    async def choose(self, provider: bytes | None, kind: str = "", *, answering: bool = False) -> Listing:
        """The provider named, else the cheapest by output price; of those with an offer of that kind, where one is
        named, and of those that answer where that is wished. Raises PeerError NOT_REGISTERED, BAD_PROFILE or
        PROVIDER_GONE, LocalError NO_PROVIDERS, and NO_OFFER where there are providers, but none of that kind.
        """
        if provider is not None:
            listing = await self._named(provider)
            if answering:
                await self.greet(listing)
            return listing
        view = await self._guest.market(self._rpc)
        gone: list[PeerError] = []
        others: set[str] = set()
        for cheapest in sorted(view, key=lambda one: _output_price(view.glance(one), kind)):
            listing = view.listing(cheapest)
            if listing.profile is None or _output_price(listing.profile, kind) == math.inf:
                others |= {f"{offer.kind} by {offer.model}" for offer in _offers(listing)}
                continue
            try:
                if answering:
                    await self.greet(listing)
                return listing
            except PeerError as error:
                gone.append(error)
                if len(gone) == TRIES:
                    break
        if others and not gone:
            raise LocalError(Code.NO_OFFER, asked=kind, offered=", ".join(sorted(others)[:NAMED]))
        raise gone[0] if gone else LocalError(Code.NO_PROVIDERS)

    async def greet(self, listing: Listing) -> None:
        """Dials a provider and asks it a word that costs nothing, before money goes there. Raises PeerError
        PROVIDER_GONE where nobody with its key answers.
        """
        try:
            await self._guest.advert(listing)
        except TallystickError as error:
            if error.code in UNREACHED:
                name = "0x" + listing.provider.hex()
                raise PeerError(Code.PROVIDER_GONE, provider=name, reason=error.code.name.lower()) from None

    async def held(self, kind: str, token: bytes = NATIVE) -> tuple[Listing, Deposit] | None:
        """An open deposit in that token with a provider that answers and has an offer of that kind; the cheapest such.
        Raises LocalError TRANSACTION_PENDING.
        """
        found: list[tuple[float, Listing, Deposit]] = []
        here = (self._where.chain_id, self._where.channels, self.address)
        kept = (one for one in self._store.deposits() if (one.chain_id, one.channels, one.config.payer) == here)
        for provider in sorted({one.provider for one in kept}):
            try:
                listing = await self._named(provider)
            except PeerError:
                continue  # it left the registry: its deposit waits for its end
            price = _output_price(listing.profile, kind)
            if price == math.inf or (deposit := await self.find(listing, token)) is None:
                continue
            if await self._left(deposit):
                found.append((price, listing, deposit))
        for _, listing, deposit in sorted(found, key=lambda one: one[0]):
            try:
                await self.greet(listing)
                return listing, deposit
            except PeerError:
                continue
        return None

    async def _left(self, deposit: Deposit) -> bool:
        """Is anything left in it, as far as is known here?"""
        known = await self._store.load(deposit.account_id(self._crypto))
        return known is None or known.owed < deposit.cap

    async def _named(self, provider: bytes) -> Listing:
        """One provider by its own log; where the chain's node has forgotten that, by others' snapshots."""
        try:
            listing = await self._market.listing(self._rpc, provider)
            forgotten = listing.fault is not None and listing.fault.values.get("reason") == "not found"
        except RpcError:
            forgotten = True
        if forgotten:
            listing = (await self._guest.market(self._rpc)).listing(provider)
        listing.usable()
        return listing

    async def state(self, deposit: Deposit) -> ChannelState:
        return await self._channels.state(self._rpc, deposit.channel_id(self._crypto))

    async def find(self, listing: Listing, token: bytes = NATIVE) -> Deposit | None:
        """A deposit of this key in that token with this provider that is good for a while yet."""
        profile = listing.usable()
        for deposit in self._store.deposits():
            mine = (deposit.chain_id, deposit.channels, deposit.provider, deposit.config.payer)
            if mine != (self._where.chain_id, self._where.channels, listing.provider, self.address):
                continue
            if (deposit.payee, deposit.closer, deposit.config.token) != (profile.payee, profile.operator, token):
                continue
            state = await self._arrived(deposit)
            if state.known and not state.ended and state.expiry - time.time() > LEAST_LIFE:
                return msgspec.structs.replace(deposit, amount=str(state.deposit))
        return None

    async def _arrived(self, deposit: Deposit) -> ChannelState:
        """Its state; one that an earlier run sent and that is still on its way is waited for, or there would be two.
        Raises LocalError TRANSACTION_PENDING.
        """
        end = time.monotonic() + ARRIVAL
        while True:
            state = await self.state(deposit)
            known = deposit.transaction and await self._rpc.request("eth_getTransactionByHash", [deposit.transaction])
            if state.known or not known:
                return state
            if known["blockNumber"] is not None:  # in a block since: open, or it failed
                return await self.state(deposit)
            if time.monotonic() > end:
                raise LocalError(Code.TRANSACTION_PENDING, transaction=deposit.transaction)
            await asyncio.sleep(self._poll)

    async def open(self, listing: Listing, terms: Terms) -> tuple[Deposit, Receipt]:
        """One transaction. The session key is kept before it leaves. Raises LocalError and PeerError."""
        (deposit,), receipt = await self.open_several([listing], terms)
        return deposit, receipt

    async def open_several(
        self, listings: Sequence[Listing], terms: Terms, weights: Sequence[int] = ()
    ) -> tuple[list[Deposit], Receipt]:
        """One transaction for a deposit with several providers, each up to its cap (`plan_several`)."""
        now = int(time.time())
        deposits = plan_several(self._crypto, self._where, listings, self.address, terms, now, weights)
        permit = await allow(self._crypto, self._rpc, self._sender, self._key, deposits[0])
        call = opening_call(self._crypto, deposits[0], permit)
        data, value = to_bytes(call["data"]), to_int(call["value"])
        # What cannot be paid is not sent, so nothing needs to be kept of it.
        if (held := await self._sender.balance()) < value:
            raise LocalError(Code.NOT_ENOUGH_MONEY, needed=f"{value} wei and the fee", held=f"{held} wei")
        for deposit in deposits:
            self._store.save_deposit(deposit)

        async def sent(transaction: bytes) -> None:
            self._sent(deposits, transaction)

        receipt = await self._sender.transact(self._where.channels, data, value, on_sent=sent)
        return self._sent(deposits, receipt.transaction), receipt

    def _sent(self, deposits: Sequence[Deposit], transaction: bytes) -> list[Deposit]:
        """Keeps with each the hash of what opens it, so that a later run knows that it is on its way."""
        noted = [msgspec.structs.replace(deposit, transaction="0x" + transaction.hex()) for deposit in deposits]
        for deposit in noted:
            self._store.save_deposit(deposit)
        return noted

    async def request_close(self, deposit: Deposit) -> Receipt:
        """Without the provider: the end comes after the delay."""
        data = self._channels.request_close(deposit.channel_config())
        return await self._sender.transact(self._where.channels, data)

    def closing(self, logs: list[dict[str, Any]], deposit: Deposit) -> tuple[int, int]:
        """(paid, refunded) by the transaction that closed a deposit, from its logs."""
        channel_id = deposit.channel_id(self._crypto)
        for entry in logs:
            found = self._channels.read_log(entry)
            if found and found.name == "Closed" and found.channel_id == channel_id:
                return found.values["paid"], found.values["refund"]
        raise PeerError(Code.CLOSE_FAILED, reason="no Closed event")

    async def withdraw(self, deposit: Deposit) -> Receipt:
        """Takes back the rest once the deposit has expired."""
        receipt = await self._sender.transact(self._where.channels, self._channels.withdraw(deposit.channel_config()))
        for kept in self._store.deposits():
            if kept.channel_id(self._crypto) == deposit.channel_id(self._crypto):
                self._store.forget(kept)
        return receipt


def _output_price(profile: Profile | None, kind: str) -> float:
    """Of its cheapest offer (of that kind); those whose profile is missing, or has none, come last."""
    offers = profile.offers if profile else ()
    return min((offer.price.output for offer in offers if kind in ("", offer.kind)), default=math.inf)


def _offers(listing: Listing) -> tuple[Offer, ...]:
    return listing.profile.offers if listing.profile else ()


class Conversation:
    """A connection to the provider of a deposit."""

    service = SERVICE

    def __init__(
        self, crypto: Crypto, store: UserStore, deposit: Deposit, profile: Profile, *, low_latency: bool = False
    ) -> None:
        self._begin()
        self._store, self._deposit = store, deposit
        self.user: Line = User(
            crypto, NativeHost(), store, deposit, profile, self._events.put_nowait, low_latency=low_latency
        )

    def _begin(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._run: asyncio.Task[None] | None = None

    def _hold(self) -> None:
        """Nobody else uses the deposit from now on. Raises LocalError IN_USE_ELSEWHERE."""
        self._store.hold(self._deposit)

    def _release(self) -> None:
        self._store.release(self._deposit)

    async def connect(self) -> None:
        """Raises LocalError IN_USE_ELSEWHERE, PeerError with the provider's or the network's reason."""
        self._hold()
        self._run = asyncio.create_task(self.user.run())
        while not isinstance(event := await self._events.get(), Ready):
            self._check(event)

    @staticmethod
    def _check(event: Event) -> None:
        if isinstance(event, Closed):
            raise event.error or PeerError(Code.PROVIDER_GONE)

    async def ask(
        self, messages: list[tuple[str, str]], model: str, max_units: int, params: ChatParams | None = None
    ) -> AsyncIterator[str | Answer]:
        """Gives pieces of text as they come, then the answer. Raises PeerError where it is refused or cut off."""
        started = time.monotonic()
        wanted = encode_params(params) if params else b""
        asked = self.exchange(self.service, wanted, chat_input(messages), model, max_units)
        answer, raw = Answer(), bytearray()
        shown = 0
        async for event in asked:
            answer.stream = event.stream
            if isinstance(event, Output):
                at = time.monotonic() - started
                if answer.first_token is None:
                    answer.first_token, answer.units_at_first = at, event.units
                answer.arrivals.append(at)
                if event.kind == Kind.ANSWER:  # what the model thinks is another kind
                    raw += event.data
                text = raw.decode(errors="ignore")
                yield text[shown:]
                shown = len(text)
            else:
                answer.text, answer.finish = raw.decode(errors="replace"), event.finish
                answer.input_units, answer.output_units, answer.amount = event.input_units, event.units, event.amount
                answer.seconds = time.monotonic() - started
                yield answer

    async def exchange(
        self, service: str, params: bytes, data: bytes, model: str, max_units: int
    ) -> AsyncIterator[Output | Finished]:
        """Any service: the pieces of its answer as they come, then how it ended. Raises PeerError where it is refused
        or cut off.
        """
        stream = await self.user.ask(service, params, data, model, max_units)
        while True:
            event = await self._events.get()
            self._check(event)
            if isinstance(event, Refused) and event.stream == stream:
                raise event.error
            if isinstance(event, Output | Finished) and event.stream == stream:
                yield event
                if isinstance(event, Finished):
                    return

    async def settle(self) -> None:
        """Waits until the provider holds a voucher for all that was received, or for a few seconds; not for one that is
        gone.
        """
        account = self.user.session.account
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                while account.durable < min(account.owed, account.cap) and not self.user.calling:
                    event = await self._events.get()
                    self._check(event)
                    if isinstance(event, VoucherDurable):
                        account = self.user.session.account
        except (TimeoutError, PeerError):
            return

    async def close(self) -> bytes:
        """Asks for the end of the deposit. Returns the hash of the provider's transaction. Raises PeerError."""
        await self.user.close_deposit()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT + 5.0):  # the session gives up first
                while not isinstance(event := await self._events.get(), CloseAccepted):
                    self._check(event)
        except TimeoutError:
            raise PeerError(Code.CLOSE_FAILED, reason="no answer") from None
        return event.transaction

    async def leave(self) -> None:
        """Says goodbye; the deposit stays."""
        if self._run is not None:
            await self.user.disconnect()
            if not self.user.calling:
                await asyncio.wait([self._run], timeout=GOODBYE)
            self._run.cancel()
        self._release()
