"""The work behind `tallystick embed`: texts become vectors at a provider, paid like any answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tallystick_shared import embeddings
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.profile import Offer
from tallystick_shared.session.events import Finished

from .chat import Account, Conversation
from .commands import VECTORS, ChatWishes, Say, chain_of, deposit_with, money_of, offer_of
from .crypto import NativeCrypto
from .deployments import locate
from .keys import Secret
from .opening import Opening
from .quote import Agree
from .settings import Settings
from .shown import Money
from .store import UserStore

AT_ONCE = 256
"""Texts of one request: so many come or fail together."""


@dataclass(frozen=True)
class Vectors:
    """What was made, in the order of the texts, and what it came to. The amount is in smallest units."""

    model: str
    provider: bytes
    rows: list[tuple[float, ...]]
    input_units: int
    amount: int
    money: Money

    def values(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "model": self.model,
            "provider": to_hex(self.provider),
            "vectors": [list(row) for row in self.rows],
            "input_units": self.input_units,
            "output_units": len(self.rows),
            "amount": str(self.amount),
        }

    def line(self) -> str:
        """What it came to, for people."""
        made = f"{len(self.rows)} vectors of {len(self.rows[0])} values by {self.model}"
        return f"[dim]{made}, {self.input_units} tokens in, {self.money.show(self.amount)}[/dim]"


def texts_of(given: list[str], file: Path | None) -> list[str]:
    """The texts on the command line, then the lines of the file that are not empty. Raises LocalError BAD_SETTINGS."""
    texts = list(given)
    if file is not None:
        try:
            texts += [line for line in file.read_text().splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise LocalError(Code.BAD_SETTINGS, file=str(file), reason=type(error).__name__) from None
    if not texts or not all(texts):
        raise LocalError(Code.BAD_SETTINGS, text="give one text or several, none of them empty, or --file")
    return texts


async def embed_now(
    settings: Settings, key: Secret, texts: list[str], wishes: ChatWishes, say: Say, agree: Agree
) -> Vectors:
    """Finds a provider of vectors, goes on with a deposit or opens one that is agreed to, and asks. Raises
    TallystickError.
    """
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        store = UserStore(settings.data_dir, crypto)
        account = Account(crypto, rpc, where, key.reveal(), store, min(1.0, settings.chain.interval))
        money = await money_of(settings, wishes, rpc)
        opening = Opening(account, rpc, money, settings.chain.symbol, agree)
        listing, deposit = await deposit_with(opening, wishes, VECTORS, say)
        offer = offer_of(listing.usable(), VECTORS)
        conversation = Conversation(crypto, store, deposit, listing.usable())
        rows: list[tuple[float, ...]] = []
        units = amount = 0
        try:
            await conversation.connect()
            for at in range(0, len(texts), AT_ONCE):
                some, end = await _ask(conversation, offer, texts[at : at + AT_ONCE])
                rows, units, amount = rows + some, units + end.input_units, amount + end.amount
            await conversation.settle()
        finally:
            await conversation.leave()
        return Vectors(offer.model, listing.provider, rows, units, amount, money)


async def _ask(conversation: Conversation, offer: Offer, texts: list[str]) -> tuple[list[tuple[float, ...]], Finished]:
    """Raises PeerError DEPOSIT_EXHAUSTED or TRUNCATED where not all vectors came."""
    data = bytearray()
    asked = embeddings.embeddings_input(texts)
    async for event in conversation.exchange(embeddings.SERVICE, b"", asked, offer.model, len(texts)):
        if not isinstance(event, Finished):
            data += event.data
            continue
        if event.units < len(texts):
            # As many as were asked for would be all: it ends at a lesser length where no more could be paid.
            code = Code.DEPOSIT_EXHAUSTED if event.finish in ("deposit", "length") else Code.TRUNCATED
            raise PeerError(code, vectors=event.units, texts=len(texts))
        return embeddings.read_vectors(bytes(data), len(texts)), event
    raise PeerError(Code.PROVIDER_GONE)
