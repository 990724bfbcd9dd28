"""One deposit with several providers: one transaction opens it, and each of them can be paid up to its own cap."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .chains import Deployment
from .crypto import Crypto
from .deposit import Deposit, Place, Terms, plan
from .errors import Code, LocalError
from .market import Listing
from .tree import Seat, depths, grow


def plan_several(
    crypto: Crypto,
    where: Deployment,
    listings: Sequence[Listing],
    payer: bytes,
    terms: Terms,
    now: int,
    weights: Sequence[int] = (),
) -> list[Deposit]:
    """A deposit for each of several providers, in the order given: the same channel and session key, each with its own
    place in the tree. `weights` are the shares that they shall get, equal ones where none are given. Of providers with
    the same payee only the first gets a place. Raises what `plan` raises, LocalError DEPOSIT_TOO_SMALL where a cap is
    below what a provider takes (`minimum` is then the deposit that would do), and ValueError like `tree.depths`.
    """
    chosen = _distinct(list(zip(listings, weights or [1] * len(listings), strict=True)))
    if len(chosen) == 1:
        return [plan(crypto, where, chosen[0][0], payer, terms, now)]
    levels = depths([weight for _, weight in chosen])
    least = max(listing.usable().least << depth for (listing, _), depth in zip(chosen, levels, strict=True))
    if terms.amount < least:
        raise LocalError(Code.DEPOSIT_TOO_SMALL, minimum=least)
    each = [plan(crypto, where, listing, payer, terms, now) for listing, _ in chosen]
    seats = [Seat(one.payee, one.closer, depth) for one, depth in zip(each, levels, strict=True)]
    root, leaves = grow(crypto, seats)
    delay, expiry = max(one.config.delay for one in each), max(one.expiry for one in each)
    config = msgspec.structs.replace(each[0].config, root=root, delay=delay)
    return [
        msgspec.structs.replace(one, config=config, key=each[0].key, expiry=expiry, place=Place(leaf.salt, leaf.path))
        for one, leaf in zip(each, leaves, strict=True)
    ]


def _distinct(listings: list[tuple[Listing, int]]) -> list[tuple[Listing, int]]:
    """The first of those with the same payee."""
    found: dict[bytes, tuple[Listing, int]] = {}
    for listing, weight in listings:
        found.setdefault(listing.usable().payee, (listing, weight))
    return list(found.values())
