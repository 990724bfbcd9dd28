"""One figure of the bench."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A measured value beside what it is held against. `ok` is None where the row could not be measured here;
    `note` says why.

    `ratio` is value / against (or their difference, where the goal is one); `spread` is (highest − lowest) /
    median of the value's runs.
    """

    name: str
    value: float | None
    unit: str
    against: str
    ratio: float | None
    goal: str
    ok: bool | None
    spread: float | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def missing(name: str, unit: str, against: str, goal: str, why: str) -> Row:
    """A row that says why it is empty."""
    return Row(name, None, unit, against, None, goal, None, None, why)


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def spread(values: Sequence[float]) -> float:
    """(highest − lowest) / median."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def pairwise(values: Sequence[float], others: Sequence[float], combine: Callable[[float, float], float]) -> float:
    """The median of what each pair of neighbouring runs gives, so that a machine's drift cancels."""
    return median([combine(value, other) for value, other in zip(values, others, strict=True)])
