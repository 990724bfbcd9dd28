"""Which provider answers, by OpenRouter's words: `sort`, `max_price`, `only`, `ignore`, `quantizations`, `order`,
`allow_fallbacks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from tallystick_shared import quantisation
from tallystick_shared.evm.rpc import to_bytes

from .faults import BadParameter
from .holdings import Candidate

SORTS = ("price", "latency", "throughput")
HARMLESS = frozenset({"require_parameters"})
"""Words that ask for what is so anyway."""
NEVER = 1e12
WEIGHT = 0.3


@dataclass(frozen=True)
class Preference:
    """What a request says of providers. Prices in whole coins per 1,000,000 units."""

    sort: str = "price"
    most_in: Decimal | None = None
    most_out: Decimal | None = None
    only: frozenset[bytes] = frozenset()
    ignore: frozenset[bytes] = frozenset()
    quantizations: tuple[str, ...] = ()
    order: tuple[bytes, ...] = ()
    fallbacks: bool = True

    def allows(self, one: Candidate) -> bool:
        if (self.only and one.provider not in self.only) or one.provider in self.ignore:
            return False
        if self.quantizations and not any(
            quantisation.is_quantised(one.offer.model, word) for word in self.quantizations
        ):
            return False
        price, unit = one.offer.price, Decimal(10) ** one.money.decimals
        return all(
            most is None or Decimal(asked) <= most * unit
            for asked, most in ((price.input, self.most_in), (price.output, self.most_out))
        )


@dataclass
class Seen:
    """How a provider's model did so far, as weighted means: seconds to the first output, units a second."""

    first: float | None = None
    rate: float | None = None

    def add(self, first: float, rate: float | None) -> None:
        self.first = first if self.first is None else self.first + WEIGHT * (first - self.first)
        if rate is not None:
            self.rate = rate if self.rate is None else self.rate + WEIGHT * (rate - self.rate)


@dataclass
class Record:
    """What was seen of each, in this process."""

    seen: dict[tuple[bytes, str], Seen] = field(default_factory=dict)

    def of(self, one: Candidate) -> Seen:
        return self.seen.setdefault((one.provider, one.offer.model), Seen())


def arrange(candidates: Iterable[Candidate], wanted: Preference, record: Record) -> list[Candidate]:
    """Those that are allowed, the best first. `order` goes before `sort`; what was never measured comes last by
    latency and throughput, and by price where that is all that is known.
    """

    def price(one: Candidate) -> tuple[float, float]:
        unit = 10**one.money.decimals
        return one.offer.price.output / unit, one.offer.price.input / unit

    def latency(one: Candidate) -> float:
        first = record.of(one).first
        return NEVER if first is None else first

    keys: dict[str, Callable[[Candidate], float]] = {
        "price": lambda one: 0.0,
        "latency": latency,
        "throughput": lambda one: -(record.of(one).rate or 0.0),
    }
    named = {provider: place for place, provider in enumerate(wanted.order)}
    allowed = [one for one in candidates if wanted.allows(one)]
    allowed.sort(key=lambda one: (named.get(one.provider, len(named)), keys[wanted.sort](one), price(one), -one.rest))
    return allowed


def read_preference(value: Any) -> Preference:
    """The request's `provider`. Raises BadParameter."""
    if value is None:
        return Preference()
    if not isinstance(value, dict):
        raise BadParameter("provider", 'it is an object such as {"sort": "price"}')
    readers: dict[str, Callable[[str, Any], dict[str, Any]]] = {
        "sort": _sort,
        "max_price": _max_price,
        "only": lambda name, given: {"only": frozenset(_addresses(name, given))},
        "ignore": lambda name, given: {"ignore": frozenset(_addresses(name, given))},
        "quantizations": _quantizations,
        "order": lambda name, given: {"order": tuple(_addresses(name, given))},
        "allow_fallbacks": _fallbacks,
    }
    found: dict[str, Any] = {}
    for name, given in value.items():
        if given is None or name in HARMLESS:
            continue
        if name not in readers:
            raise BadParameter(f"provider.{name}", f"it is not supported; known are {', '.join(readers)}")
        found |= readers[name](f"provider.{name}", given)
    return Preference(**found)


def _sort(name: str, given: Any) -> dict[str, Any]:
    if given not in SORTS:
        raise BadParameter(name, f"it is one of {', '.join(SORTS)}")
    return {"sort": given}


def _fallbacks(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, bool):
        raise BadParameter(name, "it is true or false")
    return {"fallbacks": given}


def _max_price(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or not set(given) <= {"prompt", "completion"}:
        raise BadParameter(name, 'it is an object with "prompt" and "completion", in coins per 1,000,000 units')
    parts = {"prompt": "most_in", "completion": "most_out"}
    return {parts[part]: _price(f"{name}.{part}", price) for part, price in given.items()}


def _price(name: str, given: Any) -> Decimal:
    try:
        if isinstance(given, bool):
            raise ValueError
        price = Decimal(str(given))
        if not price.is_finite() or price < 0:
            raise ValueError
    except (InvalidOperation, ValueError):
        raise BadParameter(name, "it is a number of coins per 1,000,000 units") from None
    return price


def _quantizations(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise BadParameter(name, f"it is a list of words such as Q4_K_M, {', '.join(quantisation.SORTS)}")
    return {"quantizations": tuple(given)}


def _addresses(name: str, given: Any) -> list[bytes]:
    says = "it is a list of providers' addresses"
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise BadParameter(name, says)
    try:
        found = [to_bytes(one) for one in given]
    except ValueError:
        raise BadParameter(name, says) from None
    if any(len(one) != 20 for one in found):
        raise BadParameter(name, says)
    return found
