"""Counts one answer: tokens, the time to its first word, its speed."""

from __future__ import annotations

from dataclasses import dataclass

from ..state import Usage


@dataclass
class Meter:
    """Times are a monotonic clock's seconds."""

    asked: float = 0.0
    input_units: int = 0
    output_units: int = 0
    first: float | None = None
    first_units: int = 0
    last: float = 0.0

    def grew(self, units: int, now: float) -> None:
        """The answer now has `units` tokens."""
        if self.first is None:
            self.first, self.first_units = now, units
        self.output_units, self.last = units, now

    @property
    def per_second(self) -> float:
        """Tokens a second after the first piece; 0 where one piece was all."""
        if self.first is None or self.last <= self.first:
            return 0.0
        return (self.output_units - self.first_units) / (self.last - self.first)

    def usage(self, amount: int, finish: str) -> Usage:
        """What it came to."""
        first = None if self.first is None else round((self.first - self.asked) * 1000)
        return Usage(self.input_units, self.output_units, amount, first, self.per_second, finish)
