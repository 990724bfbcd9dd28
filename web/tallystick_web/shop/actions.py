"""What can happen to the market's state, and what each action does. `reduce` takes these rules over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..state import State
from .state import ROWS, Filters, Shop, Sight, Speed


@dataclass(frozen=True)
class Filtered:
    """The table is looked at another way."""

    filters: Filters


@dataclass(frozen=True)
class MoreRows:
    """The end of the table came into sight."""


@dataclass(frozen=True)
class Looked:
    """A provider's own sheet was opened."""

    choice: str


@dataclass(frozen=True)
class Asking:
    """These providers are being asked."""

    providers: frozenset[bytes]


@dataclass(frozen=True)
class Seen:
    """One of them was seen, or was not there."""

    provider: bytes
    sight: Sight


@dataclass(frozen=True)
class SpeedsRead:
    """What was measured from here, from the vault or after an answer."""

    speeds: Mapping[str, Speed]


def _seen(shop: Shop, action: Seen) -> Shop:
    return replace(
        shop,
        sights={**shop.sights, action.provider: action.sight},
        asking=shop.asking - {action.provider},
    )


SHOP_RULES: dict[type, Callable[[Shop, Any], Shop]] = {
    Filtered: lambda shop, action: replace(shop, filters=action.filters, rows=ROWS),
    MoreRows: lambda shop, _: replace(shop, rows=shop.rows + ROWS),
    Looked: lambda shop, action: replace(shop, shown=action.choice),
    Asking: lambda shop, action: replace(shop, asking=shop.asking | action.providers),
    Seen: _seen,
    SpeedsRead: lambda shop, action: replace(shop, speeds=action.speeds),
}


def _on_state(rule: Callable[[Shop, Any], Shop]) -> Callable[[State, Any], State]:
    return lambda state, action: replace(state, shop=rule(state.shop, action))


RULES: dict[type, Callable[[State, Any], State]] = {kind: _on_state(rule) for kind, rule in SHOP_RULES.items()}
