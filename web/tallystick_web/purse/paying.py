"""What a deposit is paid in: the chain's coin or a token, and what it takes to let the contract have it.

Amounts are in the money's smallest unit, tokens 20 bytes; zero is the coin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tallystick_shared.channel import NATIVE

from ..figures import Coin

__all__ = ["NATIVE", "Purse", "Step", "Way"]


class Way(Enum):
    """How a token gets into the contract. CLEAR: an allowance that stands has to go to zero first."""

    COIN = "coin"
    APPROVED = "approved"
    PERMIT = "permit"
    APPROVE = "approve"
    CLEAR = "clear"

    @property
    def prompts(self) -> int:
        """How often the wallet asks for a deposit made so."""
        return {Way.PERMIT: 2, Way.APPROVE: 2, Way.CLEAR: 3}.get(self, 1)


class Step(Enum):
    """What the wallet is asked at the moment, before the transaction that opens the deposit."""

    NONE = ""
    GREET = "greet"
    """Nothing yet: the provider is asked first whether it is there."""
    PERMIT = "permit"
    CLEAR = "clear"
    APPROVE = "approve"


@dataclass(frozen=True)
class Purse:
    """`token` is what the next deposit is paid in, `balance` what the wallet holds of it, None where it was not read.

    `coins` are the tokens' names and decimals as they say themselves. `gas` is what the network takes for opening, in
    wei; None where it was not asked. `topping` is true while a top-up is on its way, `more` the text typed for it.
    """

    token: bytes = NATIVE
    balance: int | None = None
    way: Way = Way.COIN
    coins: Mapping[bytes, Coin] = field(default_factory=dict)
    gas: int | None = None
    step: Step = Step.NONE
    topping: bool = False
    more: str = ""
    part: str = ""
    """Of the money bar: what the money sheet shows first."""

    def coin(self, token: bytes, native: Coin) -> Coin:
        """What that token is called; `native` for the coin, and its own short address where nobody told yet."""
        if token == NATIVE:
            return native
        return self.coins.get(token) or Coin(f"0x{token.hex()[:4]}…", 0)
