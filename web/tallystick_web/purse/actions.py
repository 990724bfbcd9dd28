"""What can happen to the purse and the book, and what each action does. `reduce` takes these rules over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..figures import Coin
from ..state import Deposit, Market, Site, State
from .book import Book, Entry
from .paying import Purse
from .trial import Trial


@dataclass(frozen=True)
class BookRead:
    """What this browser kept."""

    book: Book


@dataclass(frozen=True)
class Noted:
    """A line of the book, new or changed."""

    entry: Entry


@dataclass(frozen=True)
class PurseMoved:
    """Fields of the purse that change."""

    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialMoved:
    """Fields of the trial that change."""

    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CoinRead:
    """A token told its name and decimals."""

    token: bytes
    coin: Coin


@dataclass(frozen=True)
class SitesRead:
    """Every chain that the page's server names."""

    sites: tuple[Site, ...]


@dataclass(frozen=True)
class SiteChosen:
    """Another chain. All that belongs to the one before goes: its market, choice and deposit are read anew."""

    site: Site


def _coin_read(state: State, action: CoinRead) -> State:
    return replace(state, purse=replace(state.purse, coins={**state.purse.coins, action.token: action.coin}))


def _site_chosen(state: State, action: SiteChosen) -> State:
    if state.site is not None and state.site.chain_id == action.site.chain_id:
        return state
    shop = replace(state.shop, sights={}, asking=frozenset(), shown="")
    return replace(
        state,
        site=action.site,
        market=Market(),
        chosen=None,
        deposit=Deposit(),
        found=(),
        amount_text="",
        shop=shop,
        purse=Purse(),
        trial=Trial(),
        wallet=replace(state.wallet, balance=None),
        notice=None,
    )


RULES: dict[type, Callable[[State, Any], State]] = {
    BookRead: lambda state, action: replace(state, book=action.book),
    Noted: lambda state, action: replace(state, book=state.book.noted(action.entry)),
    PurseMoved: lambda state, action: replace(state, purse=replace(state.purse, **action.values)),
    TrialMoved: lambda state, action: replace(state, trial=replace(state.trial, **action.values)),
    CoinRead: _coin_read,
    SitesRead: lambda state, action: replace(state, sites=action.sites),
    SiteChosen: _site_chosen,
}
