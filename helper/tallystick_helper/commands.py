"""The work behind the commands: what `cli` parses, done."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from tallystick_shared.chains import SALT, Deployment
from tallystick_shared.channel import NATIVE
from tallystick_shared.deposit import DEFAULT_DELAY, Deposit, Terms
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.replaced import Watched
from tallystick_shared.evm.rpc import to_hex, to_int
from tallystick_shared.evm.token import Token
from tallystick_shared.market import Listing
from tallystick_shared.messages import amount_int
from tallystick_shared.profile import Offer, Profile

from .chain.cost import market
from .chain.deploy import Wanted, carry_out, chain_id, plan
from .chain.rpc import HttpRpc
from .chain.sender import Sender
from .chat import Account, Answer, Conversation
from .control import sections_of
from .crypto import NativeCrypto
from .deployments import locate, remember
from .engines import Capabilities
from .keys import Secret
from .models import open_models
from .opening import Opening
from .operator_gas import operator_gas
from .provide import Provider
from .quote import Agree, Quote
from .registering import default_endpoint
from .router_port import mapped_endpoint
from .running import RunningNode
from .settings import Settings
from .shown import Money, plain_text
from .store import UserStore

Say = Callable[[dict[str, Any], str], None]
TEXT, VECTORS = "text", "vectors"
"""Kinds of offers."""
SHORTEST_NOTICE = 15 * 60
"""Seconds; the contract takes no less."""


@asynccontextmanager
async def chain_of(settings: Settings) -> AsyncIterator[tuple[HttpRpc, int]]:
    """The chain in the settings and its id. Raises LocalError BAD_SETTINGS, RPC_UNREACHABLE or WRONG_CHAIN."""
    rpc = HttpRpc(settings.chain.rpc, chain_id=settings.chain.id, rest=settings.chain.rest)
    try:
        yield rpc, await chain_id(rpc)
    finally:
        await rpc.aclose()


def deployment_values(where: Deployment) -> dict[str, Any]:
    return {
        "chain_id": where.chain_id,
        "registry": to_hex(where.registry),
        "channels": to_hex(where.channels),
        "block": where.block,
    }


def sender_of(settings: Settings, rpc: HttpRpc, chain: int, key: Secret) -> Sender:
    """A person's key on the chain in the settings."""
    wishes = settings.chain
    return Sender(rpc, key.reveal(), chain, poll=min(1.0, wishes.interval), patience=wishes.patience)


async def deploy_now(
    settings: Settings, key: Secret, agree: Agree, *, evm: Wanted = "auto", salt: bytes = SALT
) -> dict[str, Any]:
    """At most two transactions; the addresses, how they came to be, and the file that remembers them."""
    async with chain_of(settings) as (rpc, chain):
        sender = sender_of(settings, rpc, chain, key)
        wanted = await plan(rpc, evm=evm, salt=salt, sender=sender.address)
        prices = await market(rpc)
        costs = wanted.costs(prices)
        names = " and ".join(piece.name for piece in wanted.pieces if not piece.standing)
        what = f"Put {names} on chain {chain}, {wanted.evm} code." if costs else f"Both stand on chain {chain} already."
        quote = Quote(what, costs, settings.chain.symbol, await sender.balance())
        if costs:
            await agree(quote)
        record = await carry_out(sender, wanted, prices)
        path = remember(settings.data_dir, record)
        counted = {"transactions": wanted.transactions, "file": str(path), "cost": quote.values()}
        return {"chain_id": chain, **record.values(), **counted}


async def offered_models(settings: Settings) -> tuple[Capabilities, ...]:
    """What is to be offered: by the node that runs here, which takes other models where the settings name others; else
    by opening them. Raises LocalError.
    """
    node = RunningNode.find(settings.data_dir)
    state = await node.ask() if node is not None else {}
    if node is not None and state["models"]:
        named, wanted = settings.model_fields_set & {"engine", "models"}, sections_of(settings)
        if named and state["engine"] != wanted:
            await node.command("/engine", **wanted)
        return await node.models()
    engine = await open_models(settings)
    try:
        return engine.models()
    finally:
        await engine.close()


async def endpoint_of(settings: Settings) -> str:
    """Where others reach this node: as the settings say, else by the router where that is wished. Raises LocalError
    NO_ROUTER, ROUTER_REFUSED.
    """
    mapped = settings.router.map_port and settings.listen.endpoint is None
    return await mapped_endpoint(settings) if mapped else default_endpoint(settings)


async def provide_now(
    settings: Settings, key: Secret, tell: Callable[[str, str], None], agree: Agree
) -> dict[str, Any]:
    """Announces this node; what was done."""
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, NativeCrypto())
        models = await offered_models(settings)
        owner = Provider(settings, NativeCrypto(), rpc, where, key.reveal())
        endpoint = await endpoint_of(settings)
        done = await owner.provide(models, endpoint, tell, agree)
        return {
            "provider": to_hex(owner.address),
            "endpoint": endpoint,
            "model": models[0].model,
            "models": [able.model for able in models],
            "transactions": done.transactions,
            "gas": (await operator_gas(settings, NativeCrypto(), rpc)).values(),
            **deployment_values(where),
        }


async def fund_now(settings: Settings, key: Secret, tell: Callable[[str, str], None], agree: Agree) -> dict[str, Any]:
    """Gives the operator what it lacks for its gas: a plain transfer, or nothing where it has enough."""
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, NativeCrypto(), with_block=False)
        sent = await Provider(settings, NativeCrypto(), rpc, where, key.reveal()).fund(tell, agree)
        return {"transactions": sent, "gas": (await operator_gas(settings, NativeCrypto(), rpc)).values()}


@dataclass(frozen=True)
class ChatWishes:
    """The flags of `tallystick chat`: addresses of 20 bytes, `deposit` for `Money.parse`, `delay` in seconds."""

    prompt: str | None
    provider: bytes | None
    deposit: str
    delay: int | None
    max_units: int
    low_latency: bool
    close: bool
    token: bytes = NATIVE


async def deposit_with(opening: Opening, wishes: ChatWishes, kind: str, say: Say) -> tuple[Listing, Deposit]:
    """The provider to ask for that kind and the deposit to use: one that is there, else a new one, which is agreed to
    and said. Raises LocalError and PeerError.
    """
    account, money = opening.account, opening.money
    amount = money.parse(wishes.deposit)
    held = await account.held(kind, wishes.token) if wishes.provider is None else None
    listing = held[0] if held else await account.choose(wishes.provider, kind, answering=True)
    offer_of(listing.usable(), kind)
    least = max(SHORTEST_NOTICE, listing.usable().minimum_delay)
    if wishes.delay is not None and wishes.delay < least:
        reason = f"the shortest notice is {least} seconds"
        raise LocalError(Code.BAD_SETTINGS, delay=wishes.delay, reason=reason)
    found = held[1] if held else await account.find(listing, wishes.token)
    if found is not None:
        return listing, found
    terms = Terms(amount, delay=DEFAULT_DELAY if wishes.delay is None else wishes.delay, token=wishes.token)
    if first := amount_int(listing.usable().first_voucher):
        say({"first_voucher": str(first)}, "")  # people read it in the quote
    deposit, receipt, _ = await opening.open(listing, terms)
    told = {"opened": "0x" + receipt.transaction.hex(), "deposit": deposit.amount, "gas": receipt.gas_used}
    say(told, f"[dim]Deposit of {money.show(deposit.cap)} opened.[/dim]")
    return listing, deposit


def offer_of(profile: Profile, kind: str) -> Offer:
    """Its cheapest offer of that kind. Raises PeerError UNKNOWN_SERVICE where it has none."""
    fitting = [offer for offer in profile.offers if offer.kind == kind]
    if not fitting:
        offered = ", ".join(f"{offer.kind} by {offer.model}" for offer in profile.offers)
        raise PeerError(Code.UNKNOWN_SERVICE, asked=kind, offered=offered)
    return min(fitting, key=lambda offer: offer.price.output)


async def lines_of(prompt: str | None) -> AsyncIterator[str]:
    """The one that was given, else each line that comes."""
    if prompt is not None:
        yield prompt
        return
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            yield line.strip()


class _Chat:
    """One run of `tallystick chat`."""

    def __init__(
        self, settings: Settings, wishes: ChatWishes, account: Account, say: Say, stream: bool, money: Money
    ) -> None:
        self._settings, self._wishes, self._account = settings, wishes, account
        self._say, self._stream, self._money = say, stream, money

    async def talk(self, conversation: Conversation, model: str) -> list[Answer]:
        """One answer to the prompt given, or to each line that comes."""
        answers: list[Answer] = []
        messages: list[tuple[str, str]] = []
        async for line in lines_of(self._wishes.prompt):
            messages.append(("user", line))
            answer = await self._ask(conversation, messages, model)
            messages.append(("assistant", answer.text))
            answers.append(answer)
        return answers

    async def _ask(self, conversation: Conversation, messages: list[tuple[str, str]], model: str) -> Answer:
        answer = Answer()
        async for piece in conversation.ask(messages, model, self._wishes.max_units):
            if isinstance(piece, Answer):
                answer = piece
            elif self._stream:
                sys.stdout.write(plain_text(piece))
                sys.stdout.flush()
        if self._stream:
            sys.stdout.write("\n")
        values = {name: value for name, value in asdict(answer).items() if name != "arrivals"}
        cost = self._money.show(answer.amount)
        self._say(
            {"answer": {**values, "amount": str(answer.amount)}},
            f"[dim]{answer.input_units} in, {answer.output_units} out, {cost}, {answer.seconds:.1f} s[/dim]",
        )
        return answer

    async def close(self, conversation: Conversation, deposit: Deposit, rpc: HttpRpc) -> None:
        """Closes by the provider, and waits until the rest is back."""
        watched = Watched(rpc, to_hex(await conversation.close()))
        until = time.monotonic() + 60
        while (receipt := await watched.look()) is None:
            if time.monotonic() > until:
                raise PeerError(Code.CLOSE_FAILED, reason="its transaction is not mined yet")
            await asyncio.sleep(min(1.0, self._settings.chain.interval))
        if to_int(receipt["status"]) != 1:
            raise PeerError(Code.CLOSE_FAILED, transaction=receipt["transactionHash"])
        paid, refund = self._account.closing(receipt["logs"], deposit)
        self._say(
            {"closed": receipt["transactionHash"], "paid": str(paid), "refund": str(refund)},
            f"[dim]Closed: {self._money.show(paid)} paid, {self._money.show(refund)} back.[/dim]",
        )


async def money_of(settings: Settings, wishes: ChatWishes, rpc: HttpRpc) -> Money:
    """The coin, or the token that was asked for, as it calls itself."""
    if wishes.token == NATIVE:
        return Money(settings.chain.symbol)
    token = Token(NativeCrypto(), wishes.token)
    return Money(plain_text(await token.symbol(rpc)), await token.decimals(rpc))


async def chat_now(
    settings: Settings, key: Secret, wishes: ChatWishes, say: Say, agree: Agree, *, stream: bool
) -> list[Answer]:
    """Finds a provider, goes on with a deposit or opens one that is agreed to, talks, and closes where that is
    wished.
    """
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        store = UserStore(settings.data_dir, crypto)
        account = Account(crypto, rpc, where, key.reveal(), store, min(1.0, settings.chain.interval))
        money = await money_of(settings, wishes, rpc)
        run = _Chat(settings, wishes, account, say, stream, money)
        opening = Opening(account, rpc, money, settings.chain.symbol, agree)
        listing, deposit = await deposit_with(opening, wishes, TEXT, say)
        profile = listing.usable()
        conversation = Conversation(crypto, store, deposit, profile, low_latency=wishes.low_latency)
        try:
            await conversation.connect()
            answers = await run.talk(conversation, offer_of(profile, TEXT).model)
            if wishes.close:
                await run.close(conversation, deposit, rpc)
                store.forget(deposit)
            else:
                await conversation.settle()
        finally:
            await conversation.leave()
        return answers
