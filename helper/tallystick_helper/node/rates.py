"""Token buckets: how often something may happen, for each address and in all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tallystick_shared.errors import Code, PeerError

from .addresses import groups_of

REMEMBERED = 4096


@dataclass(frozen=True)
class Rate:
    """`burst` at once, then `per_second` of them."""

    burst: float
    per_second: float


class Bucket:
    """One rate's tokens. Time is handed in: seconds that never go back."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._tokens, self._since = rate, rate.burst, now

    def left(self, now: float) -> float:
        """Whole and part tokens there are."""
        self._tokens = min(self._rate.burst, self._tokens + (now - self._since) * self._rate.per_second)
        self._since = now
        return self._tokens

    def take(self) -> None:
        """One less. Ask `left` first."""
        self._tokens -= 1

    def wait(self, now: float) -> float:
        """Seconds until there is one to take; 0 where there is."""
        return max(0.0, (1 - self.left(now)) / self._rate.per_second)


class Meter:
    """A bucket for each address (IPv4, or /64) that came lately, and one for all together."""

    def __init__(self, address: Rate, total: Rate | None, clock: Callable[[], float], code: Code = Code.BUSY) -> None:
        """`code` is what is raised; without a `total` only addresses are counted."""
        self._address, self._clock, self._code = address, clock, code
        self._all = Bucket(total, clock()) if total else None
        self._buckets: dict[str, Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str) -> None:
        """Counts one. Raises PeerError where there were too many; then it is not counted."""
        group, now = groups_of(address)[0], self._clock()
        bucket = self._buckets.pop(group, None) or Bucket(self._address, now)
        self._buckets[group] = bucket
        while len(self._buckets) > REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        both = [bucket, self._all] if self._all else [bucket]
        if min(one.left(now) for one in both) < 1:
            raise PeerError(self._code)
        for one in both:
            one.take()
