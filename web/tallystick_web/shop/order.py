"""Which rows the table shows, and in which order. A thousand providers are looked through at every key press."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from tallystick_shared.quantisation import quantisation as named

from ..state import Choice
from .state import Filters, Shop, Sight, Sort, Speed, Standing

READ_FOR_EACH_WRITTEN = 3
UNKNOWN_SECONDS = 3.0
SECONDS_THAT_DOUBLE = 10.0
RANKS = {Standing.FAILING: 1, Standing.GONE: 2}


def shown(choices: Iterable[Choice], shop: Shop) -> list[Choice]:
    """The rows that the filters leave, in the order that is asked for. Those that cannot be used come last, and only
    where nothing is filtered for.
    """
    filters = shop.filters
    wanted = [choice for choice in choices if _wanted(choice, shop, filters)]
    key = KEYS[filters.sort]
    # Two stable sorts: turning the order round must not bring those that are gone to the top.
    wanted.sort(key=lambda choice: key(choice, shop), reverse=filters.turned)
    wanted.sort(key=lambda choice: _rank(choice, shop))
    return wanted


def _rank(choice: Choice, shop: Shop) -> int:
    """0 for those that may answer, 1 failing, 2 gone, 3 unusable."""
    sight = shop.sights.get(choice.provider)
    return 3 if choice.fault else RANKS.get(sight.standing, 0) if sight else 0


def _wanted(choice: Choice, shop: Shop, filters: Filters) -> bool:
    if filters.model and choice.model != filters.model:
        return False
    if filters.text and not all(word in _haystack(choice) for word in filters.text.lower().split()):
        return False
    if filters.free and (choice.fault or choice.price_in or choice.price_out):
        return False
    if filters.tried and choice.id not in shop.speeds:
        return False
    return not filters.ready or _standing(shop.sights.get(choice.provider)) is Standing.READY


def _standing(sight: Sight | None) -> Standing:
    return sight.standing if sight else Standing.UNASKED


@lru_cache(maxsize=4096)
def _haystack(choice: Choice) -> str:
    return f"{choice.model} {choice.endpoint} 0x{choice.provider.hex()} {quantisation(choice.model)}".lower()


@lru_cache(maxsize=4096)
def quantisation(model: str) -> str:
    """What a model's name says of its weights, such as Q4_K_M or 4.0bpw; empty where it says nothing."""
    return named(model)


def score(choice: Choice, speed: Speed | None) -> float:
    """The default order, lowest first: the price of one token written and three read, times 1 + seconds to the first
    word ÷ 10. No data of one's own counts as 3 seconds.
    """
    seconds = speed.first_ms / 1000 if speed and speed.first_ms is not None else UNKNOWN_SECONDS
    return (choice.price_out + READ_FOR_EACH_WRITTEN * choice.price_in) * (1 + seconds / SECONDS_THAT_DOUBLE)


def _first(choice: Choice, shop: Shop) -> float:
    speed = shop.speeds.get(choice.id)
    return float("inf") if speed is None or speed.first_ms is None else speed.first_ms


def _speed(choice: Choice, shop: Shop) -> float:
    speed = shop.speeds.get(choice.id)
    return -speed.per_second if speed else 0.0


KEYS: dict[Sort, Callable[[Choice, Shop], float | str]] = {
    Sort.BEST: lambda choice, shop: score(choice, shop.speeds.get(choice.id)),
    Sort.PRICE_IN: lambda choice, shop: choice.price_in,
    Sort.PRICE_OUT: lambda choice, shop: choice.price_out,
    Sort.CONTEXT: lambda choice, shop: -choice.context,
    Sort.FIRST: _first,
    Sort.SPEED: _speed,
    Sort.NAME: lambda choice, shop: (choice.endpoint.split("://", 1)[-1] or choice.provider.hex()).lower(),
}


def grouped(rows: list[Choice]) -> list[tuple[str, list[Choice]]]:
    """A table for each model, in the order of its first row; those that cannot be used have none and come last."""
    groups: dict[str, list[Choice]] = {}
    for choice in rows:
        groups.setdefault("" if choice.fault else choice.model, []).append(choice)
    return sorted(groups.items(), key=lambda group: not group[0])


def models(choices: Iterable[Choice]) -> list[str]:
    """The models on offer, by name."""
    return sorted({choice.model for choice in choices if not choice.fault}, key=str.lower)
