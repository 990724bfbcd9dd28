"""Are the prices in the market's range?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tallystick_shared.profile import Offer, Profile

from ..guest import NativeGuest
from ..shown import show_amount
from .finding import Finding, doubt, fine

if TYPE_CHECKING:
    from .patient import Patient

FAR = 4
"""Times the middle of the market, or a fraction of it: worth a second look."""


@dataclass(frozen=True)
class Range:
    """What others ask for an output unit of the same model, or of the same kind of unit where nobody else has it: per
    1,000,000 units, in smallest units.
    """

    count: int
    lowest: int
    middle: int
    highest: int
    same_model: bool


def range_of(offer: Offer, others: Sequence[Profile]) -> Range | None:
    """The market's range for an offer; None where nobody else offers anything like it."""
    alike = [(other.model == offer.model, other.price.output) for profile in others for other in profile.offers
             if other.unit == offer.unit]  # fmt: skip
    same = [price for is_same, price in alike if is_same]
    prices = same or [price for _, price in alike]
    if not prices:
        return None
    return Range(len(prices), min(prices), int(median(prices)), max(prices), bool(same))


async def price(patient: Patient) -> Finding:
    """Each offer against what others ask on this chain."""
    mine = patient.registered
    view = await NativeGuest(patient.crypto, patient.contracts).market(patient.chain)
    listings = [view.listing(provider) for provider in view if provider != mine.provider]
    others = [listing.profile for listing in listings if listing.profile is not None]
    findings = [_one(offer, range_of(offer, others), patient.settings.chain.symbol) for offer in mine.usable().offers]
    return next((found for found in findings if found.mend), findings[0])


def _one(offer: Offer, found: Range | None, symbol: str) -> Finding:
    asked = offer.price.output
    own = f"{offer.model} costs {show_amount(asked, symbol)} for a million {offer.unit}s"
    values = {"model": offer.model, "price_out": str(asked), "others": found.count if found else 0}
    if found is None:
        return fine(f"{own}; nobody else offers its like here.", **values)
    values |= {name: str(getattr(found, name)) for name in ("lowest", "middle", "highest")}
    says = f"{own}; {_market(found, symbol)}."
    if found.same_model and (asked > FAR * found.middle or asked * FAR < found.middle):
        return doubt(says, "Set [offer] price_in and price_out, if that is not meant, and announce it.", **values)
    return fine(says, **values)


def _market(found: Range, symbol: str) -> str:
    """What the others ask, in one figure where there is only one."""
    low, high = show_amount(found.lowest, symbol), show_amount(found.highest, symbol)
    asked = low if low == high else f"{low} to {high}"
    who = "one other asks" if found.count == 1 else "others ask"
    other = "another model" if found.count == 1 else "other models"
    return f"{who} {asked} for {'the same model' if found.same_model else other}"
