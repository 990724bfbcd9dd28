"""What a person is told and asked before anything is sent that costs money."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tallystick_shared.errors import Code, LocalError

from .chain.cost import Cost
from .chain.intent import LIMIT
from .shown import show_amount, show_fee, show_gwei


@dataclass(frozen=True)
class Quote:
    """`what` is about to be done, at these `costs` (one a transaction; none where another pays). `back` is what comes
    back by it, `held` the balance that pays, in wei. `symbol` names the chain's coin.
    """

    what: str
    costs: tuple[Cost, ...]
    symbol: str
    held: int | None = None
    back: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def most(self) -> int:
        """The fees at most, in wei."""
        return sum(cost.most for cost in self.costs)

    @property
    def value(self) -> int:
        """What is sent along, in wei."""
        return sum(cost.value for cost in self.costs)

    def check(self) -> None:
        """Raises LocalError NOT_ENOUGH_MONEY where the balance does not cover fees and value."""
        needed = self.most + self.value
        if self.held is not None and self.held < needed:
            raise LocalError(
                Code.NOT_ENOUGH_MONEY,
                needed=show_amount(needed, self.symbol),
                held=show_amount(self.held, self.symbol),
            )

    def values(self) -> dict[str, Any]:
        """For `--json`: gas in units, amounts in wei as decimal text. `fee_limit` is what no raised price exceeds."""
        return {
            "transactions": len(self.costs),
            "gas": sum(cost.gas for cost in self.costs),
            "fee_likely": str(sum(cost.likely for cost in self.costs)),
            "fee_most": str(self.most),
            "fee_limit": str(self.most * LIMIT),
            "value": str(self.value),
            "back": None if self.back is None else str(self.back),
        }

    def lines(self) -> list[str]:
        """For people."""
        said = [self.what]
        if self.costs:
            likely = show_fee(sum(cost.likely for cost in self.costs), self.symbol)
            gas = f"{sum(cost.gas for cost in self.costs):,} gas at up to {show_gwei(self._price())}"
            said.append(f"  Fee   at most {show_fee(self.most, self.symbol)}, likely {likely} ({gas})")
        else:
            said.append("  Fee   none: the other side sends the transaction")
        if self.value:
            said.append(f"  Sent  {show_amount(self.value, self.symbol)}")
        if self.back is not None:
            said.append(f"  Back  {show_amount(self.back, self.symbol)}")
        return said + [f"  {note}" for note in self.notes]

    def _price(self) -> int:
        return max(cost.market.fees.price for cost in self.costs)


Agree = Callable[[Quote], Awaitable[None]]
"""Shows a quote and returns where it may be sent. Raises LocalError REFUSED, NOT_CONFIRMED or NOT_ENOUGH_MONEY."""
