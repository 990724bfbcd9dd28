"""`tallystick chat --free`: asks a provider that gives answers away, without a key, a deposit or a transaction."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.market import Listing
from tallystick_shared.trial import SERVICE, Visitor
from tallystick_shared.trial_offer import TrialOffer

from .chat import NAMED, Answer, Conversation
from .commands import Say, chain_of, offer_of
from .crypto import NativeCrypto
from .deployments import locate
from .dial import NativeHost
from .guest import NativeGuest
from .settings import Settings
from .shown import plain_text

KIND = "text"
CANDIDATES = 6
LEAST = 32


@dataclass(frozen=True)
class FreeWishes:
    """`provider` is an address of 20 bytes; whoever gives something away where it is not named."""

    provider: bytes | None
    max_units: int
    low_latency: bool


class FreeConversation(Conversation):
    """One question to one provider, for nothing."""

    service = SERVICE

    def __init__(self, crypto: Crypto, where: Deployment, listing: Listing, *, low_latency: bool = False) -> None:
        self._begin()
        self.user = Visitor(crypto, NativeHost(), where, listing, self._events.put_nowait, low_latency=low_latency)

    def _hold(self) -> None:
        """There is no deposit."""

    def _release(self) -> None:
        """There is none."""


async def find(guest: NativeGuest, listings: list[Listing]) -> tuple[Listing, TrialOffer]:
    """The first of these, six at most, that gives something away. Raises PeerError TRIAL_OVER where what they give is
    used up, LocalError NOTHING_FREE where nobody gives anything, or why the only one does not answer.
    """
    fault: TallystickError = LocalError(Code.NOTHING_FREE)
    for listing in listings[:CANDIDATES]:
        try:
            offered = (await guest.advert(listing)).trial
        except TallystickError as error:
            fault = error if len(listings) == 1 else fault
            continue
        if offered is not None and offered.left >= LEAST:
            return listing, offered
        if offered is not None:
            fault = PeerError(Code.TRIAL_OVER)
    raise fault


async def free_chat(
    settings: Settings, wishes: FreeWishes, lines: AsyncIterator[str], say: Say, *, stream: bool
) -> list[Answer]:
    """An answer to each line, as long as something is given. Raises LocalError and PeerError."""
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        guest = NativeGuest(crypto, where)
        view = await guest.market(rpc)
        named = [wishes.provider] if wishes.provider is not None else list(view)
        listing, offered = await find(guest, _of_text([view.listing(one) for one in named]))
        model = offer_of(listing.usable(), KIND).model
        told = {"provider": "0x" + listing.provider.hex(), "free": {"left": offered.left, "most": offered.most}}
        say(told, f"[dim]Free, from {listing.usable().endpoints[0]}: it can read what you ask.[/dim]")
        answers: list[Answer] = []
        messages: list[tuple[str, str]] = []
        async for line in lines:
            messages.append(("user", line))
            talk = FreeConversation(crypto, where, listing, low_latency=wishes.low_latency)
            answer = await _ask(talk, messages, model, min(wishes.max_units, offered.most), stream)
            messages.append(("assistant", answer.text))
            answers.append(answer)
            values = {name: value for name, value in asdict(answer).items() if name != "arrivals"}
            counts = f"{answer.input_units} in, {answer.output_units} out, free, {answer.seconds:.1f} s"
            say({"answer": {**values, "amount": "0"}}, f"[dim]{counts}[/dim]")
        return answers


def _of_text(listings: list[Listing]) -> list[Listing]:
    """Those that answer in text, the cheapest first. Raises LocalError NO_OFFER where others offer something else,
    NO_PROVIDERS where nobody offers anything.
    """
    offers = [(one, offer) for one in listings if one.profile is not None for offer in one.profile.offers]
    fitting = {one.provider: one for one, offer in offers if offer.kind == KIND}
    if fitting:
        return sorted(fitting.values(), key=_price)
    if offers:
        others = sorted({f"{offer.kind} by {offer.model}" for _, offer in offers})
        raise LocalError(Code.NO_OFFER, asked=KIND, offered=", ".join(others[:NAMED]))
    raise LocalError(Code.NO_PROVIDERS)


def _price(listing: Listing) -> int:
    return offer_of(listing.usable(), KIND).price.output


async def _ask(talk: FreeConversation, messages: list[tuple[str, str]], model: str, most: int, stream: bool) -> Answer:
    answer = Answer()
    try:
        await talk.connect()
        async for piece in talk.ask(messages, model, most):
            if isinstance(piece, Answer):
                answer = piece
            elif stream:
                sys.stdout.write(plain_text(piece))
                sys.stdout.flush()
    finally:
        await talk.leave()
    if stream:
        sys.stdout.write("\n")
    return answer
