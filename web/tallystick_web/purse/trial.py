"""What a provider gives away, as far as this page knows: asking without a wallet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class TrialPhase(Enum):
    """OFF: nobody asked for it. OVER: what there is for today is used up. NONE: nobody gives anything away."""

    OFF = "off"
    LOOKING = "looking"
    ON = "on"
    OVER = "over"
    NONE = "none"


@dataclass(frozen=True)
class Trial:
    """`left` is tokens for this browser until `renews` (Unix seconds), as far as is known here: others behind the same
    address may have had some. `most` is the longest answer.
    """

    phase: TrialPhase = TrialPhase.OFF
    provider: bytes = b""
    left: int = 0
    most: int = 0
    renews: int = 0

    @property
    def on(self) -> bool:
        return self.phase is TrialPhase.ON
