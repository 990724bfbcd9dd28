"""What was measured from here, kept in the vault: the latest answers of each model, how often each provider answered.

Numbers come from this user's own answers alone. They weigh by what was paid: a long answer says more than a short one,
and a provider that gives ten cheap answers away does not buy itself a rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from .state import Speed

T = TypeVar("T")
EACH = 20
MODELS = 500
PROVIDERS = 2000


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One answer: when (Unix seconds), milliseconds to its first word (-1 for none), tokens a second, what it cost in
    the smallest unit as text.
    """

    at: int
    first_ms: int
    per_second: float
    amount: str = "0"


class Reach(msgspec.Struct, frozen=True, array_like=True):
    """How often a provider was asked and how often it answered."""

    asked: int = 0
    answered: int = 0


class Samples(msgspec.Struct, frozen=True, array_like=True):
    """All of them, by `Choice.id` and by the provider's address in hexadecimal."""

    answers: dict[str, list[Sample]] = {}
    reach: dict[str, Reach] = {}

    def with_answer(self, choice: str, sample: Sample) -> Samples:
        """One more; of each model the latest 20 stay, and the 500 models used last."""
        answers = {name: held for name, held in self.answers.items() if name != choice}
        answers[choice] = [*self.answers.get(choice, []), sample][-EACH:]
        return Samples(_newest(answers, MODELS), self.reach)

    def with_look(self, provider: bytes, answered: bool) -> Samples:
        """One more look at a provider."""
        name, held = provider.hex(), self.reach.get(provider.hex(), Reach())
        reach = {other: counts for other, counts in self.reach.items() if other != name}
        reach[name] = Reach(held.asked + 1, held.answered + answered)
        return Samples(self.answers, _newest(reach, PROVIDERS))

    def speeds(self) -> dict[str, Speed]:
        """For the table."""
        return {choice: speed_of(held) for choice, held in self.answers.items() if held}


def _newest(held: dict[str, T], most: int) -> dict[str, T]:
    return dict(list(held.items())[-most:])


def speed_of(samples: Sequence[Sample]) -> Speed:
    """Medians, weighted by what was paid."""
    first = weighted_median((sample.first_ms, _weight(sample)) for sample in samples if sample.first_ms >= 0)
    rate = weighted_median((sample.per_second, _weight(sample)) for sample in samples if sample.per_second > 0)
    at = max(sample.at for sample in samples)
    return Speed(len(samples), None if first is None else round(first), rate or 0.0, at)


def _weight(sample: Sample) -> int:
    return max(1, int(sample.amount))


def weighted_median(pairs: Iterable[tuple[float, int]]) -> float | None:
    """The value at which half of the weight is reached; None of nothing."""
    ordered = sorted(pairs)
    half, reached = sum(weight for _, weight in ordered) / 2, 0
    for value, weight in ordered:
        reached += weight
        if reached >= half:
            return value
    return None
